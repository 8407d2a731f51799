#include "agent/host/preflight.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/reason.h"

namespace baton::agent {
namespace {

// Kept free for the journal and for whoever else writes here.
constexpr uint64_t kReservedBytes = uint64_t{16} << 20;

// An image is at most this many times as large as its package; measured on
// shared objects, which zstd shrinks to a third at best.
constexpr uint64_t kUnpackedFactor = 4;

absl::Status Refuse(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, reason,
                         message);
}

bool Reads(const StagedPackage& reader, uint32_t format) {
  return std::find(reader.reads_formats.begin(), reader.reads_formats.end(),
                   format) != reader.reads_formats.end();
}

std::string Unreadable(const StagedPackage& reader,
                       const StagedPackage& writer) {
  return absl::StrCat("driver '", reader.image.driver, "' ",
                      reader.image.version, " reads state formats ",
                      absl::StrJoin(reader.reads_formats, ", "), ", ",
                      writer.image.version, " writes ", writer.writes_format);
}

}  // namespace

absl::Status CheckAdapter(const Sight& sight, uint64_t attempt) {
  const std::string name = absl::StrCat("adapter '", sight.adapter.name(), "'");
  if (sight.attempt != 0 && sight.attempt != attempt) {
    return Refuse("ADAPTER_BUSY",
                  absl::StrCat(name, " is in attempt ", sight.attempt));
  }
  const bool usable = sight.state == core::AdapterState::kRunning ||
                      sight.state == core::AdapterState::kPrepared;
  if (!usable || !sight.image.has_value()) {
    return Refuse("NO_DRIVER", absl::StrCat(name, " is '", Name(sight.state),
                                            "', want 'running'"));
  }
  if (!sight.adapter.hot_update_capable()) {
    return Refuse("NOT_HOT_UPDATE_CAPABLE",
                  absl::StrCat("driver '", sight.image->driver, "' ",
                               sight.image->version, " of ", name,
                               " does not say that it can be hot updated"));
  }
  return absl::OkStatus();
}

absl::Status CheckSpace(uint64_t package_bytes, uint64_t free_bytes) {
  const uint64_t need = kReservedBytes + package_bytes * (1 + kUnpackedFactor);
  if (free_bytes >= need) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kResourceExhausted, "DISK_FULL",
      absl::StrCat("staging has ", free_bytes, " bytes free, want ", need));
}

absl::Status CheckWayBack(const core::Image& image) {
  const absl::StatusOr<std::string> digest = Sha256OfFile(image.path);
  if (!digest.ok()) {
    return Refuse(
        "OLD_IMAGE_UNREADABLE",
        absl::StrCat("the loaded driver's image: ", digest.status().message()));
  }
  if (*digest != image.digest) {
    return Refuse(
        "OLD_IMAGE_CHANGED",
        absl::StrCat("the loaded driver's image '", image.path, "' has digest ",
                     *digest, ", want ", image.digest));
  }
  return absl::OkStatus();
}

absl::Status CheckPackage(const v1::Adapter& adapter,
                          const StagedPackage& next) {
  const auto& ids = next.pci_ids;
  if (std::find(ids.begin(), ids.end(), adapter.pci_id()) != ids.end()) {
    return absl::OkStatus();
  }
  return Refuse("WRONG_DEVICE",
                absl::StrCat("package '", next.name, "' is for ",
                             absl::StrJoin(ids, ", "), ", adapter '",
                             adapter.name(), "' is ", adapter.pci_id()));
}

absl::Status CheckFormats(const core::Image& loaded,
                          const std::optional<StagedPackage>& current,
                          const StagedPackage& next) {
  if (!current.has_value() || current->image.digest != loaded.digest) {
    LogWarning(absl::StrCat("state formats of the loaded driver '",
                            loaded.driver, "' ", loaded.version,
                            " are unknown: its package is not the current"));
    return absl::OkStatus();
  }
  if (!Reads(next, current->writes_format)) {
    return Refuse("STATE_FORMAT_UNREADABLE", Unreadable(next, *current));
  }
  if (!Reads(*current, next.writes_format)) {
    return Refuse("STATE_FORMAT_NO_WAY_BACK", Unreadable(*current, next));
  }
  return absl::OkStatus();
}

}  // namespace baton::agent
