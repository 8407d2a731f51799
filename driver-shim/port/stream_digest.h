#ifndef DRIVER_SHIM_PORT_STREAM_DIGEST_H_
#define DRIVER_SHIM_PORT_STREAM_DIGEST_H_

#include <array>
#include <cstddef>

#include "base/digest.h"

namespace baton::port {

// XXH3-128 of bytes that come in pieces; equal to Xxh3Of() of them all. One
// thread.
class StreamDigest {
 public:
  StreamDigest();
  StreamDigest(const StreamDigest&) = delete;
  StreamDigest& operator=(const StreamDigest&) = delete;

  void Update(const void* data, size_t bytes);
  Digest128 Finish();

 private:
  // The library's; here, so that no thread has to take memory for it.
  alignas(64) std::array<std::byte, 576> state_;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_STREAM_DIGEST_H_
