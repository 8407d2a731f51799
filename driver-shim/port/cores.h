#ifndef DRIVER_SHIM_PORT_CORES_H_
#define DRIVER_SHIM_PORT_CORES_H_

#include <cstddef>
#include <cstdint>
#include <functional>

// Work on memory, on all cores: by this thread, and by threads of the process
// that wait for such work. Any thread.

namespace baton::port {

// Starts the threads that wait, where they do not yet: else the first
// OnAllCores() does, and takes their time and page faults.
void StartCores();

// Calls `job` once with each number below `count`, which is of `bytes_each` or
// so; on all cores where it pays and nobody else is at it. The order is not
// defined. Returns when all is done.
void OnAllCores(size_t count, uint64_t bytes_each,
                const std::function<void(size_t)>& job);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_CORES_H_
