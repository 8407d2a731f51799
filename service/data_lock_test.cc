#include "service/data_lock.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

class DataLockTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(root_); }

  const std::string root_ = testing::TempDir() + "/data_lock_test";
};

TEST_F(DataLockTest, IsHeldByOneAtATime) {
  auto first = DataLock::Take(root_ + "/a/b");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = DataLock::Take(root_ + "/a/b");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(second.status()), "DATA_DIR_IN_USE");
  *first = nullptr;
  EXPECT_TRUE(DataLock::Take(root_ + "/a/b").ok());
}

TEST_F(DataLockTest, DirectoriesDoNotDisturbEachOther) {
  const auto a = DataLock::Take(root_ + "/a");
  EXPECT_TRUE(DataLock::Take(root_ + "/b").ok());
}

TEST_F(DataLockTest, NamesADirectoryThatCannotBe) {
  std::filesystem::create_directories(root_);
  std::ofstream(root_ + "/file") << "x";
  const auto lock = DataLock::Take(root_ + "/file/a");
  EXPECT_EQ(lock.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(lock.status()), "DATA_DIR_UNUSABLE");
}

}  // namespace
}  // namespace baton
