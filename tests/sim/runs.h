#ifndef TESTS_SIM_RUNS_H_
#define TESTS_SIM_RUNS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/sim/simulation.h"

namespace baton::sim {

// What a run came to.
struct Verdict {
  absl::Status status = absl::OkStatus();  // the first broken invariant
  uint64_t updates = 0;                    // attempts that ended
  std::vector<std::string> trace = {};
};

// Writes the two images; they stay for as long as it lives.
class ImageFiles {
 public:
  ImageFiles();
  ~ImageFiles();
  ImageFiles(const ImageFiles&) = delete;
  ImageFiles& operator=(const ImageFiles&) = delete;

  const SimImages& images() const { return images_; }

 private:
  std::string folder_;
  SimImages images_;
};

enum class Tracing : uint8_t { kOff, kOn };

// Everything at once: faults of all kinds, and operators who ask for anything;
// then all of it heals.
Verdict RunSeed(uint64_t seed, int hosts, const SimImages& images,
                Tracing tracing);

// A rollout over `hosts` with `planned` faults and nothing else. Without any it
// must succeed (L4).
Verdict RunPlanned(const std::vector<Planned>& planned, int hosts,
                   const SimImages& images, Tracing tracing);

// Every single fault that RunPlanned() is enumerated over.
std::vector<Planned> AllFaults();

// Every combination of up to `depth` of AllFaults(), but those that differ in
// the names of the hosts alone: hosts are numbered as they first appear.
std::vector<std::vector<Planned>> Combinations(int depth);

}  // namespace baton::sim

#endif  // TESTS_SIM_RUNS_H_
