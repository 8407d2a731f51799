#ifndef DRIVER_SHIM_SOFTGPU_GUEST_MODEL_H_
#define DRIVER_SHIM_SOFTGPU_GUEST_MODEL_H_

#include <cstdint>
#include <vector>

#include "driver-shim/softgpu/guest/dice.h"
#include "driver-shim/softgpu/registers.h"

namespace baton::softgpu {

// What the tenant's window must hold: the same commands, carried out on the CPU
// by code that shares nothing with the device's. One thread.
class Model {
 public:
  // Memory for the whole window, which costs only what is touched.
  Model(uint64_t window_bytes, uint64_t seed);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  // Where commands may work: [offset, offset + bytes), both multiples of 4096,
  // at least 32 KiB. The first quarter receives results of hashes and fences.
  void SetWorkingSet(uint64_t offset, uint64_t bytes);

  // The chain of the tenant's context, as the device has it.
  void SetChain(uint64_t chain) { chain_ = chain; }

  // Returns the next command, at place `index` of its batch, already carried
  // out here. Sequence and context are left to the caller.
  softgpu_command Next(uint32_t index);

  // Carries `command` out here.
  void Apply(const softgpu_command& command);

  // Whether [offset, offset + bytes) of `window` is as it must be. If not, it
  // is taken over, so that one error is counted once.
  bool Check(const uint8_t* window, uint64_t offset, uint64_t bytes);

 private:
  uint64_t Place(uint64_t bytes);

  uint8_t* const shadow_;
  const uint64_t window_bytes_;
  Dice dice_;
  uint64_t results_ = 0;  // offset; one word for each place in a batch
  uint64_t results_bytes_ = 0;
  uint64_t work_ = 0;
  uint64_t work_bytes_ = 0;
  uint64_t chain_ = 0;
  uint64_t fence_ = 0;
};

// The range that a command writes.
struct Written {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};
Written WrittenBy(const softgpu_command& command);

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_GUEST_MODEL_H_
