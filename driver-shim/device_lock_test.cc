#include "driver-shim/device_lock.h"

#include <filesystem>
#include <memory>
#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::shim {
namespace {

class DeviceLockTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(root_ + "/a");
    std::filesystem::create_directories(root_ + "/b");
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  const std::string root_ = testing::TempDir() + "/device_lock_test";
};

TEST_F(DeviceLockTest, ADeviceIsHeldByOneAtATime) {
  auto first = DeviceLock::Take(root_ + "/a");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = DeviceLock::Take(root_ + "/a/");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(second.status()), "DEVICE_IN_USE");
  *first = nullptr;
  EXPECT_TRUE(DeviceLock::Take(root_ + "/a").ok());
}

TEST_F(DeviceLockTest, DevicesDoNotDisturbEachOther) {
  const auto a = DeviceLock::Take(root_ + "/a");
  EXPECT_TRUE(DeviceLock::Take(root_ + "/b").ok());
}

TEST_F(DeviceLockTest, NamesADeviceThatIsNotThere) {
  const auto lock = DeviceLock::Take(root_ + "/c");
  EXPECT_EQ(lock.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(lock.status()), "DEVICE_GONE");
}

}  // namespace
}  // namespace baton::shim
