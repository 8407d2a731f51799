#include "service/depot/depot.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "package/driver_package.h"

namespace baton::depot {
namespace {

constexpr absl::string_view kPackageSuffix = ".pkg";
constexpr absl::string_view kTemporarySuffix = ".part";

absl::Status Invalid(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status DamagedError(const Package& package, absl::string_view what) {
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "PACKAGE_DAMAGED",
      absl::StrCat("package \"", package.digest, "\" is damaged: ", what));
}

absl::Status SizeError(const Package& package, absl::string_view got) {
  return Invalid("PACKAGE_SIZE_MISMATCH",
                 absl::StrCat("package \"", package.digest, "\": got ", got,
                              " bytes, want ", package.size_bytes));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Depot>> Depot::Open(std::string directory,
                                                   Room room) {
  RETURN_IF_ERROR(MakeDirectory(directory));
  ASSIGN_OR_RETURN(const std::vector<std::string> files,
                   ListDirectory(directory));
  for (const std::string& file : files) {
    if (!absl::EndsWith(file, kTemporarySuffix)) continue;
    LogInfo(absl::StrCat("removing what is left of an upload: \"", file, "\""));
    RETURN_IF_ERROR(RemoveFile(absl::StrCat(directory, "/", file)));
  }
  return std::unique_ptr<Depot>(
      new Depot(std::move(directory), std::move(room)));
}

absl::Status Depot::Reconcile(const std::vector<Package>& wanted) {
  std::set<std::string> keep;
  for (const Package& package : wanted) {
    keep.insert(PathOf(package.digest));
    // One byte past the end, so that a file that grew is noticed as well.
    const uint64_t last = package.size_bytes == 0 ? 0 : package.size_bytes - 1;
    const auto end = ReadRange(PathOf(package.digest), last, 2);
    if (!end.ok()) {
      LogError(DamagedError(package, end.status().message()).message());
    } else if (end->size() != 1) {
      LogError(DamagedError(package, "its size is wrong").message());
    }
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> files,
                   ListDirectory(directory_));
  for (const std::string& file : files) {
    const std::string path = absl::StrCat(directory_, "/", file);
    if (!absl::EndsWith(file, kPackageSuffix) || keep.count(path) > 0) continue;
    LogInfo(absl::StrCat("removing a package nobody knows: \"", file, "\""));
    RETURN_IF_ERROR(RemoveFile(path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Upload>> Depot::StartUpload(std::string name,
                                                           Package package) {
  if (!IsSha256(package.digest)) {
    return Invalid("BAD_DIGEST",
                   absl::StrCat("digest \"", package.digest,
                                "\" is not of the form sha256:<64 hex digits "
                                "in lower case>"));
  }
  if (package.size_bytes > kPackageBytesMax) {
    return Invalid("PACKAGE_TOO_BIG",
                   absl::StrCat("package \"", package.digest, "\" has ",
                                package.size_bytes, " bytes, at most ",
                                kPackageBytesMax, " are taken"));
  }
  RETURN_IF_ERROR(CheckRoom(package));
  std::string path =
      absl::StrCat(directory_, "/upload-", ++uploads_, kTemporarySuffix);
  auto upload = std::unique_ptr<Upload>(
      new Upload(*this, std::move(name), std::move(package), std::move(path)));
  RETURN_IF_ERROR(upload->file_.Create(upload->temporary_));
  return upload;
}

absl::Status Depot::CheckRoom(const Package& package) const {
  if (room_.free_bytes == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(const uint64_t free_bytes, room_.free_bytes());
  uint64_t wanted = package.size_bytes + room_.reserve_bytes;
  for (const Upload* upload : open_) wanted += upload->missing_bytes();
  if (free_bytes >= wanted) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kResourceExhausted, "SERVICE_DISK_LOW",
      absl::StrCat("package \"", package.digest, "\" has ", package.size_bytes,
                   " bytes, and the service's disk has ", free_bytes >> 20,
                   " MiB free, of which ", room_.reserve_bytes >> 20,
                   " MiB are kept for hosts in flight; make room there"));
}

absl::StatusOr<std::string> Depot::Read(const Package& package, uint64_t offset,
                                        size_t bytes_max) {
  if (checked_.count(package.digest) == 0) {
    if (absl::Status damaged = Check(package); !damaged.ok()) {
      LogError(damaged.message());
      return damaged;
    }
    checked_.insert(package.digest);
  }
  auto bytes = ReadRange(PathOf(package.digest), offset, bytes_max);
  if (absl::IsNotFound(bytes.status())) {
    checked_.erase(package.digest);
    return DamagedError(package, "its file is gone");
  }
  if (bytes.ok() && bytes->empty() && offset < package.size_bytes) {
    return DamagedError(package, "its file was cut");
  }
  return bytes;
}

absl::Status Depot::Forget(const std::string& digest,
                           const std::function<bool()>& in_use) {
  if (pins_.count(digest) > 0 || in_use()) return absl::OkStatus();
  checked_.erase(digest);
  RETURN_IF_ERROR(RemoveFile(PathOf(digest)));
  FAIL_POINT("service.after_forget");
  return SyncDirectory(directory_);
}

std::string Depot::PathOf(absl::string_view digest) const {
  absl::ConsumePrefix(&digest, "sha256:");
  return absl::StrCat(directory_, "/", digest, kPackageSuffix);
}

absl::Status Depot::Check(const Package& package) const {
  const auto digest = Sha256OfFile(PathOf(package.digest));
  if (absl::IsNotFound(digest.status())) {
    return DamagedError(package, "its file is missing");
  }
  RETURN_IF_ERROR(digest.status());
  if (*digest != package.digest) {
    return DamagedError(package, absl::StrCat("its file has ", *digest));
  }
  return absl::OkStatus();
}

Upload::Upload(Depot& depot, std::string name, Package package,
               std::string path)
    : depot_(depot),
      name_(std::move(name)),
      package_(std::move(package)),
      temporary_(std::move(path)) {
  ++depot_.pins_[package_.digest];
  depot_.open_.insert(this);
}

Upload::~Upload() {
  depot_.open_.erase(this);
  if (--depot_.pins_[package_.digest] == 0) {
    depot_.pins_.erase(package_.digest);
  }
  if (absl::Status left = RemoveFile(temporary_); !left.ok()) {
    LogWarning(left.message());  // the next start removes it
  }
}

absl::Status Upload::Append(absl::string_view bytes) {
  if (bytes.size() > package_.size_bytes - got_bytes_) {
    return SizeError(package_,
                     absl::StrCat("at least ", got_bytes_ + bytes.size()));
  }
  RETURN_IF_ERROR(file_.Append(bytes));
  sha256_.Update(bytes);
  got_bytes_ += bytes.size();
  return absl::OkStatus();
}

absl::StatusOr<v1::DriverManifest> Upload::Finish() {
  RETURN_IF_ERROR(CheckBytes());
  RETURN_IF_ERROR(file_.SyncAndClose());
  ASSIGN_OR_RETURN(v1::DriverManifest manifest, ReadPackage(temporary_));
  const std::string name = absl::StrCat("drivers/", manifest.driver(),
                                        "/versions/", manifest.version());
  if (name != name_) {
    return Invalid(
        "PACKAGE_NAME_MISMATCH",
        absl::StrCat("package \"", package_.digest, "\" says that it is \"",
                     name, "\", want \"", name_, "\""));
  }
  RETURN_IF_ERROR(Install());
  return manifest;
}

absl::Status Upload::CheckBytes() {
  if (got_bytes_ != package_.size_bytes) {
    return SizeError(package_, absl::StrCat(got_bytes_));
  }
  if (const std::string got = sha256_.Finish(); got != package_.digest) {
    return Invalid("PACKAGE_DIGEST_MISMATCH",
                   absl::StrCat("package \"", name_, "\" has the digest \"",
                                got, "\", want \"", package_.digest, "\""));
  }
  return absl::OkStatus();
}

absl::Status Upload::Install() {
  FAIL_POINT("service.after_upload");
  // Replaces a damaged file of the same name; otherwise both are equal.
  RETURN_IF_ERROR(Rename(temporary_, depot_.PathOf(package_.digest)));
  RETURN_IF_ERROR(SyncDirectory(depot_.directory_));
  FAIL_POINT("service.after_install");
  depot_.checked_.insert(package_.digest);
  return absl::OkStatus();
}

}  // namespace baton::depot
