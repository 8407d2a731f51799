#ifndef DRIVER_SHIM_VFIO_PROC_FILES_H_
#define DRIVER_SHIM_VFIO_PROC_FILES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace baton::vfio {

// Small files and links of /proc and /sys.

// The whole of it; nothing where it cannot be read.
std::optional<std::string> ReadFile(const std::string& path);

// The last `bytes` of a file at most; "" where it cannot be read.
std::string ReadEnd(const std::string& path, size_t bytes);

// Where a link points; "" where it is none.
std::string ReadLink(const std::string& path);

// The names in a directory, sorted; none where it cannot be read.
std::vector<std::string> NamesIn(const std::string& path);

// Processes that are there now.
std::vector<int> Pids();

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_PROC_FILES_H_
