#include "agent/fetch.h"

#include <algorithm>
#include <memory>
#include <string>

#include "agent/testing/socket.h"
#include "base/reason.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/status_codec.h"

namespace baton::agent {
namespace {

// Sends `bytes` in pieces of three.
class Depot final : public v1::DriverService::Service {
 public:
  grpc::Status DownloadDriver(
      grpc::ServerContext*, const v1::DownloadDriverRequest* request,
      grpc::ServerWriter<v1::DownloadDriverResponse>* writer) override {
    name = request->name();
    ++calls;
    for (size_t at = request->offset_bytes(); at < bytes.size(); at += 3) {
      v1::DownloadDriverResponse piece;
      piece.set_offset_bytes(at + shift);
      piece.set_chunk(bytes.substr(at, 3));
      if (!writer->Write(piece)) break;
      if (breaks > 0) {
        --breaks;
        return {grpc::StatusCode::UNAVAILABLE, "going away"};
      }
    }
    return end;
  }

  std::string bytes = "0123456789";
  std::string name;
  uint64_t shift = 0;
  int breaks = 0;  // streams that end after their first piece
  std::atomic<int> calls = 0;
  grpc::Status end = grpc::Status::OK;
};

class FetchTest : public ::testing::Test {
 protected:
  FetchTest() {
    Serve();
    fetcher_ = std::make_unique<ServiceFetcher>(
        grpc::CreateChannel(target_, grpc::InsecureChannelCredentials()),
        RealClock());
  }

  void Serve() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(target_, grpc::InsecureServerCredentials());
    builder.RegisterService(&depot_);
    server_ = builder.BuildAndStart();
  }

  absl::Status Fetch(uint64_t offset) {
    return fetcher_->Fetch("drivers/a/versions/1", offset, absl::Seconds(30),
                           stop_, [this](absl::string_view piece) {
                             got_.append(piece.data(), piece.size());
                             return taken_;
                           });
  }

  const std::string target_ = testing::FreshAddress();
  Depot depot_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ServiceFetcher> fetcher_;
  std::atomic<bool> stop_ = false;
  std::string got_;
  absl::Status taken_ = absl::OkStatus();
};

TEST_F(FetchTest, BringsAllFromTheOffsetOn) {
  ASSERT_TRUE(Fetch(0).ok());
  EXPECT_EQ(got_, "0123456789");
  EXPECT_EQ(depot_.name, "drivers/a/versions/1");
  got_.clear();
  ASSERT_TRUE(Fetch(4).ok());
  EXPECT_EQ(got_, "456789");
}

TEST_F(FetchTest, RefusesPiecesOutOfOrder) {
  depot_.shift = 1;
  EXPECT_EQ(Reason(Fetch(0)), "PACKAGE_DIGEST_MISMATCH");
  EXPECT_EQ(got_, "");
}

TEST_F(FetchTest, StopsWhenAsked) {
  stop_.store(true);
  EXPECT_EQ(Reason(Fetch(0)), "STAGING_STOPPED");
}

TEST_F(FetchTest, StopsWhenTheSinkDoes) {
  taken_ = absl::UnavailableError("disk");
  EXPECT_EQ(Fetch(0), taken_);
  EXPECT_EQ(got_, "012");
}

TEST_F(FetchTest, HandsOnTheServicesError) {
  depot_.end = ToGrpc(ErrorWithReason(absl::StatusCode::kNotFound,
                                      "DRIVER_NOT_FOUND", "no such driver"));
  EXPECT_EQ(Reason(Fetch(0)), "DRIVER_NOT_FOUND");
}

TEST_F(FetchTest, AServiceThatStaysAwayIsSaidToBe) {
  server_->Shutdown();
  server_.reset();
  const absl::Status status =
      fetcher_->Fetch("drivers/a/versions/1", 0, absl::Milliseconds(300), stop_,
                      [](absl::string_view) { return absl::OkStatus(); });
  EXPECT_EQ(Reason(status), "SERVICE_AWAY");
}

TEST_F(FetchTest, GivesUpAServiceThatIsAwayWhenAsked) {
  server_->Shutdown();
  server_.reset();
  stop_.store(true);
  EXPECT_EQ(Reason(Fetch(0)), "STAGING_STOPPED");
}

// It was asked again as fast as it answered.
TEST_F(FetchTest, RegressionAServiceThatCannotGiveAnythingIsNotBesieged) {
  depot_.bytes.clear();
  depot_.end = {grpc::StatusCode::UNAVAILABLE, "its disk refuses"};
  EXPECT_FALSE(fetcher_
                   ->Fetch("drivers/a/versions/1", 0, absl::Milliseconds(500),
                           stop_,
                           [](absl::string_view) { return absl::OkStatus(); })
                   .ok());
  EXPECT_GE(depot_.calls, 1);
  EXPECT_LE(depot_.calls, 10);
}

// A service that restarted while a host prepared made that host fail.
TEST_F(FetchTest, RegressionADownloadGoesOnAfterTheServiceWentAway) {
  depot_.breaks = 2;
  EXPECT_TRUE(Fetch(0).ok());
  EXPECT_EQ(got_, "0123456789");
}

}  // namespace
}  // namespace baton::agent
