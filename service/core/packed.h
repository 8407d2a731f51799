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

namespace baton::core {

// Writes values one after the other, small ones in few bytes. What it wrote
// never leaves the process.
class Packer {
 public:
  explicit Packer(std::string& bytes) : bytes_(bytes) {}
  void Number(uint64_t value);
  void Text(absl::string_view text);
  void Time(absl::Time time);  // to the nanosecond
  void Duration(absl::Duration duration);

 private:
  std::string& bytes_;
};

// Reads them again, in the same order.
class Unpacker {
 public:
  explicit Unpacker(absl::string_view bytes) : bytes_(bytes) {}
  uint64_t Number();
  std::string Text();
  absl::Time Time();
  absl::Duration Duration();
  // What was not read yet.
  absl::string_view rest() const { return bytes_; }

 private:
  absl::string_view bytes_;
};

// A list of records that are often kept and seldom looked at: one string of
// bytes. Reading makes the records anew, one at a time. T has
// Pack(const T&, Packer&) and Unpack(Unpacker&, T&) beside it.
template <typename T>
class Packed {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = const T&;

    explicit Iterator(absl::string_view bytes) : left_(bytes), next_(bytes) {
      Read();
    }
    const T& operator*() const { return value_; }
    const T* operator->() const { return &value_; }
    Iterator& operator++() {
      left_ = next_;
      Read();
      return *this;
    }
    bool operator==(const Iterator& other) const {
      return left_.size() == other.left_.size();
    }

   private:
    void Read() {
      if (left_.empty()) return;
      Unpacker from(left_);
      value_ = T();
      Unpack(from, value_);
      next_ = from.rest();
    }

    absl::string_view left_;  // from the record that is read on
    absl::string_view next_;
    T value_ = T();
  };

  Packed() = default;
  Packed(const std::vector<T>& records) { Append(records); }     // NOLINT
  Packed(std::initializer_list<T> records) { Append(records); }  // NOLINT

  bool empty() const { return bytes_.empty(); }
  size_t size() const {
    return static_cast<size_t>(std::distance(begin(), end()));
  }
  Iterator begin() const { return Iterator(bytes_); }
  Iterator end() const { return Iterator(absl::string_view()); }
  // A copy: changing it changes nothing here.
  T at(size_t index) const {
    return *std::next(begin(), static_cast<std::ptrdiff_t>(index));
  }
  std::vector<T> Get() const { return {begin(), end()}; }

  bool operator==(const Packed&) const = default;

 private:
  template <typename Range>
  void Append(const Range& records) {
    std::string bytes;
    Packer to(bytes);
    for (const T& record : records) Pack(record, to);
    // As long as it needs to be, and no longer.
    bytes_ = std::string(bytes.data(), bytes.size());
  }

  std::string bytes_;
};

}  // namespace baton::core

#endif  // SERVICE_CORE_PACKED_H_
