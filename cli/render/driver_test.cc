#include "cli/render/driver.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};
constexpr Look kWide = {Detail::kWide, Colour::kNever};

TEST(DriverRenderTest, Tables) {
  const auto drivers = Sample<v1::ListDriversResponse>("drivers.txtpb");
  ExpectGolden("driver_table", DriverTable(drivers, kTable));
  ExpectGolden("driver_wide", DriverTable(drivers, kWide));
}

TEST(DriverRenderTest, Packed) {
  const auto drivers = Sample<v1::ListDriversResponse>("drivers.txtpb");
  ExpectGolden("driver_packed",
               PackedText(drivers.drivers(1).manifest(), "softgpu-2.0.pkg",
                          "sha256:bb", kTable));
}

TEST(DriverRenderTest, NoneIsSaid) {
  EXPECT_EQ(DriverTable({}, kTable), "no drivers\n");
}

}  // namespace
}  // namespace baton::cli
