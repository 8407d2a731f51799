#ifndef AGENT_HOST_STAGING_H_
#define AGENT_HOST_STAGING_H_

#include <optional>
#include <string>
#include <utility>

#include "agent/ports.h"
#include "base/clock.h"

namespace baton::agent {

// Packages below one directory:
//
//   drivers/<driver>-<version>-<first 12 of the digest>/  image, manifest.json,
//                                                         package.digest: whole
//   current -> drivers/…                                  one atomic link
//   downloads/<digest>.part                               what came so far of
//                                                         the last one wanted
//
// A directory below drivers/ is complete and verified, or not there: it is
// unpacked under another name, synced and renamed. Room is made before a
// package is added; what "current" points to, what the loaded driver came from
// and the one asked for are never removed.
//
// Confined to the worker's thread, but for Install(), which is for the start.
class Staging final : public Stage {
 public:
  // Packages that are kept beside the current one.
  static constexpr size_t kOthersKept = 2;

  Staging(std::string root, Fetcher& fetcher, const Clock& clock)
      : root_(std::move(root)), fetcher_(fetcher), clock_(clock) {}

  // Makes the directories. Errors: UNAVAILABLE (DISK_REFUSED)
  absl::Status SetUp();

  // Stages the package file at `path` and makes it the current one, unless
  // there is a current one. Errors: as ReadPackage(), UNAVAILABLE
  absl::Status Install(const std::string& path);

  // Errors of Add():
  //   CANCELLED         STAGING_STOPPED
  //   DATA_LOSS         PACKAGE_DIGEST_MISMATCH: what came is thrown away
  //   INVALID_ARGUMENT  BAD_PACKAGE_DIGEST, those of UnpackDriver(),
  //                     PACKAGE_IS_ANOTHER: the manifest names another driver
  //   RESOURCE_EXHAUSTED  DISK_FULL, after room was made
  //   DEADLINE_EXCEEDED, UNAVAILABLE, those of the Fetcher
  absl::StatusOr<StagedPackage> Add(const Wanted& wanted,
                                    absl::Duration deadline,
                                    const std::atomic<bool>& stop) override;
  absl::StatusOr<std::optional<StagedPackage>> Current() override;
  absl::Status Switch(const std::string& package) override;

 private:
  absl::StatusOr<StagedPackage> Read(const std::string& name) const;
  absl::StatusOr<std::string> Download(const Wanted& wanted,
                                       absl::Duration deadline,
                                       const std::atomic<bool>& stop);
  absl::StatusOr<StagedPackage> Unpack(const std::string& file,
                                       const std::string& name,
                                       const std::string& digest);
  bool Holds(const std::string& name, const std::string& digest) const;
  absl::StatusOr<uint64_t> FreeBytes() const;
  absl::Status MakeRoom(const std::string& wanted, const std::string& in_use);
  std::string DriversPath() const { return root_ + "/drivers"; }
  std::string CurrentPath() const { return root_ + "/current"; }

  const std::string root_;
  Fetcher& fetcher_;
  const Clock& clock_;
};

}  // namespace baton::agent

#endif  // AGENT_HOST_STAGING_H_
