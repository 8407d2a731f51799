#include "driver-shim/softgpu/guest/heap.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace baton::softgpu {
namespace {

constexpr size_t kAllocationsMax = 24;
constexpr size_t kContextsMax = 4;
constexpr uint64_t kBytesMax = 65536;
constexpr uint64_t kAlignment = 256;

uint64_t RoundedUp(uint64_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

void Heap::SetBaseline(const MailboxAnswer& info) { baseline_ = info; }

uint64_t Heap::AnyHandle() {
  const uint64_t at = dice_.Below(allocations_.size());
  return std::next(allocations_.begin(), static_cast<std::ptrdiff_t>(at))
      ->first;
}

uint64_t Heap::AnySpareHandle() {
  const uint64_t at = 1 + dice_.Below(allocations_.size() - 1);
  return std::next(allocations_.begin(), static_cast<std::ptrdiff_t>(at))
      ->first;
}

MailboxRequest Heap::Choose() {
  const uint64_t fence = dice_.Below(SOFTGPU_FENCES);
  switch (dice_.Below(8)) {
    case 0:
    case 1:
      if (allocations_.size() < kAllocationsMax) {
        // So small that all of them fit beside the working set.
        const uint64_t bytes_max =
            std::clamp(window_bytes_ / 64, kAlignment, kBytesMax);
        return {SOFTGPU_MAILBOX_ALLOCATE, {1 + dice_.Below(bytes_max), 0}};
      }
      return {SOFTGPU_MAILBOX_FREE, {AnySpareHandle(), 0}};
    case 2:
      if (allocations_.size() > 1) {
        return {SOFTGPU_MAILBOX_FREE, {AnySpareHandle(), 0}};
      }
      break;
    case 3:
      if (!allocations_.empty()) {
        return {SOFTGPU_MAILBOX_QUERY, {AnyHandle(), 0}};
      }
      break;
    case 4:
      return {SOFTGPU_MAILBOX_SIGNAL_FENCE,
              {fence, fences_[fence] + dice_.Below(1000)}};
    case 5:
      return {SOFTGPU_MAILBOX_QUERY_FENCE, {fence, 0}};
    case 6:
      if (contexts_.size() < kContextsMax) {
        return {SOFTGPU_MAILBOX_CREATE_CONTEXT, {}};
      }
      // The highest: commands run in the first.
      return {SOFTGPU_MAILBOX_DESTROY_CONTEXT, {contexts_.rbegin()->first, 0}};
  }
  return {SOFTGPU_MAILBOX_INFO, {}};
}

std::string Heap::Judge(const MailboxRequest& request,
                        const MailboxAnswer& answer) {
  if (answer.status != SOFTGPU_MAILBOX_OK) {
    return absl::StrCat("request ", request.opcode, " was refused with status ",
                        answer.status);
  }
  const uint64_t name = request.arguments[0];
  switch (request.opcode) {
    case SOFTGPU_MAILBOX_ALLOCATE:
      return JudgeAllocation(name, answer);
    case SOFTGPU_MAILBOX_FREE:
      allocations_.erase(name);
      return "";
    case SOFTGPU_MAILBOX_QUERY:
      return JudgeQuery(name, answer);
    case SOFTGPU_MAILBOX_CREATE_CONTEXT:
      return JudgeContext(answer);
    case SOFTGPU_MAILBOX_DESTROY_CONTEXT:
      contexts_.erase(name);
      return "";
    case SOFTGPU_MAILBOX_INFO:
      return JudgeInfo(answer);
    case SOFTGPU_MAILBOX_SIGNAL_FENCE:
      fences_[name] = request.arguments[1];
      return "";
    case SOFTGPU_MAILBOX_QUERY_FENCE:
      if (answer.results[0] == fences_[name]) return "";
      return absl::StrCat("fence ", name, " got ", answer.results[0], ", want ",
                          fences_[name]);
  }
  return absl::StrCat("request ", request.opcode, " is not known");
}

std::string Heap::JudgeAllocation(uint64_t bytes, const MailboxAnswer& answer) {
  const uint64_t handle = answer.results[0];
  const Range range = {answer.results[1], RoundedUp(bytes)};
  if (handle <= last_handle_) {
    return absl::StrCat("handle ", handle, " was given before, last was ",
                        last_handle_);
  }
  if (range.offset % kAlignment != 0 || range.bytes > window_bytes_ ||
      range.offset > window_bytes_ - range.bytes) {
    return absl::StrCat("allocation at ", range.offset, " with ", range.bytes,
                        " bytes is outside the window");
  }
  for (const auto& [other, taken] : allocations_) {
    if (range.offset < taken.offset + taken.bytes &&
        taken.offset < range.offset + range.bytes) {
      return absl::StrCat("allocation ", handle, " at ", range.offset,
                          " overlaps allocation ", other, " at ", taken.offset);
    }
  }
  last_handle_ = handle;
  allocations_[handle] = range;
  fresh_ = range;
  peak_ = std::max(peak_, range.offset + range.bytes);
  return "";
}

std::string Heap::JudgeQuery(uint64_t handle,
                             const MailboxAnswer& answer) const {
  const Range& want = allocations_.find(handle)->second;
  if (answer.results[0] == want.offset && answer.results[1] == want.bytes) {
    return "";
  }
  return absl::StrCat("allocation ", handle, " got offset ", answer.results[0],
                      " with ", answer.results[1], " bytes, want ", want.offset,
                      " with ", want.bytes);
}

std::string Heap::JudgeContext(const MailboxAnswer& answer) {
  const uint64_t index = answer.results[0];
  const uint64_t tag = answer.results[1];
  if (tag <= last_tag_ || contexts_.contains(index)) {
    return absl::StrCat("context ", index, " with tag ", tag,
                        " was given before");
  }
  last_tag_ = tag;
  contexts_[index] = tag;
  return "";
}

std::string Heap::JudgeInfo(const MailboxAnswer& answer) const {
  uint64_t bytes = baseline_.results[1];
  for (const auto& [handle, range] : allocations_) bytes += range.bytes;
  const uint64_t allocations = baseline_.results[0] + allocations_.size();
  const uint64_t contexts = baseline_.results[2] + contexts_.size();
  if (answer.results[0] == allocations && answer.results[1] == bytes &&
      answer.results[2] == contexts) {
    return "";
  }
  return absl::StrCat("info got ", answer.results[0], " allocations with ",
                      answer.results[1], " bytes and ", answer.results[2],
                      " contexts, want ", allocations, " with ", bytes, " and ",
                      contexts);
}

Heap::Range Heap::TakeFresh() { return std::exchange(fresh_, {}); }

}  // namespace baton::softgpu
