#ifndef SERVICE_DEPOT_DEPOT_H_
#define SERVICE_DEPOT_DEPOT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "baton/v1/driver.pb.h"
#include "service/depot/file.h"

namespace baton::depot {

class Upload;

// Largest package, in bytes.
inline constexpr uint64_t kPackageBytesMax = uint64_t{1} << 30;

// A package at rest.
struct Package {
  std::string digest = "";  // "sha256:…" of all its bytes
  uint64_t size_bytes = 0;
};

// The disk that a depot shares with others.
struct Room {
  // Returns how many bytes may still be written there; null: it is not known.
  std::function<absl::StatusOr<uint64_t>()> free_bytes = nullptr;
  uint64_t reserve_bytes = 0;  // which are for others
};

// Driver packages at rest: one file each in one directory, named by digest, so
// that a file is either the package or damaged. Which of them are in use is
// for the fleet to say.
//
// Every function blocks on the disk. Confined to one thread, the Worker's, as
// are the uploads. Errors of the disk are UNAVAILABLE (DEPOT_DISK).
class Depot {
 public:
  // Creates `directory` unless it is there, and removes what uploads that were
  // cut off left in it.
  static absl::StatusOr<std::unique_ptr<Depot>> Open(std::string directory,
                                                     Room room = {});

  Depot(const Depot&) = delete;
  Depot& operator=(const Depot&) = delete;

  // Removes every package that is not in `wanted`, and logs each of `wanted`
  // that is missing or of another size. Call it before the first upload.
  absl::Status Reconcile(const std::vector<Package>& wanted);

  // Starts to take a package that will be `package`, and which must say of
  // itself that it is `name`, "drivers/{driver}/versions/{version}".
  //
  // Errors:
  //   INVALID_ARGUMENT    PACKAGE_TOO_BIG, BAD_DIGEST
  //   RESOURCE_EXHAUSTED  SERVICE_DISK_LOW: it would take of the reserve
  absl::StatusOr<std::unique_ptr<Upload>> StartUpload(std::string name,
                                                      Package package);

  // Returns bytes of a package, at most `bytes_max`, from `offset` on; none at
  // its end. The first call for a package since the start reads all of it and
  // compares its digest.
  //
  // Errors:
  //   DATA_LOSS  PACKAGE_DAMAGED: it is missing, or its bytes are others
  absl::StatusOr<std::string> Read(const Package& package, uint64_t offset,
                                   size_t bytes_max);

  // Removes a package, unless an upload of the same bytes has yet to learn
  // whether it counts, or `in_use` says that it does.
  absl::Status Forget(const std::string& digest,
                      const std::function<bool()>& in_use);

 private:
  friend class Upload;

  Depot(std::string directory, Room room)
      : directory_(std::move(directory)), room_(std::move(room)) {}

  absl::Status CheckRoom(const Package& package) const;
  std::string PathOf(absl::string_view digest) const;
  absl::Status Check(const Package& package) const;

  const std::string directory_;
  const Room room_;
  uint64_t uploads_ = 0;             // numbers the temporary files
  std::set<const Upload*> open_;     // on their way in
  std::map<std::string, int> pins_;  // digest -> uploads that hold it
  std::set<std::string> checked_;    // digests whose bytes were right
};

// A package on its way in. While it exists, a package that it brought stays,
// whoever forgets it. Leaves no trace unless Finish() returned OK. Must not
// outlive its depot.
class Upload {
 public:
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  // Errors: INVALID_ARGUMENT, PACKAGE_SIZE_MISMATCH: more bytes than were said
  absl::Status Append(absl::string_view bytes);

  // Checks the package and makes it durable. Returns what it says of itself.
  //
  // Errors:
  //   INVALID_ARGUMENT  PACKAGE_SIZE_MISMATCH, PACKAGE_DIGEST_MISMATCH,
  //                     PACKAGE_NAME_MISMATCH, or what ReadPackage() says
  absl::StatusOr<v1::DriverManifest> Finish();

 private:
  friend class Depot;

  Upload(Depot& depot, std::string name, Package package, std::string path);

  // That are still to come.
  uint64_t missing_bytes() const { return package_.size_bytes - got_bytes_; }
  absl::Status CheckBytes();
  absl::Status Install();

  Depot& depot_;
  const std::string name_;
  const Package package_;
  const std::string temporary_;
  NewFile file_;
  Sha256 sha256_;
  uint64_t got_bytes_ = 0;
};

}  // namespace baton::depot

#endif  // SERVICE_DEPOT_DEPOT_H_
