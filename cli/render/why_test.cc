#include "cli/render/why.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};
constexpr Look kWide = {Detail::kWide, Colour::kNever};

TEST(WhyRenderTest, Gates) {
  const auto why = Sample<v1::Explanation>("why.txtpb");
  ExpectGolden("why", WhyText("rollouts/r1", why, kTable));
  ExpectGolden("why_wide", WhyText("rollouts/r1", why, kWide));
}

TEST(WhyRenderTest, ASummaryAlone) {
  v1::Explanation why;
  why.set_summary("nothing stands in the way");
  EXPECT_EQ(WhyText("hosts/h", why, kTable),
            "hosts/h: nothing stands in the way\n");
}

}  // namespace
}  // namespace baton::cli
