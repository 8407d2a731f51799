#ifndef BASE_INTERNED_H_
#define BASE_INTERNED_H_

#include <atomic>
#include <compare>
#include <concepts>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace baton {

// A string that many records have, such as a host's name or a version: it takes
// the room of a pointer, its text is kept once, for as long as somebody has it.
// Reads, compares and sorts as that text. A value like any other: what is
// shared behind it never changes, and different threads may have the same text.
class Interned {
 public:
  Interned() = default;                                     // ""
  Interned(absl::string_view text) : entry_(Take(text)) {}  // NOLINT
  Interned(const std::string& text)                         // NOLINT
      : Interned(absl::string_view(text)) {}
  Interned(const char* text) : Interned(absl::string_view(text)) {}  // NOLINT
  Interned(const Interned& other) : entry_(other.entry_) {
    if (entry_ != nullptr) entry_->holders.fetch_add(1);
  }
  Interned(Interned&& other) noexcept
      : entry_(std::exchange(other.entry_, nullptr)) {}
  Interned& operator=(Interned other) noexcept {
    std::swap(entry_, other.entry_);
    return *this;
  }
  ~Interned() {
    if (entry_ != nullptr) Leave(entry_);
  }

  const std::string& str() const {
    return entry_ != nullptr ? entry_->text : Empty();
  }
  operator const std::string&() const { return str(); }  // NOLINT
  absl::string_view view() const { return str(); }
  bool empty() const { return entry_ == nullptr; }
  void clear() { *this = Interned(); }

  friend bool operator==(const Interned& a, const Interned& b) {
    return a.entry_ == b.entry_;
  }
  template <std::convertible_to<absl::string_view> Text>
  friend bool operator==(const Interned& a, const Text& b) {
    return absl::string_view(a.str()) == absl::string_view(b);
  }
  friend std::strong_ordering operator<=>(const Interned& a,
                                          const Interned& b) {
    if (a.entry_ == b.entry_) return std::strong_ordering::equal;
    return a.str().compare(b.str()) <=> 0;
  }
  template <std::convertible_to<absl::string_view> Text>
  friend std::strong_ordering operator<=>(const Interned& a, const Text& b) {
    return absl::string_view(a.str()).compare(absl::string_view(b)) <=> 0;
  }
  friend std::ostream& operator<<(std::ostream& out, const Interned& text) {
    return out << text.str();
  }

 private:
  struct Entry {
    explicit Entry(absl::string_view from) : text(from) {}
    const std::string text;
    std::atomic<uint32_t> holders = 1;
  };
  struct Pool;

  static Entry* Take(absl::string_view text);  // null for ""
  static void Leave(Entry* entry);
  static const std::string& Empty();

  Entry* entry_ = nullptr;
};

}  // namespace baton

#endif  // BASE_INTERNED_H_
