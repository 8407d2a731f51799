#include "driver-shim/vfio/record.h"

#include <filesystem>
#include <fstream>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

Record Full() {
  Record record = {.boot_id = "boot",
                   .instance = "0123456789abcdef",
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
                          .holder = {{"pid", 3}}};
  return record;
}

TEST(RecordTest, IsReadAsItWasWritten) {
  const auto record = RecordFrom(ToJson(Full()));
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(ToJson(*record), ToJson(Full()));
  EXPECT_EQ(record->vgpus, Full().vgpus);
  const port::StepReport& report =
      record->reports.at(port::AdapterStep::kPause);
  const port::StepReport want = Full().reports.at(port::AdapterStep::kPause);
  EXPECT_EQ(report.census, want.census);
  EXPECT_EQ(report.elapsed, want.elapsed);
  EXPECT_EQ(report.vgpus[0].blackout, want.vgpus[0].blackout);
  EXPECT_TRUE(report.status.ok());
  EXPECT_EQ(record->run.orders, Full().run.orders);
  const absl::Status& failed = record->run.reports.at(0).status;
  EXPECT_EQ(failed, Full().run.reports.at(0).status);
  EXPECT_EQ(Reason(failed), "SCRIPTED");
}

TEST(RecordTest, WithoutAnyOfItsFieldsItIsDamaged) {
  const Json whole = ToJson(Full());
  for (const auto& [name, value] : whole.items()) {
    Json json = whole;
    json.erase(name);
    EXPECT_EQ(Reason(RecordFrom(json).status()), "RECORD_DAMAGED") << name;
    json[name] = Json::array({nullptr});
    EXPECT_EQ(Reason(RecordFrom(json).status()), "RECORD_DAMAGED") << name;
  }
  EXPECT_EQ(Reason(RecordFrom(Json()).status()), "RECORD_DAMAGED");
}

TEST(RecordTest, TheFileIsTheLastOneThatWasWritten) {
  const std::string path = testing::TempDir() + "/record.json";
  std::filesystem::remove(path);
  const RecordFile file(path);
  auto none = file.Read();
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->has_value());
  Record record = Full();
  for (const uint64_t attempt : {8, 9}) {
    record.attempt = attempt;
    ASSERT_TRUE(file.Write(record).ok());
    const auto read = file.Read();
    ASSERT_TRUE(read.ok() && read->has_value());
    EXPECT_EQ((*read)->attempt, attempt);
  }
  std::ofstream(path, std::ios::trunc) << "{";
  EXPECT_EQ(Reason(file.Read().status()), "RECORD_DAMAGED");
  EXPECT_EQ(Reason(RecordFile("/nowhere/r").Write(record)),
            "RECORD_UNWRITABLE");
}

}  // namespace
}  // namespace baton::vfio
