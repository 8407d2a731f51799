#include "service/core/names.h"

#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::core {
namespace {

TEST(NamesTest, TakesAndRefusesByTheTable) {
  const std::string longest(63, 'a');
  struct Row {
    absl::Status (*check)(absl::string_view);
    std::string name;
    bool good;
  };
  const Row rows[] = {
      {CheckHostName, "hosts/a.b-1", true},
      {CheckHostName, "hosts/" + longest, true},
      {CheckHostName, "hosts/" + longest + "a", false},
      {CheckHostName, "hosts/", false},
      {CheckHostName, "host-1", false},
      {CheckHostName, "hosts/A", false},
      {CheckHostName, "hosts/a/b", false},
      {CheckHostName, "hosts/..", false},
      {CheckHostName, "hosts/-a", false},
      {CheckRolloutName, "rollouts/r-1", true},
      {CheckRolloutName, "rollouts/r.1", false},
      {CheckRolloutName, "hosts/r", false},
      {CheckDriverName, "drivers/softgpu/versions/2.0", true},
      {CheckDriverName, "drivers/soft.gpu/versions/2.0", false},
      {CheckDriverName, "drivers/softgpu/versions/", false},
      {CheckDriverName, "drivers/softgpu/2.0", false},
      {CheckDriverName, "drivers/a/versions/b/versions/c", false},
      {CheckDriverName, "", false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Reason(row.check(row.name)), row.good ? "" : "BAD_NAME")
        << row.name;
  }
}

TEST(NamesTest, PutsNamesTogether) {
  EXPECT_EQ(DriverName("softgpu", "2.0"), "drivers/softgpu/versions/2.0");
  EXPECT_EQ(UpdateName("rollouts/r", "hosts/h"), "rollouts/r/updates/h");
  EXPECT_EQ(ShortName("hosts/h"), "h");
  EXPECT_EQ(ShortName("h"), "h");
}

}  // namespace
}  // namespace baton::core
