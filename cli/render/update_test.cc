#include "cli/render/update.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};
constexpr Look kWide = {Detail::kWide, Colour::kNever};

TEST(UpdateRenderTest, Tables) {
  const auto updates = Sample<v1::ListUpdatesResponse>("updates.txtpb");
  ExpectGolden("update_table", UpdateTable(updates, kTable));
  ExpectGolden("update_wide", UpdateTable(updates, kWide));
}

TEST(UpdateRenderTest, OneUpdateStepByStep) {
  const auto updates = Sample<v1::ListUpdatesResponse>("updates.txtpb");
  ExpectGolden("update_get", UpdateText(updates.updates(2), kTable));
}

TEST(UpdateRenderTest, LongestBlackoutIsOverAllVgpus) {
  const auto updates = Sample<v1::ListUpdatesResponse>("updates.txtpb");
  EXPECT_EQ(LongestBlackout(updates.updates(0)), "51.0 ms");
  EXPECT_EQ(LongestBlackout(updates.updates(1)), "-");
}

}  // namespace
}  // namespace baton::cli
