#include "driver-shim/vfio/access.h"

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

namespace baton::vfio {
namespace {

constexpr char kAcl[] = "system.posix_acl_access";
constexpr size_t kAclBytesMax = 4096;

// One that the file has by itself, of its folder's default, say, lets others
// in.
bool SetAcl(const char* path, const std::string& acl) {
  if (!acl.empty()) return setxattr(path, kAcl, acl.data(), acl.size(), 0) == 0;
  return removexattr(path, kAcl) == 0 || errno == ENODATA ||
         errno == EOPNOTSUPP;
}

}  // namespace

std::optional<Access> AccessOf(const std::string& path) {
  struct stat info = {};
  if (path.empty() || stat(path.c_str(), &info) != 0) return std::nullopt;
  Access access = {.user = info.st_uid,
                   .group = info.st_gid,
                   .mode = info.st_mode & ALLPERMS};
  std::string acl(kAclBytesMax, '\0');
  const ssize_t size = getxattr(path.c_str(), kAcl, acl.data(), acl.size());
  if (size > 0) access.acl = acl.substr(0, static_cast<size_t>(size));
  return access;
}

int GrantAccess(const std::string& path, const Access& access) {
  // Whatever else sees a new file come, such as udev, gives it to others once.
  constexpr int kTries = 2;
  for (int i = 0; i < kTries && AccessOf(path) != access; ++i) {
    // The owner last: who is not yet it cannot use what is not yet its.
    const bool done = SetAcl(path.c_str(), access.acl) &&
                      chmod(path.c_str(), access.mode) == 0 &&
                      chown(path.c_str(), access.user, access.group) == 0;
    if (!done) return errno;
  }
  return AccessOf(path) == access ? 0 : EBUSY;
}

}  // namespace baton::vfio
