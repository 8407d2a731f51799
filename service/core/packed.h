#ifndef SERVICE_CORE_PACKED_H_
#define SERVICE_CORE_PACKED_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "service/core/compact.h"

namespace baton::core {

// Writes values one after the other, small ones in few bytes. What it wrote
// never leaves the process.
class Packer {
 public:
  explicit Packer(std::string& bytes) : bytes_(bytes) {}
  void Number(uint64_t value);
  void Text(absl::string_view text);
  // The same, but "sha256:…" takes half the room.
  void Digest(absl::string_view text);
  // To the nanosecond, as the difference from the time before it.
  void Time(absl::Time time);
  void Duration(absl::Duration duration);

 private:
  std::string& bytes_;
  int64_t time_ns_ = 0;  // the last one
};

// Reads them again, in the same order.
class Unpacker {
 public:
  explicit Unpacker(absl::string_view bytes) : bytes_(bytes) {}
  uint64_t Number();
  std::string Text();
  std::string Digest();
  absl::Time Time();
  absl::Duration Duration();
  // What was not read yet.
  absl::string_view rest() const { return bytes_; }

 private:
  absl::string_view bytes_;
  int64_t time_ns_ = 0;
};

// A list of texts is a list of records, too.
inline void Pack(const std::string& text, Packer& to) { to.Text(text); }
inline void Unpack(Unpacker& from, std::string& text) { text = from.Text(); }

// A list of records that are often kept and seldom looked at: one string of
// bytes. Reading makes the records anew, one at a time; a copy of an iterator
// copies the record that it is at. T has
// Pack(const T&, Packer&) and Unpack(Unpacker&, T&) beside it.
//
// `Bytes`  Interned where many have the same list
template <typename T, typename Bytes = Compact>
class Packed {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    explicit Iterator(absl::string_view bytes) : from_(bytes) { Read(); }
    const T& operator*() const { return value_; }
    const T* operator->() const { return &value_; }
    Iterator& operator++() {
      Read();
      return *this;
    }
    bool operator==(const Iterator& other) const {
      return left_ == other.left_;
    }

   private:
    void Read() {
      left_ = from_.rest().size();
      if (left_ == 0) return;
      value_ = T();
      Unpack(from_, value_);
    }

    Unpacker from_;
    size_t left_ = 0;  // bytes from the record that was read on
    T value_ = T();
  };

  Packed() = default;
  Packed(const std::vector<T>& records) { Append(records); }     // NOLINT
  Packed(std::initializer_list<T> records) { Append(records); }  // NOLINT

  bool empty() const { return bytes_.empty(); }
  size_t size() const { return Get().size(); }
  Iterator begin() const { return Iterator(bytes_.view()); }
  Iterator end() const { return Iterator(absl::string_view()); }
  // A copy: changing it changes nothing here.
  T at(size_t index) const {
    return *std::next(begin(), static_cast<std::ptrdiff_t>(index));
  }
  std::vector<T> Get() const {
    std::vector<T> records;
    Unpacker from(bytes_.view());
    while (!from.rest().empty()) Unpack(from, records.emplace_back());
    return records;
  }

  bool operator==(const Packed&) const = default;

 private:
  template <typename Range>
  void Append(const Range& records) {
    std::string bytes;
    bytes.reserve(kBytesUsual);
    Packer to(bytes);
    for (const T& record : records) Pack(record, to);
    bytes_ = bytes;
  }

  static constexpr size_t kBytesUsual = 512;

  Bytes bytes_;
};

}  // namespace baton::core

#endif  // SERVICE_CORE_PACKED_H_
