#include "package/driver_package.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <google/protobuf/util/json_util.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <system_error>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton {
namespace {

constexpr char kManifestName[] = "manifest.json";
constexpr size_t kPieceBytes = size_t{1} << 20;

using Writer = std::unique_ptr<archive, int (*)(archive*)>;
using Reader = std::unique_ptr<archive, int (*)(archive*)>;
using Entry = std::unique_ptr<archive_entry, void (*)(archive_entry*)>;
using File = std::unique_ptr<FILE, int (*)(FILE*)>;
// Takes the image's bytes as they are read.
using Sink = std::function<absl::Status(absl::string_view)>;

absl::Status BadManifest(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_MANIFEST",
                         absl::StrCat("manifest: ", what));
}

absl::Status BadPackage(const std::string& path, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_PACKAGE",
                         absl::StrCat("package '", path, "': ", what));
}

absl::Status NotWritten(const std::string& path, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "PACKAGE_NOT_WRITTEN",
                         absl::StrCat("cannot write '", path, "': ", what));
}

absl::Status Unreadable(const std::string& path) {
  const auto code = errno == ENOENT ? absl::StatusCode::kNotFound
                                    : absl::StatusCode::kUnavailable;
  return ErrorWithReason(code, "FILE_UNREADABLE",
                         absl::StrCat("cannot read '", path, "': ",
                                      std::generic_category().message(errno)));
}

bool AllOf(absl::string_view text, absl::string_view extra) {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           extra.find(c) != absl::string_view::npos;
  });
}

absl::Status CheckName(absl::string_view field, absl::string_view value,
                       absl::string_view extra) {
  if (!value.empty() && value.size() <= 63 && AllOf(value, extra) &&
      value.front() != '.' && value.front() != '-') {
    return absl::OkStatus();
  }
  return BadManifest(absl::StrCat("field '", field, "' is '", value,
                                  "', want 1 to 63 of [a-z0-9", extra,
                                  "] that start with a letter or digit"));
}

bool IsPciId(const std::string& id) {
  return id.size() == 9 && id[4] == ':' &&
         id.find_first_not_of("0123456789abcdef:") == std::string::npos &&
         id.find(':', 5) == std::string::npos;
}

// An image name becomes a file name on hosts: it must not leave its directory.
bool IsPlainFileName(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name.front() != '.' &&
         name != kManifestName && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

// 1 to 8 numbers of at most 9 digits, joined by dots.
bool IsVersion(const std::string& version) {
  const std::vector<absl::string_view> parts = absl::StrSplit(version, '.');
  return parts.size() <= 8 &&
         std::all_of(parts.begin(), parts.end(), [](absl::string_view part) {
           return !part.empty() && part.size() <= 9 &&
                  std::all_of(part.begin(), part.end(), absl::ascii_isdigit);
         });
}

absl::Status CheckManifest(const v1::DriverManifest& manifest) {
  RETURN_IF_ERROR(CheckName("driver", manifest.driver(), "-"));
  RETURN_IF_ERROR(CheckName("version", manifest.version(), ".-"));
  if (!IsPlainFileName(manifest.image())) {
    return BadManifest(absl::StrCat("field 'image' is '", manifest.image(),
                                    "', want a plain file name"));
  }
  if (!IsSha256(manifest.image_digest())) {
    return BadManifest(absl::StrCat("field 'image_digest' is '",
                                    manifest.image_digest(),
                                    "', want sha256: and 64 hex digits"));
  }
  if (manifest.pci_ids().empty()) {
    return BadManifest("field 'pci_ids' is empty, want at least one");
  }
  for (const std::string& id : manifest.pci_ids()) {
    if (IsPciId(id)) continue;
    return BadManifest(absl::StrCat("field 'pci_ids' has '", id,
                                    "', want vendor:device such as 1b70:0001"));
  }
  const v1::StateFormat& format = manifest.state_format();
  if (format.writes() == 0 || format.reads().empty()) {
    return BadManifest(
        "field 'state_format' wants writes of at least 1 and one reads");
  }
  if (!manifest.guest_driver_min().empty() &&
      !IsVersion(manifest.guest_driver_min())) {
    return BadManifest(absl::StrCat("field 'guest_driver_min' is '",
                                    manifest.guest_driver_min(),
                                    "', want numbers such as 31.0.15"));
  }
  const std::string& release = manifest.kernel_release();
  if (release.size() > 64 ||
      !std::all_of(release.begin(), release.end(), [](char c) {
        return absl::ascii_isalnum(c) ||
               absl::string_view("._+~-").find(c) != absl::string_view::npos;
      })) {
    return BadManifest(absl::StrCat("field 'kernel_release' is '", release,
                                    "', want what uname -r says"));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::DriverManifest> ParseManifest(const std::string& json) {
  v1::DriverManifest manifest;
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(json, &manifest);
  if (!parsed.ok()) {
    return BadManifest(absl::StrCat("is not JSON of the right form: ",
                                    std::string(parsed.message())));
  }
  RETURN_IF_ERROR(CheckManifest(manifest));
  return manifest;
}

std::string ToJson(const v1::DriverManifest& manifest) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string json;
  // A message of strings and numbers always has a JSON form.
  (void)google::protobuf::util::MessageToJsonString(manifest, &json, options);
  return json;
}

// Starts an entry with nothing in it that differs between two packs.
absl::Status WriteHeader(archive* out, const std::string& path,
                         const std::string& name, uint64_t bytes) {
  const Entry entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0444);
  archive_entry_set_mtime(entry.get(), 0, 0);
  if (archive_write_header(out, entry.get()) != ARCHIVE_OK) {
    return NotWritten(path, archive_error_string(out));
  }
  return absl::OkStatus();
}

absl::Status WriteBytes(archive* out, const std::string& path,
                        absl::string_view bytes) {
  if (archive_write_data(out, bytes.data(), bytes.size()) !=
      static_cast<la_ssize_t>(bytes.size())) {
    return NotWritten(path, archive_error_string(out));
  }
  return absl::OkStatus();
}

absl::Status WriteImage(archive* out, const std::string& path,
                        const std::string& image_path, uint64_t bytes) {
  std::ifstream image(image_path, std::ios::binary);
  std::vector<char> piece(kPieceBytes);
  uint64_t left = bytes;
  while (left > 0) {
    image.read(piece.data(), static_cast<std::streamsize>(
                                 std::min<uint64_t>(left, piece.size())));
    const auto got = static_cast<size_t>(image.gcount());
    if (got == 0) return Unreadable(image_path);
    RETURN_IF_ERROR(WriteBytes(out, path, {piece.data(), got}));
    left -= got;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path,
                                          uint64_t bytes_max) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return Unreadable(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (text.str().size() > bytes_max) {
    return BadManifest(absl::StrCat("file '", path, "' has ", text.str().size(),
                                    " bytes, at most ", bytes_max, " will do"));
  }
  return text.str();
}

// Reads one entry's bytes into `sink`.
absl::Status ReadEntry(archive* in, const std::string& path, uint64_t bytes_max,
                       const Sink& sink) {
  std::vector<char> piece(kPieceBytes);
  uint64_t total = 0;
  while (true) {
    const la_ssize_t got = archive_read_data(in, piece.data(), piece.size());
    if (got < 0) return BadPackage(path, archive_error_string(in));
    if (got == 0) return absl::OkStatus();
    total += static_cast<uint64_t>(got);
    if (total > bytes_max) {
      return BadPackage(
          path, absl::StrCat("an entry is larger than ", bytes_max, " bytes"));
    }
    RETURN_IF_ERROR(sink({piece.data(), static_cast<size_t>(got)}));
  }
}

// Moves to the next entry, which must be the plain file `name`.
absl::Status ExpectEntry(archive* in, const std::string& path,
                         const std::string& name) {
  archive_entry* entry = nullptr;
  const int got = archive_read_next_header(in, &entry);
  if (got != ARCHIVE_OK) {
    return BadPackage(path, absl::StrCat("has no '", name, "'"));
  }
  const char* found = archive_entry_pathname(entry);
  if (found == nullptr || name != found ||
      archive_entry_filetype(entry) != AE_IFREG) {
    return BadPackage(path, absl::StrCat("has '", found ? found : "?",
                                         "' where '", name, "' belongs"));
  }
  return absl::OkStatus();
}

// Reads and checks a whole package; the image's bytes go to the sink that
// `open_sink` returns once the manifest is known.
absl::StatusOr<v1::DriverManifest> Walk(
    const std::string& path,
    const std::function<absl::StatusOr<Sink>(const v1::DriverManifest&)>&
        open_sink) {
  if (access(path.c_str(), R_OK) != 0) return Unreadable(path);
  const Reader in(archive_read_new(), archive_read_free);
  archive_read_support_format_tar(in.get());
  archive_read_support_filter_zstd(in.get());
  if (archive_read_open_filename(in.get(), path.c_str(), 64 << 10) !=
      ARCHIVE_OK) {
    return BadPackage(path, archive_error_string(in.get()));
  }
  RETURN_IF_ERROR(ExpectEntry(in.get(), path, kManifestName));
  std::string json;
  RETURN_IF_ERROR(ReadEntry(in.get(), path, kPackageManifestBytesMax,
                            [&](absl::string_view piece) {
                              json.append(piece.data(), piece.size());
                              return absl::OkStatus();
                            }));
  ASSIGN_OR_RETURN(v1::DriverManifest manifest, ParseManifest(json));
  ASSIGN_OR_RETURN(const Sink sink, open_sink(manifest));
  RETURN_IF_ERROR(ExpectEntry(in.get(), path, manifest.image()));
  Sha256 sha;
  RETURN_IF_ERROR(ReadEntry(in.get(), path, kPackageImageBytesMax,
                            [&](absl::string_view piece) {
                              sha.Update(piece);
                              return sink(piece);
                            }));
  archive_entry* more = nullptr;
  if (archive_read_next_header(in.get(), &more) != ARCHIVE_EOF) {
    return BadPackage(path, "has more than a manifest and an image");
  }
  if (const std::string got = sha.Finish(); got != manifest.image_digest()) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "IMAGE_DIGEST_MISMATCH",
        absl::StrCat("package '", path, "': image '", manifest.image(),
                     "' has digest ", got, ", its manifest says ",
                     manifest.image_digest()));
  }
  return manifest;
}

absl::Status WriteAndSync(const std::string& path, absl::string_view bytes) {
  const File file(std::fopen(path.c_str(), "wb"), std::fclose);
  if (file == nullptr)
    return NotWritten(path, std::generic_category().message(errno));
  if (std::fwrite(bytes.data(), 1, bytes.size(), file.get()) != bytes.size() ||
      std::fflush(file.get()) != 0 || fsync(fileno(file.get())) != 0) {
    return NotWritten(path, std::generic_category().message(errno));
  }
  return absl::OkStatus();
}

absl::Status WritePackage(const v1::DriverManifest& manifest,
                          const std::string& image_path,
                          const std::string& path) {
  struct stat image = {};
  if (stat(image_path.c_str(), &image) != 0) return Unreadable(image_path);
  const Writer out(archive_write_new(), archive_write_free);
  archive_write_set_format_ustar(out.get());
  archive_write_add_filter_zstd(out.get());
  if (archive_write_open_filename(out.get(), path.c_str()) != ARCHIVE_OK) {
    return NotWritten(path, archive_error_string(out.get()));
  }
  const std::string json = ToJson(manifest);
  RETURN_IF_ERROR(WriteHeader(out.get(), path, kManifestName, json.size()));
  RETURN_IF_ERROR(WriteBytes(out.get(), path, json));
  const auto bytes = static_cast<uint64_t>(image.st_size);
  RETURN_IF_ERROR(WriteHeader(out.get(), path, manifest.image(), bytes));
  RETURN_IF_ERROR(WriteImage(out.get(), path, image_path, bytes));
  if (archive_write_close(out.get()) != ARCHIVE_OK) {
    return NotWritten(path, archive_error_string(out.get()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::DriverManifest> PackDriver(v1::DriverManifest manifest,
                                              const std::string& image_path,
                                              const std::string& path) {
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(image_path));
  std::error_code none;  // of two that are not there both
  if (std::filesystem::equivalent(image_path, path, none)) {
    return NotWritten(path, "it is the image itself");
  }
  const std::vector<std::string> parts = absl::StrSplit(image_path, '/');
  manifest.set_image(parts.back());
  manifest.set_image_digest(digest);
  RETURN_IF_ERROR(CheckManifest(manifest));
  if (absl::Status written = WritePackage(manifest, image_path, path);
      !written.ok()) {
    // Half a package must not lie about for somebody to push.
    std::remove(path.c_str());
    return written;
  }
  return manifest;
}

absl::StatusOr<v1::DriverManifest> ReadPackage(const std::string& path) {
  return Walk(path, [](const v1::DriverManifest&) -> absl::StatusOr<Sink> {
    return Sink([](absl::string_view) { return absl::OkStatus(); });
  });
}

absl::StatusOr<v1::DriverManifest> UnpackDriver(const std::string& path,
                                                const std::string& directory) {
  File image(nullptr, std::fclose);
  std::string image_path;
  const auto open_sink =
      [&](const v1::DriverManifest& manifest) -> absl::StatusOr<Sink> {
    image_path = absl::StrCat(directory, "/", manifest.image());
    image.reset(std::fopen(image_path.c_str(), "wb"));
    if (image == nullptr)
      return NotWritten(image_path, std::generic_category().message(errno));
    return Sink([&](absl::string_view piece) {
      if (std::fwrite(piece.data(), 1, piece.size(), image.get()) ==
          piece.size()) {
        return absl::OkStatus();
      }
      return NotWritten(image_path, std::generic_category().message(errno));
    });
  };
  ASSIGN_OR_RETURN(const v1::DriverManifest manifest, Walk(path, open_sink));
  if (std::fflush(image.get()) != 0 || fsync(fileno(image.get())) != 0 ||
      fchmod(fileno(image.get()), 0555) != 0) {
    return NotWritten(image_path, std::generic_category().message(errno));
  }
  RETURN_IF_ERROR(WriteAndSync(absl::StrCat(directory, "/", kManifestName),
                               ToJson(manifest)));
  return manifest;
}

absl::StatusOr<v1::DriverManifest> ReadManifestFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string json,
                   ReadWholeFile(path, kPackageManifestBytesMax));
  return ParseManifest(json);
}

}  // namespace baton
