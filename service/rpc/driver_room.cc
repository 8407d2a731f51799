#include "service/rpc/driver_room.h"

#include <utility>

#include "base/log.h"
#include "base/reason.h"

namespace baton::rpc {

absl::Status PostJob(DriverRoom& room, depot::Worker::Job job) {
  if (room.worker.TryPost(std::move(job))) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kResourceExhausted, "DEPOT_BUSY",
                         "too many uploads and downloads wait for the disk; "
                         "try again later");
}

void ForgetPackage(DriverRoom& room, const std::string& digest) {
  room.worker.PostCleanup([&room, digest] {
    const absl::Status gone = room.depot.Forget(
        digest, [&room, &digest] { return room.index.Has(digest); });
    // The next start removes what stays.
    if (!gone.ok()) LogWarning(gone.message());
  });
}

}  // namespace baton::rpc
