#include "driver-shim/softgpu/guest/report.h"

#include "gtest/gtest.h"

namespace baton::softgpu {
namespace {

TEST(ReportTest, IsOneLineOfJson) {
  Report report;
  report.name = "vm-1";
  report.function = 3;
  report.commands = 12345678901;
  report.lost = 1;
  report.duplicated = 2;
  report.reordered = 3;
  report.wrong = 4;
  report.faults = 5;
  report.mailbox_errors = 6;
  report.mailbox_requests = 7;
  report.stalls = 8;
  report.longest_gap_ms = 9.5;
  EXPECT_EQ(report.ToJson(),
            R"({"name":"vm-1","function":3,"commands":12345678901,"lost":1,)"
            R"("duplicated":2,"reordered":3,"wrong":4,"faults":5,)"
            R"("mailbox_errors":6,"mailbox_requests":7,"stalls":8,)"
            R"("longest_gap_ms":9.500})");
}

TEST(ReportTest, IsCleanUnlessSomethingWasLostOrWrong) {
  Report report;
  report.stalls = 1;
  report.longest_gap_ms = 5000;
  EXPECT_TRUE(report.Clean());
  for (uint64_t Report::*count :
       {&Report::lost, &Report::duplicated, &Report::reordered, &Report::wrong,
        &Report::faults, &Report::mailbox_errors}) {
    Report bad;
    bad.*count = 1;
    EXPECT_FALSE(bad.Clean());
  }
}

}  // namespace
}  // namespace baton::softgpu
