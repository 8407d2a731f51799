#ifndef DRIVER_SHIM_PORT_SHARED_LIST_H_
#define DRIVER_SHIM_PORT_SHARED_LIST_H_

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace baton::port {

// A list that many hold and nobody changes: to copy it costs nothing, however
// long it is. The items may be read on any thread.
template <typename T>
class SharedList {
 public:
  using value_type = T;
  using const_iterator = typename std::vector<T>::const_iterator;

  SharedList() = default;
  // Not explicit: it stands for the vector wherever that is done.
  SharedList(std::vector<T> items) {  // NOLINT(google-explicit-constructor)
    if (items.empty()) return;
    items_ = std::make_shared<const std::vector<T>>(std::move(items));
  }
  SharedList(std::initializer_list<T> items)
      : SharedList(std::vector<T>(items)) {}

  const std::vector<T>& items() const {
    static const auto* const none = new std::vector<T>;
    return items_ == nullptr ? *none : *items_;
  }

  const_iterator begin() const { return items().begin(); }
  const_iterator end() const { return items().end(); }
  size_t size() const { return items().size(); }
  bool empty() const { return items_ == nullptr; }
  const T& operator[](size_t i) const { return items()[i]; }

  bool operator==(const SharedList& other) const {
    return items_ == other.items_ || items() == other.items();
  }

 private:
  std::shared_ptr<const std::vector<T>> items_;  // null: empty
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_SHARED_LIST_H_
