#ifndef DRIVER_SHIM_VFIO_PACKED_H_
#define DRIVER_SHIM_VFIO_PACKED_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "driver-shim/port/record_codec.h"

namespace baton::vfio {

// A value as bytes, and back: see record_codec.h.
template <typename T>
std::string Packed(const T& value) {
  for (std::string bytes(4096, '\0');; bytes.resize(2 * bytes.size())) {
    port::RecordWriter writer(reinterpret_cast<std::byte*>(bytes.data()),
                              bytes.size());
    writer(value);
    if (!writer.fits()) continue;
    bytes.resize(bytes.size() - writer.left());
    return bytes;
  }
}

// Returns whether it was all of a value and nothing else.
template <typename T>
bool Unpack(absl::string_view bytes, T& value) {
  port::RecordReader reader(reinterpret_cast<const std::byte*>(bytes.data()),
                            bytes.size());
  reader(value);
  return reader.whole();
}

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_PACKED_H_
