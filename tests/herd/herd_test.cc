// A short run of what ./dev herd does at length.

#include "tests/herd/herd.h"

#include "base/log.h"
#include "gtest/gtest.h"
#include "tests/support/short_directory.h"

namespace baton::herd {
namespace {

TEST(HerdTest, EachHostIsUpdatedOnceHoweverOftenTheServiceIsKilled) {
  ASSERT_TRUE(StartLog("herd", "off").ok());
  const baton::testing::ShortDirectory directory;
  const Result result = herd::Run({.batond = "service/batond",
                                   .directory = directory.path(),
                                   .hosts = 20,
                                   .kills = 12,
                                   .seed = 1});
  EXPECT_EQ(result.status, absl::OkStatus());
  EXPECT_EQ(result.kills, 12);
  EXPECT_GT(result.by_cause.size(), 1u);
}

}  // namespace
}  // namespace baton::herd
