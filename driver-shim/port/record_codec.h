#ifndef DRIVER_SHIM_PORT_RECORD_CODEC_H_
#define DRIVER_SHIM_PORT_RECORD_CODEC_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "driver-shim/port/shared_list.h"

// Values as bytes, for whoever reads them with the same list of fields: numbers
// in eight bytes, everything else as a count and what it counts. A type of ours
// takes part by a function beside it,
//
//   template <typename Archive, Of<Type> Value>
//   void Fields(Archive& archive, Value& value) { archive(value.a, value.b); }
//
// which serves for both directions. No I/O; confined to one thread.

namespace baton::port {

// `Value`, or a const one.
template <typename Value, typename Type>
concept Of = std::same_as<std::remove_const_t<Value>, Type>;

// What has no list of fields.
template <typename T>
concept Number = std::integral<T> || std::is_enum_v<T>;

// Writes into a room of its own size, and tells when that was too small.
class RecordWriter {
 public:
  // `room` outlives this object.
  RecordWriter(std::byte* room, size_t bytes) : at_(room), left_(bytes) {}

  template <typename... T>
  void operator()(const T&... values) {
    (Put(values), ...);
  }

  bool fits() const { return fits_; }
  size_t left() const { return left_; }

 private:
  void Bytes(const void* data, size_t bytes) {
    if (bytes > left_) fits_ = false;
    if (!fits_ || bytes == 0) return;
    std::memcpy(at_, data, bytes);
    at_ += bytes;
    left_ -= bytes;
  }
  template <Number T>
  void Put(T value) {
    const auto number = static_cast<uint64_t>(value);
    Bytes(&number, sizeof number);
  }
  void Put(const std::string& text) {
    Put(text.size());
    Bytes(text.data(), text.size());
  }
  void Put(absl::Duration duration) { Put(absl::ToInt64Nanoseconds(duration)); }
  void Put(const absl::Status& status) {
    Put(status.code());
    if (status.ok()) return;
    Put(Reason(status));
    Put(std::string(status.message()));
  }
  template <typename T>
  void Put(const std::optional<T>& value) {
    Put(value.has_value());
    if (value.has_value()) Put(*value);
  }
  template <typename T>
  void Put(const std::shared_ptr<const T>& value) {
    Put(value != nullptr);
    if (value != nullptr) Put(*value);
  }
  template <typename T>
  void Put(const std::vector<T>& values) {
    Put(values.size());
    for (const T& value : values) Put(value);
  }
  template <typename T>
  void Put(const SharedList<T>& values) {
    Put(values.items());
  }
  template <typename K, typename V>
  void Put(const std::map<K, V>& values) {
    Put(values.size());
    for (const auto& [key, value] : values) (*this)(key, value);
  }
  template <typename T>
  requires(!Number<T>) void Put(const T& value) { Fields(*this, value); }

  std::byte* at_;
  size_t left_;
  bool fits_ = true;
};

// Reads what a RecordWriter wrote. Of any other bytes it makes values that are
// whole, and says that they are not to be believed.
class RecordReader {
 public:
  // `data` outlives this object.
  RecordReader(const std::byte* data, size_t bytes) : at_(data), left_(bytes) {}

  template <typename... T>
  void operator()(T&... values) {
    (Get(values), ...);
  }

  // Whether everything was there, and nothing else.
  bool whole() const { return good_ && left_ == 0; }

 private:
  uint64_t Next() {
    uint64_t number = 0;
    if (left_ < sizeof number) good_ = false;
    if (!good_) return 0;
    std::memcpy(&number, at_, sizeof number);
    at_ += sizeof number;
    left_ -= sizeof number;
    return number;
  }
  // Of what takes at least `bytes` each.
  size_t Count(size_t bytes) {
    const uint64_t count = Next();
    if (count > left_ / bytes) good_ = false;
    return good_ ? count : 0;
  }
  template <std::integral T>
  void Get(T& value) {
    const uint64_t number = Next();
    value = static_cast<T>(number);
    if (static_cast<uint64_t>(value) != number) good_ = false;
  }
  // `LastOf`, found beside the type, names the highest value.
  template <typename T>
  requires std::is_enum_v<T>
  void Get(T& value) {
    const uint64_t number = Next();
    if (number > static_cast<uint64_t>(LastOf(T{}))) {
      good_ = false;
    } else {
      value = static_cast<T>(number);
    }
  }
  void Get(std::string& text) {
    const size_t bytes = Count(1);
    text.assign(reinterpret_cast<const char*>(at_), bytes);
    at_ += bytes;
    left_ -= bytes;
  }
  void Get(absl::Duration& duration) {
    duration = absl::Nanoseconds(static_cast<int64_t>(Next()));
  }
  void Get(absl::Status& status) {
    const uint64_t code = Next();
    if (code > static_cast<uint64_t>(absl::StatusCode::kUnauthenticated)) {
      good_ = false;
    }
    if (!good_ || code == 0) return;
    std::string reason;
    std::string message;
    (*this)(reason, message);
    status = absl::Status(static_cast<absl::StatusCode>(code), message);
    if (!reason.empty()) {
      status = ErrorWithReason(status.code(), reason, message);
    }
  }
  template <typename T>
  void Get(std::optional<T>& value) {
    bool there = false;
    Get(there);
    if (there) Get(value.emplace());
  }
  template <typename T>
  void Get(std::shared_ptr<const T>& value) {
    bool there = false;
    Get(there);
    if (!there) return;
    auto made = std::make_shared<T>();
    Get(*made);
    value = std::move(made);
  }
  template <typename T>
  void Get(std::vector<T>& values) {
    const size_t count = Count(sizeof(uint64_t));
    values.clear();
    for (size_t i = 0; i < count && good_; ++i) Get(values.emplace_back());
  }
  template <typename T>
  void Get(SharedList<T>& values) {
    std::vector<T> items;
    Get(items);
    values = std::move(items);
  }
  template <typename K, typename V>
  void Get(std::map<K, V>& values) {
    const size_t count = Count(2 * sizeof(uint64_t));
    values.clear();
    for (size_t i = 0; i < count && good_; ++i) {
      K key = {};
      V value = {};
      (*this)(key, value);
      values.emplace(std::move(key), std::move(value));
    }
  }
  template <typename T>
  requires(!Number<T>) void Get(T& value) { Fields(*this, value); }

  const std::byte* at_;
  size_t left_;
  bool good_ = true;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_RECORD_CODEC_H_
