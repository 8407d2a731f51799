#include "agent/host/staging.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/host/files.h"
#include "agent/host/preflight.h"
#include "base/digest.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "package/driver_package.h"

namespace baton::agent {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDigestDigits = 12;
// Begins the names of directories that are not complete.
constexpr char kUnfinished[] = ".unpacking-";
// In such a directory: which package was unpacked there.
constexpr char kDigestFile[] = "/package.digest";

// "drivers/softgpu/versions/2.0" → "softgpu", "2.0".
absl::StatusOr<std::pair<std::string, std::string>> Split(
    const std::string& driver) {
  const std::vector<std::string> parts = absl::StrSplit(driver, '/');
  // Parts become the name of a directory.
  const auto plain = [](const std::string& part) {
    return !part.empty() && part.front() != '.';
  };
  if (parts.size() == 4 && parts[0] == "drivers" && parts[2] == "versions" &&
      plain(parts[1]) && plain(parts[3])) {
    return std::make_pair(parts[1], parts[3]);
  }
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_DRIVER_NAME",
      absl::StrCat("driver '", driver,
                   "' is not 'drivers/{driver}/versions/{version}'"));
}

std::string DigestPart(absl::string_view digest) {
  return std::string(
      absl::StripPrefix(digest, "sha256:").substr(0, kDigestDigits));
}

std::string DirectoryName(absl::string_view driver, absl::string_view version,
                          absl::string_view digest) {
  return absl::StrCat(driver, "-", version, "-", DigestPart(digest));
}

struct CloseFile {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, CloseFile>;

uint64_t SizeOf(const std::string& path) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  return error ? 0 : size;
}

// Appends to the file at `path` what `fetcher` brings, at most `wanted` bytes
// in all, and makes it last.
absl::Status FetchInto(const std::string& path, const Stage::Wanted& wanted,
                       absl::Duration deadline, const std::atomic<bool>& stop,
                       Fetcher& fetcher) {
  const File file(std::fopen(path.c_str(), "ab"));
  if (file == nullptr) return DiskError("write", path);
  uint64_t size = SizeOf(path);
  const auto append = [&](absl::string_view bytes) {
    size += bytes.size();
    if (size > wanted.size_bytes) {
      return ErrorWithReason(
          absl::StatusCode::kDataLoss, "PACKAGE_DIGEST_MISMATCH",
          absl::StrCat("package '", wanted.driver, "' is larger than ",
                       wanted.size_bytes, " bytes"));
    }
    if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) !=
        bytes.size()) {
      return DiskError("write", path);
    }
    return absl::OkStatus();
  };
  absl::Status fetched =
      fetcher.Fetch(wanted.driver, size, deadline, stop, append);
  // What came is kept even after an error: the next try goes on from there.
  if (std::fflush(file.get()) != 0 || fsync(fileno(file.get())) != 0) {
    fetched.Update(DiskError("sync", path));
  }
  return fetched;
}

// Unpacks the package `file` into a directory that is there, and makes all of
// it last.
absl::Status UnpackInto(const std::string& directory, const std::string& file,
                        const std::string& digest) {
  RETURN_IF_ERROR(UnpackDriver(file, directory).status());
  RETURN_IF_ERROR(ReplaceFile(directory + kDigestFile, digest));
  return SyncDirectory(directory);
}

std::string PartName(absl::string_view digest) {
  return absl::StrCat(DigestPart(digest), ".part");
}

// Removes what came of packages that nobody asks for any more.
void RemoveOtherDownloads(const std::string& directory,
                          const std::string& wanted) {
  std::error_code error;
  std::vector<fs::path> others;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(directory, error)) {
    if (entry.path().filename() != wanted) others.push_back(entry.path());
  }
  for (const fs::path& path : others) fs::remove_all(path, error);
}

}  // namespace

absl::Status Staging::SetUp() {
  RETURN_IF_ERROR(MakeDirectories(DriversPath()));
  return MakeDirectories(root_ + "/downloads");
}

absl::StatusOr<StagedPackage> Staging::Read(const std::string& name) const {
  const std::string directory = absl::StrCat(DriversPath(), "/", name);
  ASSIGN_OR_RETURN(const v1::DriverManifest manifest,
                   ReadManifestFile(directory + "/manifest.json"));
  StagedPackage package;
  package.name = name;
  package.image = {absl::StrCat(directory, "/", manifest.image()),
                   manifest.image_digest(), manifest.driver(),
                   manifest.version()};
  package.pci_ids.assign(manifest.pci_ids().begin(), manifest.pci_ids().end());
  package.writes_format = manifest.state_format().writes();
  package.reads_formats.assign(manifest.state_format().reads().begin(),
                               manifest.state_format().reads().end());
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(package.image.path));
  if (digest == package.image.digest) return package;
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "STAGED_IMAGE_DAMAGED",
      absl::StrCat("image '", package.image.path, "' has digest ", digest,
                   ", want ", package.image.digest));
}

// Whether directory `name` was unpacked from that very package: its own name
// says only a part of the digest.
bool Staging::Holds(const std::string& name, const std::string& digest) const {
  const absl::StatusOr<std::string> from =
      ReadSmallFile(absl::StrCat(DriversPath(), "/", name, kDigestFile));
  return from.ok() && *from == digest;
}

absl::StatusOr<std::string> Staging::Download(const Wanted& wanted,
                                              absl::Duration deadline,
                                              const std::atomic<bool>& stop) {
  std::string path =
      absl::StrCat(root_, "/downloads/", PartName(wanted.digest));
  if (SizeOf(path) > wanted.size_bytes) RETURN_IF_ERROR(RemoveFile(path));
  const absl::Status fetched =
      FetchInto(path, wanted, deadline, stop, fetcher_);
  if (absl::IsDataLoss(fetched)) RemoveFile(path).IgnoreError();
  RETURN_IF_ERROR(fetched);
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(path));
  if (digest == wanted.digest) return path;
  const uint64_t size = SizeOf(path);
  RETURN_IF_ERROR(RemoveFile(path));
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "PACKAGE_DIGEST_MISMATCH",
      absl::StrCat("package '", wanted.driver, "' has ", size,
                   " bytes and digest ", digest, ", want ", wanted.size_bytes,
                   " and ", wanted.digest));
}

absl::StatusOr<StagedPackage> Staging::Unpack(const std::string& file,
                                              const std::string& name,
                                              const std::string& digest) {
  const std::string unfinished =
      absl::StrCat(DriversPath(), "/", kUnfinished, name);
  const std::string finished = absl::StrCat(DriversPath(), "/", name);
  std::error_code error;
  fs::remove_all(unfinished, error);
  RETURN_IF_ERROR(MakeDirectories(unfinished));
  if (absl::Status unpacked = UnpackInto(unfinished, file, digest);
      !unpacked.ok()) {
    // A disk that was too small must not stay full for it.
    fs::remove_all(unfinished, error);
    return unpacked;
  }
  FAIL_POINT("agent.after_unpack");
  // There only when what it holds was found damaged.
  fs::remove_all(finished, error);
  if (std::rename(unfinished.c_str(), finished.c_str()) != 0) {
    return DiskError("rename", unfinished);
  }
  RETURN_IF_ERROR(SyncDirectory(DriversPath()));
  return Read(name);
}

absl::StatusOr<StagedPackage> Staging::Add(const Wanted& wanted,
                                           absl::Duration deadline,
                                           const std::atomic<bool>& stop) {
  const absl::Duration until = clock_.Monotonic() + deadline;
  if (!IsSha256(wanted.digest)) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_PACKAGE_DIGEST",
        absl::StrCat("digest '", wanted.digest, "' is not a sha256"));
  }
  ASSIGN_OR_RETURN(const auto names, Split(wanted.driver));
  const std::string name =
      DirectoryName(names.first, names.second, wanted.digest);
  absl::StatusOr<StagedPackage> there = Read(name);
  if (there.ok() && Holds(name, wanted.digest)) return there;
  RETURN_IF_ERROR(MakeRoom(name, wanted.in_use));
  RemoveOtherDownloads(root_ + "/downloads", PartName(wanted.digest));
  ASSIGN_OR_RETURN(const uint64_t free_bytes, FreeBytes());
  RETURN_IF_ERROR(CheckSpace(wanted.size_bytes, free_bytes));
  ASSIGN_OR_RETURN(const std::string file,
                   Download(wanted, until - clock_.Monotonic(), stop));
  ASSIGN_OR_RETURN(const v1::DriverManifest manifest, ReadPackage(file));
  if (manifest.driver() != names.first || manifest.version() != names.second) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "PACKAGE_IS_ANOTHER",
        absl::StrCat("package '", wanted.driver, "' says that it is '",
                     manifest.driver(), "' ", manifest.version()));
  }
  FAIL_POINT("agent.after_fetch");
  ASSIGN_OR_RETURN(StagedPackage package, Unpack(file, name, wanted.digest));
  FAIL_POINT("agent.after_stage");
  RETURN_IF_ERROR(RemoveFile(file));
  return package;
}

absl::StatusOr<std::optional<StagedPackage>> Staging::Current() {
  std::error_code error;
  const fs::path target = fs::read_symlink(CurrentPath(), error);
  if (error == std::errc::no_such_file_or_directory) return std::nullopt;
  if (error) {
    errno = error.value();
    return DiskError("read link", CurrentPath());
  }
  ASSIGN_OR_RETURN(StagedPackage package, Read(target.filename().string()));
  return package;
}

absl::Status Staging::Switch(const std::string& package) {
  const std::string path = CurrentPath();
  if (package.empty()) {
    return RemoveFile(path);
  }
  const std::string temporary = path + ".new";
  const std::string target = "drivers/" + package;
  if (unlink(temporary.c_str()) != 0 && errno != ENOENT) {
    return DiskError("remove link", temporary);
  }
  if (symlink(target.c_str(), temporary.c_str()) != 0) {
    return DiskError("make link", temporary);
  }
  FAIL_POINT("agent.before_switch");
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    return DiskError("replace link", path);
  }
  RETURN_IF_ERROR(SyncDirectory(root_));
  FAIL_POINT("agent.after_switch");
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Staging::FreeBytes() const {
  struct statvfs disk = {};
  if (statvfs(root_.c_str(), &disk) != 0) return DiskError("measure", root_);
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

absl::Status Staging::Install(const std::string& path) {
  std::error_code error;
  if (fs::is_symlink(CurrentPath(), error)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const v1::DriverManifest manifest, ReadPackage(path));
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(path));
  const std::string name =
      DirectoryName(manifest.driver(), manifest.version(), digest);
  if (!Read(name).ok() || !Holds(name, digest)) {
    RETURN_IF_ERROR(Unpack(path, name, digest).status());
  }
  return Switch(name);
}

absl::Status Staging::MakeRoom(const std::string& wanted,
                               const std::string& in_use) {
  std::error_code error;
  const std::string current =
      fs::read_symlink(CurrentPath(), error).filename().string();
  std::vector<std::pair<fs::file_time_type, fs::path>> others;
  std::vector<fs::path> unwanted;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(DriversPath(), error)) {
    const std::string name = entry.path().filename().string();
    if (name == current || name == wanted) continue;
    // Whoever loaded the driver may have another path to it.
    std::error_code gone;
    if (fs::equivalent(fs::path(in_use).parent_path(), entry.path(), gone)) {
      continue;
    }
    if (absl::StartsWith(name, kUnfinished)) {
      unwanted.push_back(entry.path());
    } else {
      others.emplace_back(entry.last_write_time(gone), entry.path());
    }
  }
  if (error) {
    errno = error.value();
    return DiskError("list", DriversPath());
  }
  std::sort(others.rbegin(), others.rend());  // newest first
  for (size_t i = kOthersKept; i < others.size(); ++i) {
    unwanted.push_back(others[i].second);
  }
  for (const fs::path& path : unwanted) {
    LogInfo(absl::StrCat("removing package '", path.string(), "'"));
    fs::remove_all(path, error);
  }
  return absl::OkStatus();
}

}  // namespace baton::agent
