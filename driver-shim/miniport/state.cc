#include "driver-shim/miniport/state.h"

#include <cstring>

namespace baton::miniport {
namespace {

// Two lanes of FNV-1a over words, apart by their seeds.
class Hash {
 public:
  void Add(uint64_t word) {
    for (uint64_t& lane : lanes_) {
      lane = (lane ^ word) * 0x100000001b3u;
      lane ^= lane >> 29;
    }
  }

  StateDigest Finish() const {
    StateDigest digest;
    std::memcpy(digest.bytes, lanes_, sizeof(digest.bytes));
    return digest;
  }

 private:
  uint64_t lanes_[2] = {0xcbf29ce484222325u, 0x9e3779b97f4a7c15u};
};

}  // namespace

StateDigest DigestOf(const Logical& state, uint64_t mailbox_sequence) {
  Hash hash;
  hash.Add(mailbox_sequence);
  hash.Add(state.allocations_count);
  hash.Add(state.next_handle);
  for (uint32_t i = 0; i < state.allocations_count; ++i) {
    hash.Add(state.allocations[i].handle);
    hash.Add(state.allocations[i].offset);
    hash.Add(state.allocations[i].bytes);
  }
  for (const Context& context : state.table.contexts) {
    hash.Add(context.valid);
    hash.Add(context.valid != 0 ? context.tag : 0);
  }
  for (const uint64_t fence : state.table.fences) hash.Add(fence);
  hash.Add(state.table.next_tag);
  return hash.Finish();
}

bool IsSound(const Logical& state, uint64_t window_bytes) {
  if (state.allocations_count > kAllocationsMax) return false;
  uint32_t last = 0;
  for (uint32_t i = 0; i < state.allocations_count; ++i) {
    const Allocation& a = state.allocations[i];
    if (a.handle <= last || a.handle >= state.next_handle || a.bytes == 0 ||
        a.bytes > window_bytes || a.offset > window_bytes - a.bytes) {
      return false;
    }
    last = a.handle;
    for (uint32_t j = 0; j < i; ++j) {
      const Allocation& b = state.allocations[j];
      if (a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace baton::miniport
