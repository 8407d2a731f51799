#include "cli/render/effects.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};

TEST(EffectsRenderTest, SaysWhatEachHostWillDo) {
  const auto stopped = Sample<v1::AbortRolloutResponse>("stopped.txtpb");
  ExpectGolden("effects", EffectsText(stopped.effects(), kTable));
  EXPECT_EQ(EffectsText({}, kTable), "no host is in flight\n");
}

}  // namespace
}  // namespace baton::cli
