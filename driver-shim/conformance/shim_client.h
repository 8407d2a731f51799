#ifndef DRIVER_SHIM_CONFORMANCE_SHIM_CLIENT_H_
#define DRIVER_SHIM_CONFORMANCE_SHIM_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "baton/v1/shim.grpc.pb.h"
#include "driver-shim/conformance/promises.h"
#include "grpcpp/channel.h"

namespace baton::conformance {

// A step as it is ordered; nothing is checked on this side.
struct Call {
  Verb verb = Verb::kPrepare;
  v1::StepOrder order = {};
  v1::DriverImage image = {};  // of Prepare and Restore
  // How long this side waits.
  absl::Duration patience = absl::Minutes(2);
};

// What came back. When `status` is not OK, nothing else is set.
struct Answer {
  absl::Status status = absl::OkStatus();
  v1::StepResult result = {};
  std::vector<v1::CensusEntry> census = {};
  std::vector<v1::VirtualGpuResult> vgpus = {};
  v1::SavedState saved = {};
  std::vector<v1::StepTaken> ahead = {};
  absl::Duration waited = absl::ZeroDuration();

  bool ok() const { return status.ok() && result.code() == 0; }
};

// One line that says what an answer was, for people.
std::string Describe(const Answer& answer);

// A ShimService as a caller sees it. Any thread; each call blocks.
class ShimClient {
 public:
  // Errors: UNAVAILABLE, reason SHIM_UNREACHABLE: nobody answers there
  static absl::StatusOr<std::unique_ptr<ShimClient>> Connect(
      const std::string& target, absl::Duration timeout);

  Answer Take(const Call& call);

  // Errors: whatever the service or the channel says.
  absl::StatusOr<v1::InspectResponse> Inspect();

  // Asks grpc.health.v1. Errors: FAILED_PRECONDITION, not serving; and those
  // of the channel
  absl::Status CheckHealth();

 private:
  explicit ShimClient(std::shared_ptr<grpc::Channel> channel)
      : channel_(std::move(channel)),
        stub_(v1::ShimService::NewStub(channel_)) {}

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::ShimService::Stub> stub_;
};

}  // namespace baton::conformance

#endif  // DRIVER_SHIM_CONFORMANCE_SHIM_CLIENT_H_
