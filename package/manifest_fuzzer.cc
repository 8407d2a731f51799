// Reading a package's manifest.json: any bytes.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "base/check.h"
#include "package/driver_package.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const int fd = memfd_create("manifest-fuzzer", MFD_CLOEXEC);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  CHECK(fd >= 0 && ftruncate(fd, 0) == 0);
  CHECK(pwrite(fd, data, bytes, 0) == static_cast<ssize_t>(bytes));
  const auto manifest = baton::ReadManifestFile(path);
  if (!manifest.ok()) {
    CHECK(!manifest.status().message().empty());
    return 0;
  }
  // What is accepted names a file beside it, and nothing further away.
  CHECK(!manifest->image().empty());
  CHECK(manifest->image().find('/') == std::string::npos);
  return 0;
}
