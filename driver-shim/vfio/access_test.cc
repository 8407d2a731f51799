#include "driver-shim/vfio/access.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

class AccessTest : public testing::Test {
 protected:
  AccessTest() {
    std::filesystem::remove(path_);
    std::ofstream(path_) << "node";
  }

  // What setfacl -m u:7:rw writes: owner, user 7, group, mask, others.
  static std::string Acl() {
    std::string text({2, 0, 0, 0});
    const auto add = [&](char tag, char rights, int user) {
      const char fill = user < 0 ? '\xff' : '\0';
      text.append({tag, 0, rights, 0});
      text.append(
          {user < 0 ? fill : static_cast<char>(user), fill, fill, fill});
    };
    add(0x01, 6, -1);
    add(0x02, 6, 7);
    add(0x04, 0, -1);
    add(0x10, 6, -1);
    add(0x20, 0, -1);
    return text;
  }

  const std::string path_ = testing::TempDir() + "/access";
};

TEST_F(AccessTest, WhoMayUseAFileGoesOverToAnother) {
  Access access = {.user = getuid(), .group = getgid(), .mode = 0640};
  ASSERT_EQ(GrantAccess(path_, access), 0);
  EXPECT_EQ(AccessOf(path_), access);
  if (getuid() == 0) {
    access = {.user = 64055, .group = 108, .mode = 0600};
    ASSERT_EQ(GrantAccess(path_, access), 0);
    EXPECT_EQ(AccessOf(path_), access);
  }
  EXPECT_EQ(AccessOf(path_ + ".gone"), std::nullopt);
  EXPECT_EQ(GrantAccess(path_ + ".gone", access), ENOENT);
}

// A new node that let in somebody beside its owner went on to do so.
TEST_F(AccessTest, AnAclOfTheNewFilesOwnIsTakenOff) {
  const Access without = {.user = getuid(), .group = getgid(), .mode = 0600};
  const Access with = {
      .user = getuid(), .group = getgid(), .mode = 0660, .acl = Acl()};
  // A file system that has none says so, and does not pretend.
  const int error = GrantAccess(path_, with);
  if (error != EOPNOTSUPP) {
    ASSERT_EQ(error, 0);
    EXPECT_EQ(AccessOf(path_), with);
  }
  ASSERT_EQ(GrantAccess(path_, without), 0);
  EXPECT_EQ(AccessOf(path_), without);
}

}  // namespace
}  // namespace baton::vfio
