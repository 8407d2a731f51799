#include "service/core/coverage.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A host whose vGPUs have these profiles, each with its guest driver.
Host HostOf(const std::vector<std::pair<std::string, std::string>>& vgpus,
            const std::string& model = "S1") {
  Adapter adapter;
  adapter.model = model;
  for (const auto& [profile, guest_driver] : vgpus) {
    VirtualGpu vgpu;
    vgpu.profile = profile;
    vgpu.guest_driver = guest_driver;
    adapter.vgpus.push_back(vgpu);
  }
  Host host;
  host.inventory.adapters = {adapter};
  return host;
}

CoverageMap MapOf(const std::vector<Host>& hosts) {
  std::vector<const Host*> pointers;
  pointers.reserve(hosts.size());
  for (const Host& host : hosts) pointers.push_back(&host);
  return CoverageMap(pointers);
}

TEST(CoverageTest, PicksTheHostThatAddsMostEachTime) {
  const CoverageMap map = MapOf({
      HostOf({{"a", "1"}}),
      HostOf({{"a", "1"}, {"b", "1"}}),
      HostOf({{"c", "1"}, {"d", "1"}, {"e", "1"}}),
      HostOf({{"b", "1"}, {"c", "1"}}),
      HostOf({{"a", "1"}}, "S2"),
      HostOf({}),
  });
  const std::vector<size_t> all = {0, 1, 2, 3, 4, 5};
  EXPECT_THAT(map.Pick(all, 10), ElementsAre(2, 1, 4));
  EXPECT_THAT(map.Pick(all, 2), ElementsAre(2, 1));
  EXPECT_THAT(map.Pick(all, 0), IsEmpty());
  EXPECT_THAT(map.Pick({0, 3}, 10), ElementsAre(3, 0));
  EXPECT_THAT(map.Pick({5}, 10), IsEmpty());
}

TEST(CoverageTest, PicksTheFirstOfEqualHosts) {
  const CoverageMap map = MapOf({HostOf({{"a", "1"}, {"a", "1"}}),
                                 HostOf({{"a", "1"}}), HostOf({{"b", "1"}})});
  EXPECT_THAT(map.Pick({2, 1, 0}, 10), ElementsAre(2, 1));
  EXPECT_THAT(map.Pick({0, 1, 2}, 10), ElementsAre(0, 2));
}

TEST(CoverageTest, LeavesOutWhatIsMetAlready) {
  CoverageMap map = MapOf({HostOf({{"a", "1"}}), HostOf({{"a", "2"}}),
                           HostOf({{"a", "1"}, {"a", "2"}})});
  EXPECT_THAT(map.Pick({0, 1, 2}, 10), ElementsAre(2));
  map.Meet(0);
  EXPECT_THAT(map.Pick({0, 1, 2}, 10), ElementsAre(1));
  map.Meet(1);
  EXPECT_THAT(map.Pick({0, 1, 2}, 10), IsEmpty());
}

TEST(CoverageTest, NamesWhatNoHostMeets) {
  CoverageMap map = MapOf({HostOf({{"b", "1"}, {"a", ""}}), HostOf({}),
                           HostOf({{"a", "31.0"}}, "S2")});
  EXPECT_EQ(
      map.Sum(),
      (Coverage{3, 0, {"S1 / a / unknown", "S1 / b / 1", "S2 / a / 31.0"}}));
  map.Meet(2);
  map.Meet(1);
  EXPECT_EQ(map.Sum(), (Coverage{3, 1, {"S1 / a / unknown", "S1 / b / 1"}}));
  map.Meet(0);
  EXPECT_EQ(map.Sum(), (Coverage{3, 3, {}}));
}

TEST(CoverageTest, NamesAHundredAtMost) {
  std::vector<std::pair<std::string, std::string>> vgpus;
  vgpus.reserve(250);
  for (int i = 0; i < 250; ++i) vgpus.push_back({std::to_string(i), "1"});
  const Coverage coverage = MapOf({HostOf(vgpus)}).Sum();
  EXPECT_EQ(coverage.combinations, 250u);
  EXPECT_THAT(coverage.missed, SizeIs(100));
}

}  // namespace
}  // namespace baton::core
