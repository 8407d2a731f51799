#include "service/core/ledger.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Host MakeHost(const std::string& name, const std::string& rack) {
  Host host;
  host.name = name;
  host.stream = 1;
  if (!rack.empty()) host.agent_labels = {{"rack", rack}};
  return host;
}

TEST(LedgerTest, CountsAHostUnderTheFirstThatIsTrue) {
  Host host = MakeHost("hosts/a", "");
  EXPECT_EQ(OutageOf(host), std::nullopt);
  host.cordon.emplace();
  EXPECT_EQ(OutageOf(host), Outage::kCordoned);
  host.inventory.fault = "the shim is silent";
  EXPECT_EQ(OutageOf(host), Outage::kUnhealthy);
  host.stream = 0;
  EXPECT_EQ(OutageOf(host), Outage::kOffline);
  host.quarantine.emplace();
  EXPECT_EQ(OutageOf(host), Outage::kQuarantined);
  host.rollout = "rollouts/r";
  EXPECT_EQ(OutageOf(host), Outage::kUpdating);
}

TEST(LedgerTest, KeepsAnAccountOfEachDomain) {
  Hosts hosts;
  for (const auto& [name, rack] :
       {std::pair{"hosts/a", "r1"}, {"hosts/b", "r1"}, {"hosts/c", ""}}) {
    hosts[name] = MakeHost(name, rack);
  }
  Ledger ledger;
  ledger.SetLabels({"rack"}, hosts);
  const Ledger none = ledger;
  for (auto& [name, host] : hosts) {
    host.stream = 0;
    ledger.Enter(host);
  }
  EXPECT_EQ(ledger.fleet().count.offline, 3u);
  EXPECT_THAT(ledger.Domain("rack", "r1").hosts,
              ElementsAre("hosts/a", "hosts/b"));

  // A label moves a host, and a state changes what it counts as.
  hosts["hosts/b"].operator_labels = {{"rack", "r2"}};
  hosts["hosts/b"].rollout = "rollouts/r";
  ledger.Enter(hosts["hosts/b"]);
  EXPECT_EQ(ledger.fleet().count, (Unavailable{.slots = 1, .offline = 2}));
  EXPECT_THAT(ledger.Domain("rack", "r1").hosts, ElementsAre("hosts/a"));
  EXPECT_EQ(ledger.Domain("rack", "r2").count, (Unavailable{.slots = 1}));
  EXPECT_THAT(ledger.Domain("rack", "r3").hosts, IsEmpty());

  for (auto& [name, host] : hosts) ledger.Erase(name);
  EXPECT_EQ(ledger, none);
}

TEST(LedgerTest, BuildsTheDomainsOfANewLabel) {
  Hosts hosts;
  hosts["hosts/a"] = MakeHost("hosts/a", "");
  hosts["hosts/a"].agent_labels = {{"rack", "r1"}, {"zone", "z"}};
  hosts["hosts/a"].stream = 0;
  Ledger late;
  late.Enter(hosts["hosts/a"]);
  late.SetLabels({"rack", "zone"}, hosts);
  Ledger early;
  early.SetLabels({"rack", "zone"}, hosts);
  early.Enter(hosts["hosts/a"]);
  EXPECT_EQ(late, early);
  late.SetLabels({}, hosts);
  EXPECT_THAT(late.Domain("zone", "z").hosts, IsEmpty());
  EXPECT_EQ(late.fleet().count.total(), 1u);
}

}  // namespace
}  // namespace baton::core
