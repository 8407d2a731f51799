#ifndef DRIVER_SHIM_CONFORMANCE_CHECK_H_
#define DRIVER_SHIM_CONFORMANCE_CHECK_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "driver-shim/conformance/session.h"

namespace baton::conformance {

// Collects what one case saw. Each check returns whether it held, so that a
// case can stop where going on makes no sense.
class Check {
 public:
  // `what` says what was seen and what was wanted.
  bool That(bool holds, absl::string_view what);
  // `step` is what was being done.
  bool Ok(const absl::Status& status, absl::string_view step);
  bool Done(const Answer& answer, absl::string_view step);
  // Nothing was tried: this status and this reason.
  bool Refused(const Answer& answer, absl::StatusCode code,
               absl::string_view reason, absl::string_view step);
  // It was tried and did not succeed; the result says why in all its fields.
  bool Failed(const Answer& answer, absl::string_view step);
  // It succeeded with the very result of `first`. Returns whether it succeeded.
  bool Repeats(const Answer& again, const Answer& first,
               absl::string_view step);
  // The adapter stands there, with this attempt under way (0: none).
  bool Stands(Session& session, v1::AdapterState state, uint64_t attempt,
              absl::string_view step);

  // At the end of an update it serves with `image`, and everybody is there as
  // `before` says.
  void Serves(Session& session, const v1::DriverImage& image,
              const v1::InspectResponse& before);

  // The case cannot be tried on this adapter.
  void NotApplicable(const std::string& why) { not_applicable_ = why; }

  const std::vector<std::string>& failures() const { return failures_; }
  const std::string& not_applicable() const { return not_applicable_; }

 private:
  std::vector<std::string> failures_;
  std::string not_applicable_ = "";
};

// How a case leaves the adapter.
enum class Leaves {
  kAnywhere,  // it is led home afterwards
  kAsItWas,   // in the state that the next case of the same state needs
};

// One promise and how it is tried. Begins at home, except after one that
// leaves the adapter as it was.
struct Case {
  std::string name = "";
  std::string promise = "";
  std::string fix = "";
  std::function<void(Session& session, Check& check)> run = {};
  Leaves leaves = Leaves::kAnywhere;
};

// The cases, by what they are about.
std::vector<Case> OrderCases();     // every (state, verb) pair
std::vector<Case> RequestCases();   // malformed orders and images
std::vector<Case> AttemptCases();   // repeats, stale attempts, lost answers
std::vector<Case> UpdateCases();    // whole updates, forward, back and reverse
std::vector<Case> AheadCases();     // steps that are ordered at once
std::vector<Case> TruthCases();     // Inspect, results, census
std::vector<Case> DeadlineCases();  // too little time

}  // namespace baton::conformance

#endif  // DRIVER_SHIM_CONFORMANCE_CHECK_H_
