#include "service/core/packed.h"

#include "base/check.h"

namespace baton::core {
namespace {

// Small numbers of either sign become small ones without.
uint64_t ZigZag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^
         static_cast<uint64_t>(value >> 63);
}

int64_t UnZigZag(uint64_t value) {
  return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

}  // namespace

void Packer::Number(uint64_t value) {
  while (value >= 0x80) {
    bytes_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  bytes_.push_back(static_cast<char>(value));
}

void Packer::Text(absl::string_view text) {
  Number(text.size());
  bytes_.append(text.data(), text.size());
}

void Packer::Time(absl::Time time) { Number(ZigZag(absl::ToUnixNanos(time))); }

void Packer::Duration(absl::Duration duration) {
  Number(ZigZag(absl::ToInt64Nanoseconds(duration)));
}

uint64_t Unpacker::Number() {
  uint64_t value = 0;
  int shift = 0;
  uint8_t byte = 0;
  do {
    CHECK(!bytes_.empty());
    byte = static_cast<uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    value |= uint64_t{byte & 0x7fU} << shift;
    shift += 7;
  } while (byte >= 0x80);
  return value;
}

std::string Unpacker::Text() {
  const uint64_t size = Number();
  CHECK(size <= bytes_.size());
  std::string text(bytes_.substr(0, size));
  bytes_.remove_prefix(size);
  return text;
}

// Times that never were come back as they went in: the ends of the scale of
// nanoseconds stand for the infinities.
absl::Time Unpacker::Time() {
  const int64_t ns = UnZigZag(Number());
  if (ns == absl::ToUnixNanos(absl::InfinitePast())) {
    return absl::InfinitePast();
  }
  if (ns == absl::ToUnixNanos(absl::InfiniteFuture())) {
    return absl::InfiniteFuture();
  }
  return absl::FromUnixNanos(ns);
}

absl::Duration Unpacker::Duration() {
  const int64_t ns = UnZigZag(Number());
  if (ns == absl::ToInt64Nanoseconds(absl::InfiniteDuration())) {
    return absl::InfiniteDuration();
  }
  return absl::Nanoseconds(ns);
}

}  // namespace baton::core
