#ifndef SERVICE_CORE_COMPACT_H_
#define SERVICE_CORE_COMPACT_H_

#include <concepts>
#include <cstdint>
#include <cstring>
#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/string_view.h"
#include "base/check.h"

namespace baton::core {

// A string that is often kept and seldom changed: it takes the room of a
// pointer, and of exactly its bytes where it has some.
class Compact {
 public:
  Compact() = default;               // ""
  Compact(absl::string_view text) {  // NOLINT
    if (text.empty()) return;
    CHECK(text.size() <= UINT32_MAX);
    const auto size = static_cast<uint32_t>(text.size());
    bytes_.reset(new char[sizeof(size) + text.size()]);
    std::memcpy(bytes_.get(), &size, sizeof(size));
    std::memcpy(bytes_.get() + sizeof(size), text.data(), text.size());
  }
  Compact(const std::string& text)  // NOLINT
      : Compact(absl::string_view(text)) {}
  Compact(const char* text) : Compact(absl::string_view(text)) {}  // NOLINT
  Compact(const Compact& other) : Compact(other.view()) {}
  Compact(Compact&&) noexcept = default;
  Compact& operator=(Compact other) noexcept {
    bytes_ = std::move(other.bytes_);
    return *this;
  }

  // Valid until it changes.
  absl::string_view view() const {
    if (bytes_ == nullptr) return {};
    uint32_t size = 0;
    std::memcpy(&size, bytes_.get(), sizeof(size));
    return {bytes_.get() + sizeof(size), size};
  }
  std::string str() const { return std::string(view()); }
  bool empty() const { return bytes_ == nullptr; }

  friend bool operator==(const Compact& a, const Compact& b) {
    return a.view() == b.view();
  }
  template <std::convertible_to<absl::string_view> Text>
  friend bool operator==(const Compact& a, const Text& b) {
    return a.view() == absl::string_view(b);
  }
  friend std::ostream& operator<<(std::ostream& out, const Compact& text) {
    return out << text.view();
  }

 private:
  std::unique_ptr<char[]> bytes_;  // their number, then they themselves
};

}  // namespace baton::core

#endif  // SERVICE_CORE_COMPACT_H_
