#ifndef DRIVER_SHIM_VERIFY_VERIFIER_H_
#define DRIVER_SHIM_VERIFY_VERIFIER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/verify/findings.h"
#include "driver-shim/verify/trial.h"

namespace baton::verify {

struct VerifyOptions {
  port::DriverImage subject = {};
  // Another version, known to be good: updates go from it to the subject and
  // back. Without one the subject is updated to itself.
  std::optional<port::DriverImage> against = std::nullopt;
  Effort effort = Effort::kThorough;
  uint32_t hot_updates = 1000;                 // in a row
  std::string executable = "/proc/self/exe";   // see DriverProcess::Options
  absl::Duration deadline = absl::Seconds(3);  // of each step
  // After so many sequences that failed, the others are left out: what is
  // broken is known by then, and each may cost a deadline.
  size_t failures_max = 3;
  uint64_t seed = 1;
  // Asked between sequences: whether to stop early. Called from the caller's
  // thread.
  std::function<bool()> interrupted = [] { return false; };
};

// Tries the driver on stands of its own, and returns a finding for each rule,
// and one for the host. Blocks: seconds when quick, some minutes when thorough,
// more for a driver that hangs. The calling thread starts driver hosts, which
// end with it.
//
// Errors: ABORTED      it was interrupted; reason VERIFY_INTERRUPTED
//         UNAVAILABLE  a stand cannot be built
absl::StatusOr<Findings> Verify(const VerifyOptions& options);

// What Verify() would try, in that order: one line each, and no two the same.
std::vector<std::string> ListSequences(const VerifyOptions& options);

}  // namespace baton::verify

#endif  // DRIVER_SHIM_VERIFY_VERIFIER_H_
