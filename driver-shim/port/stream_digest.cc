#include "driver-shim/port/stream_digest.h"

#include "base/check.h"
#include "xxhash.h"

namespace baton::port {

StreamDigest::StreamDigest() : state_(XXH3_createState()) {
  CHECK(state_ != nullptr && XXH3_128bits_reset(state_) == XXH_OK);
}

StreamDigest::~StreamDigest() { XXH3_freeState(state_); }

void StreamDigest::Update(const void* data, size_t bytes) {
  CHECK(XXH3_128bits_update(state_, data, bytes) == XXH_OK);
}

Digest128 StreamDigest::Finish() {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_);
  return {.high = hash.high64, .low = hash.low64};
}

}  // namespace baton::port
