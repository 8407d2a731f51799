#include "service/core/packed.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"

namespace baton::core {
namespace {

constexpr absl::string_view kSha256 = "sha256:";
constexpr size_t kSha256Bytes = 32;

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

void Packer::Digest(absl::string_view text) {
  const bool is_digest = IsSha256(text);
  Number(is_digest ? 1 : 0);
  if (!is_digest) return Text(text);
  bytes_ += absl::HexStringToBytes(text.substr(kSha256.size()));
}

// Wraps around where it must: the reader does, too.
void Packer::Time(absl::Time time) {
  const int64_t ns = absl::ToUnixNanos(time);
  Number(ZigZag(static_cast<int64_t>(static_cast<uint64_t>(ns) -
                                     static_cast<uint64_t>(time_ns_))));
  time_ns_ = ns;
}

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

std::string Unpacker::Digest() {
  if (Number() == 0) return Text();
  CHECK(kSha256Bytes <= bytes_.size());
  std::string text = absl::StrCat(
      kSha256, absl::BytesToHexString(bytes_.substr(0, kSha256Bytes)));
  bytes_.remove_prefix(kSha256Bytes);
  return text;
}

// Times that never were come back as they went in: the ends of the scale of
// nanoseconds stand for the infinities.
absl::Time Unpacker::Time() {
  time_ns_ = static_cast<int64_t>(static_cast<uint64_t>(time_ns_) +
                                  static_cast<uint64_t>(UnZigZag(Number())));
  const int64_t ns = time_ns_;
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
