#include "driver-shim/vfio/record.h"

#include <filesystem>
#include <fstream>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

Record Full() {
  Record record = {.instance = "0123456789abcdef",
                   .state = port::AdapterState::kPaused,
                   .origin = port::AdapterState::kResumed,
                   .attempt = 7,
                   .finished = 6,
                   .loaded = {"/a.ko", "sha256:1", "bgpu", "1.0"},
                   .previous = {"/b.ko", "sha256:2", "bgpu", "2.0"}};
  port::StepReport report;
  report.elapsed = absl::Nanoseconds(123456789);
  report.saved = {.blocks = 2, .bytes = uint64_t{1} << 40};
  report.census = {{.vgpu = {1, "0123456789abcdef", "small", "a", 4096},
                    .fence_value = ~uint64_t{0},
                    .registers = {1, 2},
                    .driver_state = {~uint64_t{0}, 3}}};
  report.vgpus = {{.partition_id = 1,
                   .guest = "a",
                   .preserved = true,
                   .blackout = absl::Milliseconds(71),
                   .difference = "none"}};
  record.reports[port::AdapterStep::kPause] = report;
  record.run = {.orders = {{port::AdapterStep::kPause, 7, absl::Seconds(9), {}},
                           {port::AdapterStep::kRestore,
                            7,
                            absl::Seconds(8),
                            {"/a.ko", "sha256:1", "bgpu", "1.0"}}},
                .reports = {report},
                .told = 1};
  record.run.reports[0].status =
      ErrorWithReason(absl::StatusCode::kAborted, "SCRIPTED", "no");
  record.begun = absl::Seconds(4);
  record.vgpus["uuid"] = {.phase = core::Phase::kSaving,
                          .carried = true,
                          .proven = true,
                          .saved = {"/s", 5, {4, 5}},
                          .state = "digest",
                          .completed = 9,
                          .stopped_at = absl::Seconds(5),
                          .access = Access{5, 6, 0660, "acl"},
                          .holder = "its own"};
  return record;
}

class RecordTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::remove(path_); }

  // What whoever comes next finds.
  absl::StatusOr<std::optional<Record>> Read(const std::string& boot = kBoot) {
    return RecordFile(path_, boot).Read();
  }

  static constexpr char kBoot[] = "boot-1";
  const std::string path_ = testing::TempDir() + "/record";
};

TEST_F(RecordTest, IsReadAsItWasWritten) {
  ASSERT_TRUE(RecordFile(path_, kBoot).Write(Full()).ok());
  const auto read = Read();
  ASSERT_TRUE(read.ok() && read->has_value()) << read.status();
  const Record& record = **read;
  EXPECT_EQ(record.instance, Full().instance);
  EXPECT_EQ(record.state, Full().state);
  EXPECT_EQ(record.origin, Full().origin);
  EXPECT_EQ(record.attempt, Full().attempt);
  EXPECT_EQ(record.finished, Full().finished);
  EXPECT_EQ(record.loaded, Full().loaded);
  EXPECT_EQ(record.previous, Full().previous);
  EXPECT_EQ(record.begun, Full().begun);
  EXPECT_EQ(record.vgpus, Full().vgpus);
  const port::StepReport& report = record.reports.at(port::AdapterStep::kPause);
  const port::StepReport want = Full().reports.at(port::AdapterStep::kPause);
  EXPECT_EQ(report.census, want.census);
  EXPECT_EQ(report.elapsed, want.elapsed);
  EXPECT_EQ(report.saved.bytes, want.saved.bytes);
  EXPECT_EQ(report.vgpus[0].blackout, want.vgpus[0].blackout);
  EXPECT_TRUE(report.status.ok());
  EXPECT_EQ(record.run.orders, Full().run.orders);
  EXPECT_EQ(record.run.told, Full().run.told);
  const absl::Status& failed = record.run.reports.at(0).status;
  EXPECT_EQ(failed, Full().run.reports.at(0).status);
  EXPECT_EQ(Reason(failed), "SCRIPTED");
}

TEST_F(RecordTest, TheLastOneCountsWhoeverWroteIt) {
  EXPECT_FALSE(Read()->has_value());
  Record record = Full();
  for (const uint64_t attempt : {8, 9, 10}) {
    RecordFile file(path_, kBoot);
    ASSERT_TRUE(file.Read().ok());
    record.attempt = 1;
    ASSERT_TRUE(file.Write(record).ok());
    record.attempt = attempt;
    ASSERT_TRUE(file.Write(record).ok());
    EXPECT_EQ((*Read())->attempt, attempt);
  }
}

TEST_F(RecordTest, OneOfAnotherBootIsNone) {
  ASSERT_TRUE(RecordFile(path_, kBoot).Write(Full()).ok());
  const auto other = Read("boot-2");
  ASSERT_TRUE(other.ok());
  EXPECT_FALSE(other->has_value());
}

TEST_F(RecordTest, OneThatHasARunWithMoreReportsThanOrdersIsDamaged) {
  Record record = Full();
  record.run.orders.clear();
  ASSERT_TRUE(RecordFile(path_, kBoot).Write(record).ok());
  EXPECT_EQ(Reason(Read().status()), "RECORD_DAMAGED");
}

TEST_F(RecordTest, OneThatDoesNotFitLeavesTheOneBefore) {
  RecordFile file(path_, kBoot);
  ASSERT_TRUE(file.Write(Full()).ok());
  Record record = Full();
  record.vgpus["uuid"].holder = std::string(port::RecordFile::kBytesMax, 'x');
  EXPECT_EQ(Reason(file.Write(record)), "RECORD_UNWRITABLE");
  EXPECT_EQ((*Read())->vgpus, Full().vgpus);
  EXPECT_EQ(Reason(RecordFile("/nowhere/r", kBoot).Write(record)),
            "RECORD_UNWRITABLE");
}

TEST_F(RecordTest, WhatIsNoRecordIsDamaged) {
  std::ofstream(path_, std::ios::trunc) << "{";
  EXPECT_EQ(Reason(Read().status()), "RECORD_DAMAGED");
}

}  // namespace
}  // namespace baton::vfio
