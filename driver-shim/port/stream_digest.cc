#include "driver-shim/port/stream_digest.h"

#include <new>

#include "base/check.h"
#define XXH_STATIC_LINKING_ONLY  // for the size of its state
#include "xxhash.h"
#if defined(__x86_64__)
// The widest instructions that the processor has: three times as fast.
#include "xxh_x86dispatch.h"
#endif

namespace baton::port {

static_assert(sizeof(XXH3_state_t) <= sizeof(StreamDigest));
static_assert(alignof(XXH3_state_t) <= alignof(StreamDigest));

StreamDigest::StreamDigest() {
  CHECK(XXH3_128bits_reset(new (state_.data()) XXH3_state_t) == XXH_OK);
}

void StreamDigest::Update(const void* data, size_t bytes) {
  auto* const state = reinterpret_cast<XXH3_state_t*>(state_.data());
  CHECK(XXH3_128bits_update(state, data, bytes) == XXH_OK);
}

Digest128 StreamDigest::Finish() {
  const auto* const state = reinterpret_cast<XXH3_state_t*>(state_.data());
  const XXH128_hash_t hash = XXH3_128bits_digest(state);
  return {.high = hash.high64, .low = hash.low64};
}

}  // namespace baton::port
