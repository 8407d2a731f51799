#include "proto/status_codec.h"

#include <string>

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

// A client that got more than 8 KiB of trailers made RESOURCE_EXHAUSTED of it.
TEST(Regression, AMessageOfAnyLengthFitsIntoTheTrailers) {
  std::string umlauts;
  for (int i = 0; i < 2000; ++i) umlauts += "\u00e4";
  for (const std::string& text : {std::string(100'000, 'x'), umlauts}) {
    const grpc::Status sent = ToGrpc(ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_SELECTOR", text));
    size_t on_the_wire = sent.error_details().size() * 4 / 3;
    for (const char c : sent.error_message()) {
      on_the_wire += static_cast<unsigned char>(c) < 0x80 ? 1 : 3;
    }
    EXPECT_LT(on_the_wire, 7500u);
    EXPECT_EQ(sent.error_message().substr(0, 1000), text.substr(0, 1000));
    EXPECT_EQ(Reason(FromGrpc(sent)), "BAD_SELECTOR");
  }
}

TEST(StatusCodecTest, DetailsOfOthersAreNotAReason) {
  const absl::Status got = FromGrpc(
      grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone", "not a message"));
  EXPECT_EQ(got, absl::UnavailableError("gone"));
}

}  // namespace
}  // namespace baton
