#ifndef DRIVER_SHIM_VFIO_STREAM_H_
#define DRIVER_SHIM_VFIO_STREAM_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/digest.h"
#include "driver-shim/vfio/budget.h"

// A vGPU's saved state on its way into a named file and out again.

namespace baton::vfio {

// A stream that lies in a file, whole.
struct Stream {
  std::string path = "";
  uint64_t bytes = 0;
  Digest128 digest = {};

  bool operator==(const Stream&) const = default;
};

// Reads `source` to its end into a new file at `path`, digests it while it
// flows, and syncs the file. `source` blocks or not.
//
// Errors:
//   UNAVAILABLE        STREAM_UNREADABLE: the source failed; STREAM_UNWRITABLE:
//                      the file cannot be made or written
//   DEADLINE_EXCEEDED  STEP_TOO_SLOW
absl::StatusOr<Stream> KeepStream(int source, const std::string& path,
                                  const Budget& budget);

// What comes from `source`, without keeping it. Errors as KeepStream().
absl::StatusOr<Stream> DigestStream(int source, const Budget& budget);

// Compares the file with what was digested when it was written.
// Errors: DATA_LOSS, reason STREAM_DAMAGED
absl::Status CheckStream(const Stream& stream);

// Writes the file to `sink`, in pieces as it takes them.
//
// Errors:
//   FAILED_PRECONDITION  STREAM_REFUSED: the sink does not take it; names errno
//   UNAVAILABLE          STREAM_UNREADABLE
//   DEADLINE_EXCEEDED    STEP_TOO_SLOW
absl::Status PourStream(const Stream& stream, int sink, const Budget& budget);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_STREAM_H_
