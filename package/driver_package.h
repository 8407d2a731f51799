#ifndef PACKAGE_DRIVER_PACKAGE_H_
#define PACKAGE_DRIVER_PACKAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "baton/v1/driver.pb.h"

namespace baton {

// A driver package: a tar file compressed with zstd that holds manifest.json (a
// DriverManifest) and the image, in this order, and nothing else. Two packs of
// the same input are equal, byte for byte.
//
// All functions block on the disk, on any thread.

// Largest image and largest manifest that a package may hold, in bytes.
inline constexpr uint64_t kPackageImageBytesMax = uint64_t{1} << 30;
inline constexpr uint64_t kPackageManifestBytesMax = uint64_t{64} << 10;

// Writes a package to `path`, replacing what is there.
//
// `manifest`    without image and image_digest, which are set here
// `image_path`  the driver's shared object
// Returns the manifest as written.
// Errors:
//   INVALID_ARGUMENT  BAD_MANIFEST: the message names the field
//   NOT_FOUND         FILE_UNREADABLE: there is no such image
//   UNAVAILABLE       the disk refused; PACKAGE_NOT_WRITTEN, FILE_UNREADABLE
absl::StatusOr<v1::DriverManifest> PackDriver(v1::DriverManifest manifest,
                                              const std::string& image_path,
                                              const std::string& path);

// Returns the manifest of the package at `path`, after checking every field,
// that nothing else is in the package, and the image against its digest.
//
// Errors:
//   INVALID_ARGUMENT  it is not a package: BAD_PACKAGE, BAD_MANIFEST,
//                     IMAGE_DIGEST_MISMATCH
//   NOT_FOUND, UNAVAILABLE  FILE_UNREADABLE
absl::StatusOr<v1::DriverManifest> ReadPackage(const std::string& path);

// The same, and writes the image to `directory`/<manifest.image> (synced,
// mode 0555) and the manifest beside it as manifest.json. `directory` exists;
// after an error it may hold part of them.
//
// Errors: as ReadPackage(), and UNAVAILABLE (PACKAGE_NOT_WRITTEN)
absl::StatusOr<v1::DriverManifest> UnpackDriver(const std::string& path,
                                                const std::string& directory);

// Reads the manifest.json at `path`. Errors as ReadPackage().
absl::StatusOr<v1::DriverManifest> ReadManifestFile(const std::string& path);

}  // namespace baton

#endif  // PACKAGE_DRIVER_PACKAGE_H_
