#ifndef SERVICE_CORE_RARE_H_
#define SERVICE_CORE_RARE_H_

#include <memory>
#include <optional>
#include <utility>

namespace baton::core {

// A value that most records do not have: a std::optional that takes the room of
// a pointer while it is empty.
template <typename T>
class Rare {
 public:
  Rare() = default;
  Rare(std::nullopt_t) {}                                           // NOLINT
  Rare(T value) : value_(std::make_unique<T>(std::move(value))) {}  // NOLINT
  Rare(const Rare& other)
      : value_(other.has_value() ? std::make_unique<T>(*other) : nullptr) {}
  Rare(Rare&&) noexcept = default;
  Rare& operator=(const Rare& other) {
    if (this != &other) *this = Rare(other);
    return *this;
  }
  Rare& operator=(Rare&&) noexcept = default;

  bool has_value() const { return value_ != nullptr; }
  void reset() { value_.reset(); }
  T& emplace() {
    value_ = std::make_unique<T>();
    return *value_;
  }
  // Only where has_value().
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return value_.get(); }
  const T* operator->() const { return value_.get(); }

  bool operator==(const Rare& other) const {
    if (!has_value() || !other.has_value()) {
      return has_value() == other.has_value();
    }
    return **this == *other;
  }

 private:
  std::unique_ptr<T> value_;
};

}  // namespace baton::core

#endif  // SERVICE_CORE_RARE_H_
