#include "cli/connect.h"

#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"
#include "proto/status_codec.h"

namespace baton::cli {
namespace {

TEST(ConnectTest, ServersAreUnixPathsOrHostPorts) {
  for (const char* server : {"unix:/run/baton.sock", "unix:relative",
                             "localhost:1", "[::1]:65535", "10.0.0.1:8080"}) {
    EXPECT_TRUE(CheckServer(server).ok()) << server;
  }
  for (const char* server :
       {"", "unix:", "localhost", "localhost:", "localhost:0", ":80",
        "localhost:65536", "http://host"}) {
    EXPECT_EQ(Reason(CheckServer(server)), "BAD_SERVER") << server;
  }
}

TEST(ConnectTest, UsersAreVisibleAscii) {
  EXPECT_TRUE(CheckUser("ana@example.org").ok());
  for (const std::string& user :
       {std::string(""), std::string("a b"), std::string("a\n"),
        std::string("å"), std::string(64, 'a')}) {
    EXPECT_EQ(Reason(CheckUser(user)), "BAD_USER") << user;
  }
}

TEST(ConnectTest, AServiceThatIsNotThereIsNamed) {
  const absl::Status status = Understand(
      grpc::Status(grpc::StatusCode::UNAVAILABLE, "refused"), "unix:/s");
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_EQ(Reason(status), "SERVICE_AWAY");
  EXPECT_EQ(status.message(),
            "the service at \"unix:/s\" does not answer: refused");
}

TEST(ConnectTest, TooLateSaysThatTheOutcomeIsUnknown) {
  const absl::Status status = Understand(
      grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "x"), "unix:/s");
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_EQ(Reason(status), "NO_ANSWER_IN_TIME");
}

TEST(ConnectTest, TheServicesOwnReasonStays) {
  const absl::Status queue_full = ErrorWithReason(
      absl::StatusCode::kUnavailable, "DISK_REFUSED", "the disk is full");
  EXPECT_EQ(Understand(ToGrpc(queue_full), "unix:/s"), queue_full);
}

}  // namespace
}  // namespace baton::cli
