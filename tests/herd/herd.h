#ifndef TESTS_HERD_HERD_H_
#define TESTS_HERD_HERD_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"

namespace baton::herd {

// A real batond that is killed again and again, and many agents: each the real
// loop, link and journal, with a stream of its own and a shim that is faked.
struct Options {
  std::string batond = "";     // path of the binary
  std::string directory = "";  // short, empty; all goes there
  int hosts = 20;
  int kills = 10;  // of the service, within one rollout over all hosts
  uint64_t seed = 1;
};

// What came of it.
struct Result {
  // OK: the rollout succeeded, each host was updated once, and nobody holds a
  // slot or a closed gate. Else the first thing that is not so.
  absl::Status status = absl::OkStatus();
  int kills = 0;                             // that hit the rollout
  std::map<std::string, int> by_cause = {};  // fail point, or "SIGKILL"
  int hosts_done_at_last_kill = 0;
  double seconds = 0;  // the whole of it
};

// Blocks; minutes for hundreds of hosts.
Result Run(const Options& options);

}  // namespace baton::herd

#endif  // TESTS_HERD_HERD_H_
