#ifndef DRIVER_SHIM_SOFTGPU_GUEST_HEAP_H_
#define DRIVER_SHIM_SOFTGPU_GUEST_HEAP_H_

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "driver-shim/softgpu/guest/dice.h"
#include "driver-shim/softgpu/registers.h"

namespace baton::softgpu {

struct MailboxRequest {
  uint32_t opcode = 0;
  uint64_t arguments[2] = {};
};

struct MailboxAnswer {
  uint32_t status = SOFTGPU_MAILBOX_OK;
  uint64_t results[SOFTGPU_MAILBOX_WORDS] = {};
};

// What the tenant has had from its driver, and so what the driver must answer.
// Pure: chooses requests and judges answers. One request at a time.
class Heap {
 public:
  struct Range {
    uint64_t offset = 0;
    uint64_t bytes = 0;
  };

  Heap(uint64_t window_bytes, uint64_t seed)
      : window_bytes_(window_bytes), dice_(seed) {}

  // What belongs to whoever had the function before: the answer to INFO.
  void SetBaseline(const MailboxAnswer& info);
  void SetFence(uint64_t fence, uint64_t value) { fences_[fence] = value; }

  // Returns a request that a tenant might make now.
  MailboxRequest Choose();

  // Judges the answer to `request` and notes what it gave. Returns what is
  // wrong with it, or "".
  std::string Judge(const MailboxRequest& request, const MailboxAnswer& answer);

  // The range that the last judged answer allocated; 0 bytes when none.
  Range TakeFresh();

  // The end of the highest range there ever was.
  uint64_t peak() const { return peak_; }

 private:
  std::string JudgeAllocation(uint64_t bytes, const MailboxAnswer& answer);
  std::string JudgeQuery(uint64_t handle, const MailboxAnswer& answer) const;
  std::string JudgeContext(const MailboxAnswer& answer);
  std::string JudgeInfo(const MailboxAnswer& answer) const;
  uint64_t AnyHandle();
  // Not the lowest, the working set, which stays. There are at least two.
  uint64_t AnySpareHandle();

  const uint64_t window_bytes_;
  Dice dice_;
  std::map<uint64_t, Range> allocations_;  // by handle
  std::map<uint64_t, uint64_t> contexts_;  // tag, by index
  std::array<uint64_t, SOFTGPU_FENCES> fences_ = {};
  MailboxAnswer baseline_ = {};
  uint64_t last_handle_ = 0;
  uint64_t last_tag_ = 0;
  uint64_t peak_ = 0;
  Range fresh_ = {};
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_GUEST_HEAP_H_
