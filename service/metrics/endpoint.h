#ifndef SERVICE_METRICS_ENDPOINT_H_
#define SERVICE_METRICS_ENDPOINT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "prometheus/collectable.h"
#include "prometheus/exposer.h"
#include "service/runtime/fleet_loop.h"

namespace baton::metrics {

// Answers GET /metrics in Prometheus' text format, on threads of its own: each
// asks the loop, and waits for its turn. Confined to the thread that made it,
// apart from that.
class Endpoint {
 public:
  // `address`  "127.0.0.1:port" or "[::1]:port", port 0 for any that is free
  // `loop`     must outlive this
  //
  // Errors: UNAVAILABLE (CANNOT_LISTEN)
  static absl::StatusOr<std::unique_ptr<Endpoint>> Listen(
      const std::string& address, runtime::FleetLoop& loop);

  // Where it listens, with the port that was bound.
  const std::string& address() const { return address_; }

 private:
  Endpoint() = default;

  std::shared_ptr<prometheus::Collectable> fleet_;
  std::unique_ptr<prometheus::Exposer> exposer_;
  std::string address_;
};

}  // namespace baton::metrics

#endif  // SERVICE_METRICS_ENDPOINT_H_
