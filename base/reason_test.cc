#include "base/reason.h"

#include "gtest/gtest.h"

namespace baton {
namespace {

TEST(ReasonTest, TravelsBesideTheMessage) {
  const absl::Status status = ErrorWithReason(
      absl::StatusCode::kNotFound, "HOST_NOT_FOUND", "host 'a' is unknown");
  EXPECT_EQ(Reason(status), "HOST_NOT_FOUND");
  EXPECT_EQ(status.message(), "host 'a' is unknown");
}

TEST(ReasonTest, IsEmptyWhereNoneWasGiven) {
  EXPECT_EQ(Reason(absl::OkStatus()), "");
  EXPECT_EQ(Reason(absl::InternalError("x")), "");
}

}  // namespace
}  // namespace baton
