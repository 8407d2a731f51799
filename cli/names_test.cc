#include "cli/names.h"

#include <utility>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

TEST(NamesTest, ShortAndWholeNamesAreTheSame) {
  EXPECT_EQ(*HostName("host-1"), "hosts/host-1");
  EXPECT_EQ(*HostName("hosts/host-1"), "hosts/host-1");
  EXPECT_EQ(*RolloutName("r1"), "rollouts/r1");
  EXPECT_EQ(*RolloutName("rollouts/r1"), "rollouts/r1");
  EXPECT_EQ(*DriverName("softgpu/2.0"), "drivers/softgpu/versions/2.0");
  EXPECT_EQ(*DriverName("drivers/softgpu/versions/2.0"),
            "drivers/softgpu/versions/2.0");
}

TEST(NamesTest, RefusesWhatIsNoName) {
  const std::string long_name(64, 'a');
  for (const std::string& text :
       {std::string(""), std::string("Host"), std::string("a b"),
        std::string("rollouts/r1/updates/h"), std::string("hosts/"),
        std::string("../x"), std::string("-h"), long_name}) {
    EXPECT_EQ(Reason(HostName(text).status()), "BAD_NAME") << text;
    EXPECT_EQ(Reason(RolloutName(text).status()), "BAD_NAME") << text;
    EXPECT_EQ(Reason(DriverName(text).status()), "BAD_NAME") << text;
  }
  EXPECT_EQ(Reason(HostName("rollouts/r1").status()), "BAD_NAME");
  EXPECT_EQ(Reason(DriverName("drivers/a/version/b").status()), "BAD_NAME");
}

TEST(NamesTest, ErrorsSayGotAndWant) {
  EXPECT_EQ(HostName("A").status().message(),
            "\"A\" is not the name of a host: want \"NAME\" or "
            "\"hosts/NAME\", each part at most 63 of [a-z0-9-], of hosts "
            "and versions also '.'");
}

TEST(NamesTest, ShortNames) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"hosts/host-1", "host-1"},
      {"rollouts/r1", "r1"},
      {"rollouts/r1/updates/host-1", "host-1"},
      {"drivers/softgpu/versions/2.0", "softgpu/2.0"},
      {"", ""},
      {"other/thing", "other/thing"},
  };
  for (const auto& [name, text] : cases) EXPECT_EQ(ShortName(name), text);
}

}  // namespace
}  // namespace baton::cli
