#include "agent/inventory_line.h"

#include <string>

#include "gtest/gtest.h"

namespace baton::agent {
namespace {

v1::Inventory InventoryOf(const std::string& version) {
  v1::Inventory inventory;
  for (const char* name : {"gpu0", "gpu1"}) {
    v1::Adapter& adapter = *inventory.add_adapters();
    adapter.set_name(name);
    adapter.set_driver_version("1.0");
  }
  inventory.mutable_adapters(1)->set_driver_version(version);
  return inventory;
}

// The service's side: what it has after each word.
class InventoryLineTest : public ::testing::Test {
 protected:
  v1::AgentHello Greet(const v1::Inventory& now) {
    v1::AgentHello hello;
    line_.Greet(now, hello);
    if (hello.has_inventory()) known_ = hello.inventory_digest();
    v1::AgentWelcome welcome;
    if (takes_digests_) {
      welcome.mutable_service_time()->set_seconds(1);
      welcome.set_inventory_digest(known_);
    }
    line_.Welcomed(welcome);
    return hello;
  }

  v1::AgentHeartbeat Tell(const v1::Inventory& now) {
    v1::AgentHeartbeat heartbeat;
    told_ = line_.Tell(now, heartbeat);
    if (heartbeat.has_inventory()) known_ = heartbeat.inventory_digest();
    if (heartbeat.has_change()) known_ = heartbeat.change().digest();
    return heartbeat;
  }

  InventoryLine line_;
  bool takes_digests_ = true;
  std::string known_;
  bool told_ = false;
};

TEST_F(InventoryLineTest, TellsAllOnceAndThenNamesItAlone) {
  EXPECT_TRUE(Greet(InventoryOf("1.0")).has_inventory());
  Tell(InventoryOf("1.0"));
  EXPECT_FALSE(told_);
  const v1::AgentHello again = Greet(InventoryOf("1.0"));
  EXPECT_FALSE(again.has_inventory());
  EXPECT_EQ(again.inventory_digest(), known_);
  Tell(InventoryOf("1.0"));
  EXPECT_FALSE(told_);
}

TEST_F(InventoryLineTest, TellsTheDifferenceAlone) {
  Greet(InventoryOf("1.0"));
  const std::string base = known_;
  v1::Inventory now = InventoryOf("2.0");
  now.set_available_memory_bytes(7);
  const v1::AgentHeartbeat heartbeat = Tell(now);
  EXPECT_FALSE(heartbeat.has_inventory());
  EXPECT_EQ(heartbeat.change().base(), base);
  ASSERT_EQ(heartbeat.change().adapters_size(), 1);
  EXPECT_EQ(heartbeat.change().adapters(0).driver_version(), "2.0");
  EXPECT_EQ(heartbeat.change().rest().available_memory_bytes(), 7u);
  EXPECT_EQ(heartbeat.change().rest().adapters_size(), 0);

  now.mutable_adapters()->RemoveLast();
  const v1::AgentHeartbeat fewer = Tell(now);
  ASSERT_EQ(fewer.change().gone_size(), 1);
  EXPECT_EQ(fewer.change().gone(0), "gpu1");
  EXPECT_EQ(fewer.change().adapters_size(), 0);
}

TEST_F(InventoryLineTest, TellsAllToAServiceThatHasAnotherOne) {
  Greet(InventoryOf("1.0"));
  known_ = "of an older backup";
  EXPECT_FALSE(Greet(InventoryOf("1.0")).has_inventory());
  EXPECT_TRUE(Tell(InventoryOf("1.0")).has_inventory());
  Tell(InventoryOf("1.0"));
  EXPECT_FALSE(told_);
}

TEST_F(InventoryLineTest, TellsAllEachTimeToAReleaseThatTakesNoDigests) {
  takes_digests_ = false;
  EXPECT_TRUE(Greet(InventoryOf("1.0")).has_inventory());
  EXPECT_TRUE(Greet(InventoryOf("1.0")).has_inventory());
  EXPECT_TRUE(Tell(InventoryOf("2.0")).has_inventory());
}

// A service that was put back to an older release would take an inventory that
// is not there for an empty one.
TEST_F(InventoryLineTest, TellsAllOnceTheServiceTakesNoDigestsAnyMore) {
  Greet(InventoryOf("1.0"));
  takes_digests_ = false;
  EXPECT_FALSE(Greet(InventoryOf("1.0")).has_inventory());
  EXPECT_TRUE(Tell(InventoryOf("1.0")).has_inventory());
  Tell(InventoryOf("1.0"));
  EXPECT_FALSE(told_);
}

}  // namespace
}  // namespace baton::agent
