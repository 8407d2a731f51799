#include "proto/status_codec.h"

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

TEST(StatusCodecTest, RoundTripKeepsCodeMessageAndReason) {
  const absl::Status sent =
      ErrorWithReason(absl::StatusCode::kAborted, "STALE_ATTEMPT", "try again");
  EXPECT_EQ(FromGrpc(ToGrpc(sent)), sent);
  EXPECT_EQ(FromGrpc(ToGrpc(absl::OkStatus())), absl::OkStatus());
}

TEST(StatusCodecTest, DetailsOfOthersAreNotAReason) {
  const absl::Status got = FromGrpc(
      grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone", "not a message"));
  EXPECT_EQ(got, absl::UnavailableError("gone"));
}

}  // namespace
}  // namespace baton
