#ifndef DRIVER_SHIM_FUZZ_INPUT_H_
#define DRIVER_SHIM_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace baton::fuzz {

// Takes numbers off the front of a fuzzer's input; zeros once it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t bytes) : data_(data), left_(bytes) {}

  template <typename T>
  T Take() {
    T value = {};
    const size_t bytes = std::min(sizeof value, left_);
    if (bytes > 0) std::memcpy(&value, data_, bytes);
    Skip(bytes);
    return value;
  }

  // A number below `bound`, which is at least 1.
  uint64_t Below(uint64_t bound) {
    return (bound <= 256 ? Take<uint8_t>() : Take<uint32_t>()) % bound;
  }

  std::string TakeString(size_t bytes) {
    bytes = std::min(bytes, left_);
    std::string taken(reinterpret_cast<const char*>(data_), bytes);
    Skip(bytes);
    return taken;
  }

  bool empty() const { return left_ == 0; }
  const uint8_t* data() const { return data_; }
  size_t left() const { return left_; }

 private:
  void Skip(size_t bytes) {
    data_ += bytes;
    left_ -= bytes;
  }

  const uint8_t* data_;
  size_t left_;
};

}  // namespace baton::fuzz

#endif  // DRIVER_SHIM_FUZZ_INPUT_H_
