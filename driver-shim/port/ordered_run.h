#ifndef DRIVER_SHIM_PORT_ORDERED_RUN_H_
#define DRIVER_SHIM_PORT_ORDERED_RUN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace baton::port {

// Steps that were ordered at once, and what those did that were taken so far,
// in order. The answer to each is told when it is asked for.
template <typename Order, typename Report>
struct RunOf {
  std::vector<Order> orders = {};
  std::vector<Report> reports = {};
  uint64_t told = 0;
};

// Returns what a step of `run` did that was taken in the wake of another, if it
// is the turn of the first of `orders` to be told and the others are what
// followed it; it is told from then on. Null when it is to be taken.
template <typename Order, typename Report>
const Report* Recall(RunOf<Order, Report>& run,
                     const std::vector<Order>& orders) {
  const auto same = [](const Order& a, const Order& b) {
    return a.step == b.step && a.attempt == b.attempt && a.image == b.image;
  };
  // A repeat of the one that was told last, or one after it: whoever looked
  // while they were being taken asks for those alone that he did not see.
  for (size_t at = run.told - std::min<size_t>(run.told, 1);
       at < run.reports.size(); ++at) {
    // A way back has steps of the same names, and leads to another image.
    const size_t count = std::min(orders.size(), run.orders.size() - at);
    if (!std::equal(orders.begin(),
                    orders.begin() + static_cast<ptrdiff_t>(count),
                    run.orders.begin() + static_cast<ptrdiff_t>(at), same)) {
      continue;
    }
    run.told = at + 1;
    return &run.reports[at];
  }
  return nullptr;
}

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_ORDERED_RUN_H_
