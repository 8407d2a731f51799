#ifndef SERVICE_CORE_COVERAGE_H_
#define SERVICE_CORE_COVERAGE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "service/core/host.h"
#include "service/core/rollout.h"

namespace baton::core {

// Which combinations of GPU model, vGPU profile and guest driver the hosts of a
// selection have, and which of them some of these hosts meet.
class CoverageMap {
 public:
  // Hosts are known by their index in `hosts`.
  explicit CoverageMap(const std::vector<const Host*>& hosts);

  // Counts what a host has as met.
  void Meet(size_t host);

  // Returns at most `most` of `candidates`, in the order of picking: each time
  // the one that meets most of what is not met yet, of several the first, until
  // nothing more can be met. Does not count them as met.
  std::vector<size_t> Pick(const std::vector<size_t>& candidates,
                           size_t most) const;

  // What was met up to now.
  Coverage Sum() const;

 private:
  std::vector<std::string> names_;            // of combinations, by name
  std::vector<std::vector<uint32_t>> hosts_;  // combinations of each host
  std::vector<bool> met_;
};

}  // namespace baton::core

#endif  // SERVICE_CORE_COVERAGE_H_
