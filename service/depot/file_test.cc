#include "service/depot/file.h"

#include <filesystem>
#include <string>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::depot {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(MakeDirectory(directory_).ok()); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  const std::string directory_ = testing::TempDir() + "/file_test";
};

TEST_F(FileTest, ReadsBackARangeOfWhatWasWritten) {
  const std::string path = directory_ + "/a";
  NewFile file;
  ASSERT_TRUE(file.Create(path).ok());
  ASSERT_TRUE(file.Append("hello ").ok());
  ASSERT_TRUE(file.Append("world").ok());
  ASSERT_TRUE(file.SyncAndClose().ok());
  EXPECT_EQ(ReadRange(path, 4, 4).value(), "o wo");
  EXPECT_EQ(ReadRange(path, 6, 100).value(), "world");
  EXPECT_EQ(ReadRange(path, 11, 100).value(), "");
}

TEST_F(FileTest, RefusesToCreateWhatIsThere) {
  NewFile first;
  NewFile second;
  ASSERT_TRUE(first.Create(directory_ + "/a").ok());
  const absl::Status status = second.Create(directory_ + "/a");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(status), "DEPOT_DISK");
}

TEST_F(FileTest, ListsRenamesAndRemoves) {
  NewFile file;
  ASSERT_TRUE(file.Create(directory_ + "/b").ok());
  ASSERT_TRUE(Rename(directory_ + "/b", directory_ + "/a").ok());
  EXPECT_EQ(ListDirectory(directory_).value(), std::vector<std::string>{"a"});
  ASSERT_TRUE(RemoveFile(directory_ + "/a").ok());
  EXPECT_TRUE(RemoveFile(directory_ + "/a").ok());
  EXPECT_TRUE(ListDirectory(directory_).value().empty());
  EXPECT_TRUE(SyncDirectory(directory_).ok());
}

TEST_F(FileTest, NamesWhatIsMissing) {
  const std::string path = directory_ + "/missing";
  EXPECT_EQ(ReadRange(path, 0, 1).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ListDirectory(path).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Rename(path, path + "2").code(), absl::StatusCode::kNotFound);
  EXPECT_NE(ReadRange(path, 0, 1).status().message().find("\"" + path + "\""),
            absl::string_view::npos);
}

}  // namespace
}  // namespace baton::depot
