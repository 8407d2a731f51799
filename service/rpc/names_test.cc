#include "service/rpc/names.h"

#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::rpc {
namespace {

const std::string kLongest(63, 'a');
const std::string kTooLong(64, 'a');

TEST(NamesTest, TakesEachNameApartAndPutsItTogether) {
  EXPECT_EQ(ParseHostName("hosts/rack-1.host-2").value(), "rack-1.host-2");
  EXPECT_EQ(ParseHostName("hosts/" + kLongest).value(), kLongest);
  EXPECT_EQ(ParseRolloutName("rollouts/r-1").value(), "r-1");
  EXPECT_EQ(ParseDriverName("drivers/softgpu/versions/2.0-rc1").value(),
            (DriverName{"softgpu", "2.0-rc1"}));
  EXPECT_EQ(ParseUpdateName("rollouts/r/updates/h.1").value(),
            (UpdateName{"r", "h.1"}));
  EXPECT_EQ(MakeHostName("h"), "hosts/h");
  EXPECT_EQ(MakeRolloutName("r"), "rollouts/r");
  EXPECT_EQ(MakeDriverName("d", "1"), "drivers/d/versions/1");
  EXPECT_EQ(MakeUpdateName("r", "h"), "rollouts/r/updates/h");
}

TEST(NamesTest, RefusesEveryOtherForm) {
  const std::string kHosts[] = {"",
                                "h",
                                "hosts",
                                "hosts/",
                                "/hosts/h",
                                "hosts/h/",
                                "host/h",
                                "hosts/H",
                                "hosts/a b",
                                "hosts/h\n",
                                "hosts/é",
                                "Hosts/h",
                                "hosts/h/updates/r",
                                "hosts/" + kTooLong};
  for (const std::string& name : kHosts) {
    const auto host = ParseHostName(name);
    EXPECT_EQ(host.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_EQ(Reason(host.status()), "BAD_NAME") << name;
  }
  for (const char* name : {"rollouts/a.b", "rollouts/a/updates/b", "a"}) {
    EXPECT_EQ(Reason(ParseRolloutName(name).status()), "BAD_NAME") << name;
  }
  for (const char* name : {"drivers/a", "drivers/a.b/versions/1", "a/b/c/d",
                           "drivers//versions/1", "drivers/a/versions/"}) {
    EXPECT_EQ(Reason(ParseDriverName(name).status()), "BAD_NAME") << name;
  }
  for (const char* name : {"rollouts/a", "rollouts/a/updates/", "hosts/h"}) {
    EXPECT_EQ(Reason(ParseUpdateName(name).status()), "BAD_NAME") << name;
  }
}

TEST(NamesTest, SaysWhichFormIsWanted) {
  EXPECT_EQ(ParseDriverName("softgpu@2.0").status().message(),
            "name \"softgpu@2.0\" is not of the form "
            "drivers/{driver}/versions/{version}, where {driver} is 1 to 63 of "
            "[a-z0-9-] and {version} is 1 to 63 of [a-z0-9.-]");
}

}  // namespace
}  // namespace baton::rpc
