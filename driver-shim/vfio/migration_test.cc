#include "driver-shim/vfio/migration.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/reason.h"
#include "driver-shim/vfio/testing/fake_device.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

using core::DeviceState;

class MigrationTest : public testing::Test {
 protected:
  Budget budget_() const { return Budget(RealClock(), absl::Seconds(20)); }
  std::shared_ptr<FakeVgpu> vgpu_ = std::make_shared<FakeVgpu>("state");
  std::unique_ptr<Device> device_ = FakeVgpu::Open(vgpu_);
  const std::string path_ = absl::StrCat(
      testing::TempDir(), "/stream-",
      testing::UnitTest::GetInstance()->current_test_info()->line());
};

TEST_F(MigrationTest, SavesWhatTheDeviceHasAndStopsAgain) {
  const auto stream = SaveDevice(*device_, path_, budget_());
  ASSERT_TRUE(stream.ok()) << stream.status();
  const Stream want = {.path = path_, .bytes = 5, .digest = Xxh3Of("state", 5)};
  EXPECT_EQ(*stream, want);
  EXPECT_TRUE(CheckStream(*stream).ok());
  EXPECT_EQ(vgpu_->state(), DeviceState::kStop);
  const auto again = ReadBack(*device_, budget_());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->digest, stream->digest);
}

TEST_F(MigrationTest, RestoresAndHasTheDriverSettle) {
  const auto stream = SaveDevice(*device_, path_, budget_());
  ASSERT_TRUE(stream.ok());
  const auto other = std::make_shared<FakeVgpu>("");
  ASSERT_TRUE(RestoreDevice(*stream, *FakeVgpu::Open(other), budget_()).ok());
  EXPECT_EQ(other->content(), "state");
  EXPECT_EQ(other->state(), DeviceState::kStop);
}

TEST_F(MigrationTest, ARefusedStreamLeavesAnErrorThatTheNextTryResets) {
  const auto stream = SaveDevice(*device_, path_, budget_());
  ASSERT_TRUE(stream.ok());
  const auto other = std::make_shared<FakeVgpu>("");
  other->set_behaviour({.refuses_late = true});
  const auto device = FakeVgpu::Open(other);
  EXPECT_EQ(Reason(RestoreDevice(*stream, *device, budget_())),
            "STREAM_REFUSED");
  EXPECT_EQ(other->state(), DeviceState::kError);
  EXPECT_EQ(Reason(BringTo(DeviceState::kStop, *device)), "ARC_REFUSED");
  other->set_behaviour({});
  EXPECT_TRUE(RestoreDevice(*stream, *device, budget_()).ok());
}

TEST_F(MigrationTest, ADamagedStreamNeverReachesTheDriver) {
  const auto stream = SaveDevice(*device_, path_, budget_());
  ASSERT_TRUE(stream.ok());
  for (const char* bent : {"stat", "statE", "state+"}) {
    std::ofstream(path_, std::ios::trunc) << bent;
    const auto other = std::make_shared<FakeVgpu>("untouched");
    const absl::Status status =
        RestoreDevice(*stream, *FakeVgpu::Open(other), budget_());
    EXPECT_EQ(Reason(status), "STREAM_DAMAGED");
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(other->content(), "untouched");
  }
}

TEST_F(MigrationTest, AStreamThatDoesNotComeIsTooLate) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Fd read_end(ends[0]);
  const Fd write_end(ends[1]);
  const Budget none(RealClock(), absl::Milliseconds(1));
  EXPECT_EQ(Reason(KeepStream(read_end.get(), path_, none).status()),
            "STEP_TOO_SLOW");
}

TEST_F(MigrationTest, ASinkThatIsClosedRefuses) {
  signal(SIGPIPE, SIG_IGN);
  const auto stream = SaveDevice(*device_, path_, budget_());
  ASSERT_TRUE(stream.ok());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  close(ends[0]);
  const Fd write_end(ends[1]);
  EXPECT_EQ(Reason(PourStream(*stream, write_end.get(), budget_())),
            "STREAM_REFUSED");
}

// A QEMU that reads a little and then no more had the shim wait for ever.
TEST_F(MigrationTest, ASinkThatIsNotReadIsTooLate) {
  const std::string state(4 << 20, 'x');
  auto vgpu = std::make_shared<FakeVgpu>(state);
  const auto stream = SaveDevice(*FakeVgpu::Open(vgpu), path_, budget_());
  ASSERT_TRUE(stream.ok());
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const Fd read_end(ends[0]);
  const Fd write_end(ends[1]);
  const Budget soon(RealClock(), absl::Milliseconds(100));
  EXPECT_EQ(Reason(PourStream(*stream, write_end.get(), soon)),
            "STEP_TOO_SLOW");
}

TEST_F(MigrationTest, AStreamWithoutAnEndIsTooLate) {
  const Fd zeros(open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const Budget soon(RealClock(), absl::Milliseconds(20));
  EXPECT_EQ(Reason(DigestStream(zeros.get(), soon).status()), "STEP_TOO_SLOW");
}

TEST_F(MigrationTest, AFileThatCannotBeWrittenIsNamed) {
  EXPECT_EQ(Reason(SaveDevice(*device_, "/nowhere/stream", budget_()).status()),
            "STREAM_UNWRITABLE");
  EXPECT_EQ(vgpu_->state(), DeviceState::kStop);
}

}  // namespace
}  // namespace baton::vfio
