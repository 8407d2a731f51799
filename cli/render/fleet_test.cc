#include "cli/render/fleet.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};
constexpr Look kWide = {Detail::kWide, Colour::kNever};

TEST(FleetRenderTest, SaysWhatHoldsForAll) {
  const auto fleet = Sample<v1::Fleet>("fleet.txtpb");
  ExpectGolden("fleet", FleetText(fleet, kTable));
  v1::Fleet quiet;
  quiet.set_hosts(1);
  EXPECT_EQ(FleetText(quiet, kTable),
            "out of service  0 of 1 host\n"
            "starts          nothing keeps all hosts from starting\n");
}

TEST(FleetRenderTest, History) {
  const auto history = Sample<v1::ListHistoryResponse>("history.txtpb");
  ExpectGolden("history", HistoryTable(history, kTable));
  ExpectGolden("history_wide", HistoryTable(history, kWide));
  EXPECT_EQ(HistoryTable({}, kTable), "no update has ended yet\n");
}

}  // namespace
}  // namespace baton::cli
