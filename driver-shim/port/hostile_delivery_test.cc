#include "driver-shim/port/hostile_delivery.h"

#include <algorithm>
#include <array>

#include "gtest/gtest.h"

namespace baton::port {
namespace {

using Damage = Hostility::Damage;
using Order = Hostility::Order;

std::vector<SavedBlock> Blocks() {
  return {{.runs = {{.first = 1, .pages = 2}, {.first = 9, .pages = 1}},
           .byte_offset = 100,
           .bytes = 10000,
           .metadata = "first metadata"},
          {.runs = {{.first = 5, .pages = 1}}, .bytes = 1, .metadata = "x"},
          {.runs = {{.first = 7, .pages = 1}}, .bytes = 4096, .metadata = ""}};
}

std::vector<size_t> Indices(const Hostility& hostility) {
  std::vector<size_t> indices;
  for (const Delivery& each : Deliveries(Blocks(), hostility)) {
    indices.push_back(each.index);
  }
  return indices;
}

SavedBlock First(Damage damage) {
  return Deliveries(Blocks(), {.damage = damage})[0].block;
}

TEST(HostileDeliveryTest, WithoutHostilityAllIsAsItWasSaved) {
  const std::vector<SavedBlock> blocks = Blocks();
  const std::vector<Delivery> deliveries = Deliveries(blocks, {});
  ASSERT_EQ(deliveries.size(), blocks.size());
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(deliveries[i].index, i);
    EXPECT_EQ(deliveries[i].block, blocks[i]);
    EXPECT_FALSE(deliveries[i].flips_bytes);
  }
}

TEST(HostileDeliveryTest, OrdersKeepEveryBlock) {
  EXPECT_EQ(Indices({.order = Order::kReversed}),
            (std::vector<size_t>{2, 1, 0}));
  bool moved = false;
  for (uint32_t seed = 0; seed < 10; ++seed) {
    std::vector<size_t> indices =
        Indices({.order = Order::kShuffled, .seed = seed});
    moved |= indices != std::vector<size_t>{0, 1, 2};
    std::sort(indices.begin(), indices.end());
    EXPECT_EQ(indices, (std::vector<size_t>{0, 1, 2})) << "seed " << seed;
  }
  EXPECT_TRUE(moved);
}

TEST(HostileDeliveryTest, DamageIsDoneToOneBlockAlone) {
  EXPECT_EQ(Indices({.damage = Damage::kLost, .damaged_block = 1}),
            (std::vector<size_t>{0, 2}));
  EXPECT_EQ(First(Damage::kMetadataGone).metadata, "");
  EXPECT_EQ(First(Damage::kMetadataCut).metadata, "first m");
  EXPECT_EQ(First(Damage::kMetadataOfAnother).metadata, "x");
  EXPECT_NE(First(Damage::kMetadataFlipped).metadata, "first metadata");
  const auto flipped = Deliveries(Blocks(), {.damage = Damage::kBytesFlipped});
  EXPECT_TRUE(flipped[0].flips_bytes);
  EXPECT_FALSE(flipped[1].flips_bytes);
  for (const auto damage : {Damage::kMetadataGone, Damage::kBytesCut}) {
    EXPECT_EQ(Deliveries(Blocks(), {.damage = damage})[1].block, Blocks()[1]);
  }
}

TEST(HostileDeliveryTest, CutDataHasNoPagesThatItDoesNotTouch) {
  const SavedBlock cut = First(Damage::kBytesCut);
  EXPECT_EQ(cut.bytes, 625u);
  EXPECT_EQ(cut.runs, (std::vector<PageRun>{{.first = 1, .pages = 1}}));
  // One byte is left at least.
  EXPECT_EQ(
      Deliveries(Blocks(), {.damage = Damage::kBytesCut, .damaged_block = 1})[1]
          .block,
      Blocks()[1]);
}

TEST(HostileDeliveryTest, FlipsAreTheSameForASeed) {
  std::array<std::byte, 64> one = {};
  std::array<std::byte, 64> other = {};
  FlipBytes(one.data(), one.size(), 3);
  FlipBytes(other.data(), other.size(), 3);
  EXPECT_EQ(one, other);
  EXPECT_NE(one, (std::array<std::byte, 64>{}));
  FlipBytes(nullptr, 0, 3);  // nothing to flip
}

}  // namespace
}  // namespace baton::port
