#include "service/metrics/endpoint.h"

#include <exception>
#include <future>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "service/metrics/fleet_metrics.h"

namespace baton::metrics {
namespace {

// Whoever scrapes asks one at a time.
constexpr char kThreads[] = "2";

class FleetCollectable final : public prometheus::Collectable {
 public:
  explicit FleetCollectable(runtime::FleetLoop& loop) : loop_(loop) {}

  // Empty when the service stops or is full.
  std::vector<prometheus::MetricFamily> Collect() const override {
    using Families = std::vector<prometheus::MetricFamily>;
    auto answer = std::make_shared<std::promise<Families>>();
    std::future<Families> families = answer->get_future();
    const absl::Status posted = loop_.Read(
        [answer](const absl::Status& status, const core::Fleet& fleet) {
          answer->set_value(status.ok() ? MetricsOf(fleet) : Families());
        });
    return posted.ok() ? families.get() : Families();
  }

 private:
  runtime::FleetLoop& loop_;
};

// The library throws; nothing of that leaves this function.
absl::StatusOr<std::unique_ptr<prometheus::Exposer>> Expose(
    const std::string& address) noexcept {
  try {
    return std::make_unique<prometheus::Exposer>(std::vector<std::string>{
        "listening_ports", address, "num_threads", kThreads});
  } catch (const std::exception& error) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "CANNOT_LISTEN",
                           absl::StrCat("cannot listen for metrics on \"",
                                        address, "\": ", error.what()));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Endpoint>> Endpoint::Listen(
    const std::string& address, runtime::FleetLoop& loop) {
  auto exposer = Expose(address);
  if (!exposer.ok()) return exposer.status();
  std::unique_ptr<Endpoint> endpoint(new Endpoint());
  endpoint->exposer_ = *std::move(exposer);
  endpoint->fleet_ = std::make_shared<FleetCollectable>(loop);
  endpoint->exposer_->RegisterCollectable(endpoint->fleet_);
  const std::vector<int> ports = endpoint->exposer_->GetListeningPorts();
  endpoint->address_ = absl::StrCat(address.substr(0, address.rfind(':')), ":",
                                    ports.empty() ? 0 : ports.front());
  return endpoint;
}

}  // namespace baton::metrics
