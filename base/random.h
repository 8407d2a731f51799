#ifndef BASE_RANDOM_H_
#define BASE_RANDOM_H_

#include <cstdint>

namespace baton {

// Where every random draw comes from, so that a test can repeat one.
class Random {
 public:
  virtual ~Random() = default;

  // Returns a number in [0, 1), evenly distributed.
  virtual double Uniform() = 0;

  // Returns 64 random bits.
  virtual uint64_t Bits() = 0;
};

// The machine's own source. Lives for ever; any thread.
Random& RealRandom();

}  // namespace baton

#endif  // BASE_RANDOM_H_
