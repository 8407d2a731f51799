#ifndef DRIVER_SHIM_SOFTGPU_GUEST_DICE_H_
#define DRIVER_SHIM_SOFTGPU_GUEST_DICE_H_

#include <cstdint>

namespace baton::softgpu {

// SplitMix64: a cheap stream of numbers that a seed repeats.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}

  uint64_t Bits() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // A number below `n`, which is not 0.
  uint64_t Below(uint64_t n) { return Bits() % n; }

 private:
  uint64_t state_;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_GUEST_DICE_H_
