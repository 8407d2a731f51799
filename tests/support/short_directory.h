#ifndef TESTS_SUPPORT_SHORT_DIRECTORY_H_
#define TESTS_SUPPORT_SHORT_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/check.h"

namespace baton::testing {

// A folder of the test's own with a short path, gone with this object: a unix
// socket's path has at most 107 bytes, and Bazel's folders may be longer.
class ShortDirectory {
 public:
  ShortDirectory() { CHECK(mkdtemp(path_.data()) != nullptr); }
  ~ShortDirectory() { std::filesystem::remove_all(path_); }
  ShortDirectory(const ShortDirectory&) = delete;
  ShortDirectory& operator=(const ShortDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/baton-test-XXXXXX";
};

}  // namespace baton::testing

#endif  // TESTS_SUPPORT_SHORT_DIRECTORY_H_
