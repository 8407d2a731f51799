#include "driver-shim/vfio/proc_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/numbers.h"
#include "driver-shim/vfio/fd.h"

namespace baton::vfio {

std::optional<std::string> ReadFile(const std::string& path) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) return std::nullopt;
  std::string text;
  char piece[4096];
  ssize_t got = 0;
  while ((got = read(file.get(), piece, sizeof piece)) > 0) {
    text.append(piece, static_cast<size_t>(got));
  }
  if (got < 0) return std::nullopt;
  return text;
}

std::string ReadEnd(const std::string& path, size_t bytes) {
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const off_t size = file.ok() ? lseek(file.get(), 0, SEEK_END) : 0;
  std::string text(bytes, '\0');
  const off_t from = std::max<off_t>(0, size - static_cast<off_t>(bytes));
  const ssize_t got =
      size > 0 ? pread(file.get(), text.data(), bytes, from) : 0;
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return text;
}

std::string ReadLink(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t size = readlink(path.c_str(), target, sizeof target);
  return size < 0 ? "" : std::string(target, static_cast<size_t>(size));
}

std::vector<std::string> NamesIn(const std::string& path) {
  std::vector<std::string> names;
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) return names;
  // One thread reads this stream.
  while (const dirent* entry = readdir(directory)) {  // NOLINT(concurrency-*)
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<int> Pids() {
  std::vector<int> pids;
  for (const std::string& name : NamesIn("/proc")) {
    int pid = 0;
    if (absl::SimpleAtoi(name, &pid)) pids.push_back(pid);
  }
  return pids;
}

}  // namespace baton::vfio
