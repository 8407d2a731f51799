#include "agent/host/files.h"

#include <filesystem>
#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

std::string Path(const std::string& name) {
  return ::testing::TempDir() + "/files_test_" + name;
}

TEST(FilesTest, ReplacesWholeFiles) {
  const std::string path = Path("replaced");
  ASSERT_TRUE(ReplaceFile(path, "a longer text").ok());
  ASSERT_TRUE(ReplaceFile(path, "short").ok());
  EXPECT_EQ(*ReadSmallFile(path), "short");
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  ASSERT_TRUE(RemoveFile(path).ok());
  ASSERT_TRUE(RemoveFile(path).ok());
  EXPECT_TRUE(absl::IsNotFound(ReadSmallFile(path).status()));
}

TEST(FilesTest, MakesParents) {
  const std::string path = Path("parents") + "/a/b/c";
  ASSERT_TRUE(MakeDirectories(path).ok());
  ASSERT_TRUE(MakeDirectories(path).ok());
  EXPECT_TRUE(SyncDirectory(path).ok());
}

TEST(FilesTest, NamesWhatTheDiskRefuses) {
  const absl::Status status = ReplaceFile("/proc/nothing/here", "x");
  EXPECT_EQ(Reason(status), "DISK_REFUSED");
  EXPECT_NE(status.message().find("/proc/nothing/here"), std::string::npos);
  EXPECT_EQ(Reason(SyncDirectory("/proc/nothing")), "DISK_REFUSED");
  EXPECT_EQ(Reason(MakeDirectories("/proc/nothing/here")), "DISK_REFUSED");
}

}  // namespace
}  // namespace baton::agent
