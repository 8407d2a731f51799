#include "driver-shim/port/record_fields.h"

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "tests/support/seeded_random.h"

namespace baton::port {
namespace {

using Records = std::map<AdapterStep, StepReport>;

StepReport FullReport() {
  return {.status = ErrorWithReason(absl::StatusCode::kInternal,
                                    "DRIVER_REFUSED", "it said no"),
          .nt_status = 0xc0000001,
          .elapsed = absl::Milliseconds(3),
          .entry_point = "DxgkDdiStartDevice",
          .rule = "R4",
          .driver_log = {"one", "", "three"},
          .calls = {{"DriverEntry", 0, absl::Nanoseconds(1)}},
          .driver_time = absl::Microseconds(7),
          .shim_faults = 1,
          .driver_faults = 2,
          .census = {{.vgpu = {.partition_id = 1,
                               .luid = "0000000100001000",
                               .profile = "S1-8",
                               .guest = "red",
                               .vram_bytes = 8},
                      .fence_value = 9,
                      .registers = {.high = 1, .low = 2},
                      .driver_state = {.high = 3, .low = 4}}},
          .vgpus = {{.partition_id = 1,
                     .guest = "red",
                     .preserved = true,
                     .blackout = absl::Milliseconds(5),
                     .difference = "none"},
                    {.partition_id = 2}},
          .saved = {.blocks = 3, .bytes = 4}};
}

struct All {
  Records records = {};
  std::shared_ptr<const Incident> incident = nullptr;
  OrderedRun run = {};
};

template <typename Archive, Of<All> T>
void Fields(Archive& archive, T& all) {
  archive(all.records, all.incident, all.run);
}

All Full() {
  return {.records = {{AdapterStep::kSave, FullReport()},
                      {AdapterStep::kPause, StepReport()}},
          .incident = std::make_shared<Incident>(Incident{
              .attempt = 4,
              .blocks = {{.form = "DATA", .bytes = 1, .metadata_bytes = 2}},
              .before = FullReport().census,
              .driver_log = {"last"}}),
          .run = {.orders = {{.step = AdapterStep::kRestore,
                              .attempt = 4,
                              .deadline = absl::Seconds(1),
                              .image = {.path = "/a", .digest = "sha256:0"}}},
                  .reports = {FullReport()},
                  .told = 1}};
}

std::vector<std::byte> BytesOf(const All& all) {
  std::vector<std::byte> bytes(size_t{64} << 10);
  RecordWriter writer(bytes.data(), bytes.size());
  writer(all);
  EXPECT_TRUE(writer.fits());
  bytes.resize(bytes.size() - writer.left());
  return bytes;
}

TEST(RecordFieldsTest, EverythingComesBack) {
  const std::vector<std::byte> bytes = BytesOf(Full());
  All all;
  RecordReader reader(bytes.data(), bytes.size());
  reader(all);
  EXPECT_TRUE(reader.whole());
  EXPECT_EQ(BytesOf(all), bytes);
  const StepReport& report = all.records.at(AdapterStep::kSave);
  EXPECT_EQ(report.status, FullReport().status);
  EXPECT_EQ(Reason(report.status), "DRIVER_REFUSED");
  EXPECT_EQ(report.census, FullReport().census);
  EXPECT_EQ(report.driver_log, FullReport().driver_log);
  EXPECT_EQ(report.vgpus[0].blackout, absl::Milliseconds(5));
  EXPECT_EQ(all.run.orders, Full().run.orders);
  EXPECT_EQ(all.incident->blocks[0].form, "DATA");
}

TEST(RecordFieldsTest, EveryPartOfARecordIsNotWhole) {
  const std::vector<std::byte> bytes = BytesOf(Full());
  for (size_t size = 0; size < bytes.size(); ++size) {
    All all;
    RecordReader reader(bytes.data(), size);
    reader(all);
    EXPECT_FALSE(reader.whole()) << size;
  }
}

TEST(RecordFieldsTest, WhatDoesNotFitSaysSo) {
  const std::vector<std::byte> bytes = BytesOf(Full());
  std::vector<std::byte> room(bytes.size());
  for (size_t size = 0; size < bytes.size(); ++size) {
    RecordWriter writer(room.data(), size);
    writer(Full());
    EXPECT_FALSE(writer.fits()) << size;
  }
}

// Any bytes: values that are whole, no more memory than the bytes are worth,
// and no enumerator that there is not.
TEST(RecordFieldsTest, AnyBytesAreRead) {
  const uint64_t seed = RealRandom().Bits();
  SCOPED_TRACE(seed);
  support::SeededRandom dice(seed);
  const std::vector<std::byte> good = BytesOf(Full());
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::byte> bytes = good;
    const int changes = 1 + static_cast<int>(dice.Below(8));
    for (int n = 0; n < changes; ++n) {
      bytes[dice.Below(bytes.size())] = static_cast<std::byte>(dice.Below(256));
    }
    All all;
    RecordReader reader(bytes.data(), bytes.size());
    reader(all);
    for (const StepOrder& order : all.run.orders) {
      EXPECT_LE(order.step, AdapterStep::kCommit);
    }
  }
}

}  // namespace
}  // namespace baton::port
