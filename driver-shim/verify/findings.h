#ifndef DRIVER_SHIM_VERIFY_FINDINGS_H_
#define DRIVER_SHIM_VERIFY_FINDINGS_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

// What a check found, and how people and programs read it. Pure.

namespace baton::verify {

enum class Outcome {
  kPass,
  kFail,
  kNotApplicable,  // it could not be tried; the detail says why
};

// One promise and whether it is kept.
struct Finding {
  std::string name = "";  // unique in its report, e.g. "R4"; never changes
  std::string promise = "";
  Outcome outcome = Outcome::kNotApplicable;
  std::string detail = "";  // "" when there is nothing to say
  std::string fix = "";     // what to do about a failure
  absl::Duration elapsed = absl::ZeroDuration();
};

// All that one run found.
struct Findings {
  std::string suite = "";    // e.g. "verify"
  std::string subject = "";  // what was looked at
  // What else is worth knowing, in this order: name and value.
  std::vector<std::pair<std::string, std::string>> facts = {};
  std::vector<Finding> findings = {};

  size_t Count(Outcome outcome) const;
};

enum class Format { kText, kJson, kJunit };

// Returns the findings as lines for a terminal, one JSON object, or one JUnit
// <testsuite>; each ends with a newline.
std::string Render(const Findings& findings, Format format);

}  // namespace baton::verify

#endif  // DRIVER_SHIM_VERIFY_FINDINGS_H_
