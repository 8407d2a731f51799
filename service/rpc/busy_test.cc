// What callers are told when the service cannot take more: an answer at once,
// never a wait.

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/digest.h"
#include "base/reason.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/status_codec.h"
#include "service/rpc/services.h"
#include "service/store/memory_store.h"

namespace baton::rpc {
namespace {

// A loop that takes one request and does not turn, and a depot that takes no
// job.
class BusyTest : public testing::Test {
 protected:
  BusyTest() {
    loop_ =
        runtime::FleetLoop::Create({.mailbox_max = 1}, {RealClock(), *store_})
            .value();
    depot_ = depot::Depot::Open(testing::TempDir() + "/busy_test").value();
    room_.reset(new DriverRoom{*loop_, streams_, *depot_, worker_, index_});
    services_ = std::make_unique<Services>(*room_);
    int port = 0;
    server_ = services_->Serve("", port);
    channel_ = server_->InProcessChannel({});
  }
  ~BusyTest() override {
    server_->Shutdown();
    server_->Wait();
    loop_->Stop();
    EXPECT_TRUE(loop_->Run().ok());
  }

  void Fill() {
    ASSERT_TRUE(
        loop_->Read([](const absl::Status&, const core::Fleet&) {}).ok());
  }
  static void ExpectBusy(const grpc::Status& status, const char* reason) {
    const absl::Status got = FromGrpc(status);
    EXPECT_EQ(got.code(), absl::StatusCode::kResourceExhausted) << got;
    EXPECT_EQ(Reason(got), reason);
    EXPECT_NE(got.message().find("try again"), absl::string_view::npos) << got;
  }

  store::MemoryDisk disk_;
  std::unique_ptr<runtime::Store> store_ = store::OpenMemoryStore(disk_);
  OpenStreams streams_;
  PackageIndex index_;
  depot::Worker worker_{0};
  std::unique_ptr<runtime::FleetLoop> loop_;
  std::unique_ptr<depot::Depot> depot_;
  std::unique_ptr<DriverRoom> room_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::ClientContext context_;
};

TEST_F(BusyTest, AReadIsRefused) {
  Fill();
  v1::ListHostsResponse response;
  ExpectBusy(
      v1::FleetService::NewStub(channel_)->ListHosts(&context_, {}, &response),
      "SERVICE_BUSY");
}

TEST_F(BusyTest, AChangeIsRefused) {
  Fill();
  v1::CordonHostRequest request;
  request.set_name("hosts/h");
  v1::CordonHostResponse response;
  ExpectBusy(v1::FleetService::NewStub(channel_)->CordonHost(&context_, request,
                                                             &response),
             "SERVICE_BUSY");
}

TEST_F(BusyTest, AWatchIsRefused) {
  Fill();
  const auto stub = v1::FleetService::NewStub(channel_);
  const auto reader = stub->WatchHosts(&context_, {});
  v1::WatchHostsResponse seen;
  EXPECT_FALSE(reader->Read(&seen));
  ExpectBusy(reader->Finish(), "SERVICE_BUSY");
}

TEST_F(BusyTest, AnAgentIsRefused) {
  Fill();
  const auto stub = v1::AgentService::NewStub(channel_);
  const auto stream = stub->Connect(&context_);
  v1::ConnectRequest hello;
  hello.mutable_hello()->set_host("hosts/h");
  stream->Write(hello);
  v1::ConnectResponse response;
  EXPECT_FALSE(stream->Read(&response));
  ExpectBusy(stream->Finish(), "SERVICE_BUSY");
}

TEST_F(BusyTest, AnUploadIsRefused) {
  v1::UploadDriverResponse response;
  const auto stub = v1::DriverService::NewStub(channel_);
  const auto writer = stub->UploadDriver(&context_, &response);
  v1::UploadDriverRequest request;
  request.mutable_header()->set_name("drivers/softgpu/versions/2.0");
  request.mutable_header()->set_digest(Sha256Of(""));
  writer->Write(request);
  ExpectBusy(writer->Finish(), "DEPOT_BUSY");
}

TEST_F(BusyTest, ALoopThatEndedSaysSo) {
  loop_->Stop();
  ASSERT_TRUE(loop_->Run().ok());
  v1::ListHostsResponse response;
  const absl::Status listed = FromGrpc(
      v1::FleetService::NewStub(channel_)->ListHosts(&context_, {}, &response));
  EXPECT_EQ(listed.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(listed), "SERVICE_STOPPING");
}

}  // namespace
}  // namespace baton::rpc
