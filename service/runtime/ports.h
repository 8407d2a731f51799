#ifndef SERVICE_RUNTIME_PORTS_H_
#define SERVICE_RUNTIME_PORTS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "service/core/apply.h"
#include "service/core/fleet.h"
#include "service/core/plan.h"

namespace baton::runtime {

// What the fleet loop needs from the outside. Each has one production class and
// one fake.

// Which audit records to read.
struct AuditQuery {
  uint64_t after_sequence = 0;  // only records above it
  std::string resource = "";    // empty: of all resources
  size_t limit = 100;           // most records to return, at least 1
};

// Keeps the fleet. Confined to the fleet loop's thread, apart from the
// construction. Blocks on the disk.
class Store {
 public:
  virtual ~Store() = default;

  // Returns all that was committed, or an empty fleet; volatile fields and
  // settings have their defaults.
  //
  // Errors:
  //   DATA_LOSS    what is stored cannot be read; reason STORE_CORRUPT
  //   FAILED_PRECONDITION  TIME_ZONE_UNKNOWN: this machine does not know the
  //                time zone of a rollout's window
  //   UNAVAILABLE  the disk fails; reason STORE_UNAVAILABLE
  virtual absl::StatusOr<core::Fleet> Load() = 0;

  // Makes `changes` durable, with the values that `fleet` has, in one
  // transaction. Returns once they are on stable storage. An error is final:
  // what is stored is then unknown, and the process must stop. Removes a few of
  // the capsules that have expired at fleet.now along with it.
  //
  // Errors: UNAVAILABLE; reason STORE_UNAVAILABLE
  virtual absl::Status Commit(const core::Fleet& fleet,
                              const core::Changes& changes) = 0;

  // Returns the capsule of the update of that name; nullopt when there is none,
  // or when it has expired at `now`. Errors as Load().
  virtual absl::StatusOr<std::optional<core::Capsule>> LoadCapsule(
      const std::string& update, absl::Time now) = 0;

  // Returns records in order of sequence. Errors as Load().
  virtual absl::StatusOr<std::vector<core::AuditRecord>> ScanAudit(
      const AuditQuery& query) = 0;
};

// The disk of the store and the packages.
class Disk {
 public:
  virtual ~Disk() = default;

  // Returns how many bytes may still be written there. Does not wait.
  // Errors: UNAVAILABLE, reason DATA_DIR_UNUSABLE
  virtual absl::StatusOr<uint64_t> FreeBytes() const = 0;
};

// The service's end of one agent's stream. Owned by shared_ptr, by the stream
// and the loop. The loop calls it on its own thread; it must not block, and
// must not call the loop back before it returns, posts apart.
class Link {
 public:
  virtual ~Link() = default;

  // Sends an order. Best effort: orders are repeated.
  virtual void Send(const core::Order& order) = 0;

  // Ends the stream with `why`: it was replaced, or nothing was heard of it. No
  // Send() follows. Also called for a stream that has ended by itself.
  virtual void Close(const absl::Status& why) = 0;
};

}  // namespace baton::runtime

#endif  // SERVICE_RUNTIME_PORTS_H_
