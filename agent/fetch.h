#ifndef AGENT_FETCH_H_
#define AGENT_FETCH_H_

#include <memory>
#include <utility>

#include "agent/ports.h"
#include "base/clock.h"
#include "baton/v1/driver.grpc.pb.h"
#include "grpcpp/channel.h"

namespace baton::agent {

// Packages from the service's DriverService. Confined to one thread; blocks.
class ServiceFetcher final : public Fetcher {
 public:
  // `clock` outlives this object.
  ServiceFetcher(std::shared_ptr<grpc::Channel> channel, const Clock& clock)
      : channel_(std::move(channel)),
        stub_(v1::DriverService::NewStub(channel_)),
        clock_(clock) {}

  // A service that is away is waited for, and the download goes on where it
  // broke: nothing has been touched yet, so a restart of the service must not
  // count as this host's failure.
  //
  // Errors: those of DownloadDriver; DEADLINE_EXCEEDED (SERVICE_AWAY);
  // CANCELLED (STAGING_STOPPED); DATA_LOSS (PACKAGE_DIGEST_MISMATCH) for pieces
  // that are not in order; those of `sink`
  absl::Status Fetch(const std::string& driver, uint64_t offset_bytes,
                     absl::Duration deadline, const std::atomic<bool>& stop,
                     const Sink& sink) override;

 private:
  struct Download;

  // Waits until the channel is connected.
  absl::Status AwaitService(const Download& download);
  // Reads until the stream ends, or breaks so that it can go on.
  absl::Status ReadStream(Download& download);

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::DriverService::Stub> stub_;
  const Clock& clock_;
};

}  // namespace baton::agent

#endif  // AGENT_FETCH_H_
