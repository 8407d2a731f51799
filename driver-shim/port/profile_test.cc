#include "driver-shim/port/profile.h"

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

TEST(ProfileTest, NameSaysTheVram) {
  const auto bytes = VramOf("S1-64");
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(*bytes, uint64_t{64} << 20);
  EXPECT_EQ(ProfileName(ProfileOf(*bytes)), "S1-64");
}

TEST(ProfileTest, RefusesWhatIsNoProfile) {
  for (const char* const name :
       {"", "S1-", "S1-0", "S1--1", "S2-64", "S1-64x", "S1-99999999999"}) {
    EXPECT_EQ(Reason(VramOf(name).status()), "BAD_PROFILE") << name;
  }
}

}  // namespace
}  // namespace baton::port
