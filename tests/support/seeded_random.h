#ifndef TESTS_SUPPORT_SEEDED_RANDOM_H_
#define TESTS_SUPPORT_SEEDED_RANDOM_H_

#include <cstdint>

#include "base/random.h"

namespace baton::support {

// Random draws that a seed repeats, on every machine (SplitMix64, Steele et al.
// 2014). Confined to one thread.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  uint64_t Bits() override {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

  double Uniform() override {
    return static_cast<double>(Bits() >> 11) * 0x1.0p-53;
  }

  // Returns a number in [0, below); `below` is at least 1.
  uint64_t Below(uint64_t below) { return Bits() % below; }

  // Returns true once in `in` times on average.
  bool OneIn(uint64_t in) { return Below(in) == 0; }

 private:
  uint64_t state_;
};

}  // namespace baton::support

#endif  // TESTS_SUPPORT_SEEDED_RANDOM_H_
