#ifndef AGENT_FETCH_H_
#define AGENT_FETCH_H_

#include <memory>

#include "agent/ports.h"
#include "baton/v1/driver.grpc.pb.h"
#include "grpcpp/channel.h"

namespace baton::agent {

// Packages from the service's DriverService. Confined to one thread; blocks.
class ServiceFetcher final : public Fetcher {
 public:
  explicit ServiceFetcher(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::DriverService::NewStub(channel)) {}

  // Errors: those of DownloadDriver; CANCELLED (STAGING_STOPPED); DATA_LOSS
  // (PACKAGE_DIGEST_MISMATCH) for pieces that are not in order; those of `sink`
  absl::Status Fetch(const std::string& driver, uint64_t offset_bytes,
                     absl::Duration deadline, const std::atomic<bool>& stop,
                     const Sink& sink) override;

 private:
  const std::unique_ptr<v1::DriverService::Stub> stub_;
};

}  // namespace baton::agent

#endif  // AGENT_FETCH_H_
