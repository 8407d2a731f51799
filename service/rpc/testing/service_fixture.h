#ifndef SERVICE_RPC_TESTING_SERVICE_FIXTURE_H_
#define SERVICE_RPC_TESTING_SERVICE_FIXTURE_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "baton/v1/agent.grpc.pb.h"
#include "baton/v1/audit.grpc.pb.h"
#include "baton/v1/driver.grpc.pb.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "service/core/fleet.h"
#include "service/rpc/services.h"
#include "service/store/memory_store.h"

namespace baton::rpc {

// An agent that says what a test tells it to.
class FakeAgent {
 public:
  FakeAgent(v1::AgentService::Stub& stub, std::string host);
  // Ends its stream.
  ~FakeAgent();

  // A hello of a host with one adapter, which runs softgpu 1.0 for one vGPU.
  v1::ConnectRequest Hello() const;

  // Says hello and waits for the welcome.
  void Connect();
  bool Say(const v1::ConnectRequest& request) {
    return stream_->Write(request);
  }
  // Says `report`, with the sequence after the one before, and waits for its
  // acknowledgement; orders that come before it are kept for NextOrder().
  void Report(v1::UpdateReport report);
  // Waits for the next order.
  v1::Order NextOrder();
  // Waits for whatever comes next; false when the stream ended.
  bool Next(v1::ConnectResponse& response) { return stream_->Read(&response); }
  // Waits for the end of the stream.
  absl::Status End();
  // Goes without a word.
  void Cancel() { context_.TryCancel(); }

  v1::ConnectRequest hello;  // what Connect() says

 private:
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<v1::ConnectRequest, v1::ConnectResponse>>
      stream_;
  const std::string host_;
  std::vector<v1::Order> orders_;
  uint64_t sequence_ = 0;
};

// All services over a real fleet loop, with a store in memory and packages in a
// temporary directory, reached through an in-process channel.
class ServiceFixture : public testing::Test {
 protected:
  ServiceFixture();
  ~ServiceFixture() override;

  // The fleet as it is, its clock left out.
  core::Fleet Snapshot();
  // Waits until `wanted` is true of the fleet.
  void Await(const std::function<bool(const core::Fleet&)>& wanted);

  std::unique_ptr<FakeAgent> Connected(const std::string& host);

  // Packs a package of softgpu `version` and returns its bytes.
  std::string Pack(const std::string& version);
  // Uploads `bytes` in pieces, with `header`.
  absl::Status Upload(const v1::UploadDriverHeader& header,
                      const std::string& bytes,
                      v1::UploadDriverResponse* response = nullptr);
  static v1::UploadDriverHeader HeaderOf(const std::string& version,
                                         const std::string& bytes);
  // Packs and uploads softgpu `version`.
  void Push(const std::string& version);
  std::vector<std::string> PackageFiles();

  // Creates and plans a rollout of softgpu 2.0 to every host, one at a time.
  v1::Rollout Planned(const std::string& name);
  static v1::CreateRolloutRequest CreateRequest(const std::string& name);
  // Creates, plans and starts it.
  void Start(const std::string& name);

  // Calls a method with one response.
  template <typename Stub, typename Request, typename Response>
  static absl::Status Call(Stub& stub,
                           grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                        const Request&,
                                                        Response*),
                           const Request& request, Response* response) {
    grpc::ClientContext context;
    return FromStub((stub.*method)(&context, request, response));
  }
  static absl::Status FromStub(const grpc::Status& status);

  const std::string directory_;
  store::MemoryDisk disk_;
  std::unique_ptr<runtime::Store> store_;
  std::unique_ptr<runtime::FleetLoop> loop_;
  OpenStreams streams_;
  PackageIndex index_;
  std::unique_ptr<depot::Depot> depot_;
  std::unique_ptr<depot::Worker> worker_;
  std::unique_ptr<DriverRoom> room_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  std::thread loop_thread_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::RolloutService::Stub> rollouts_;
  std::unique_ptr<v1::FleetService::Stub> fleet_;
  std::unique_ptr<v1::DriverService::Stub> drivers_;
  std::unique_ptr<v1::AuditService::Stub> audit_;
  std::unique_ptr<v1::AgentService::Stub> agents_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_TESTING_SERVICE_FIXTURE_H_
