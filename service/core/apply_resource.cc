// What operators ask of the fleet, of hosts and of drivers.

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/editor.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/core/verb.h"

namespace baton::core {
namespace {

constexpr absl::Duration kFreezeMax = absl::Hours(24 * 365);

absl::Status BadDriverError(absl::string_view field, absl::string_view got,
                            absl::string_view want) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_DRIVER",
      absl::StrCat("driver: field '", field, "' is ", got, ", want ", want));
}

absl::Status CheckDriver(const Driver& driver) {
  RETURN_IF_ERROR(CheckDriverName(driver.name));
  const DriverManifest& manifest = driver.manifest;
  const std::string name = DriverName(manifest.driver, manifest.version);
  if (name != driver.name) {
    return BadDriverError("name", absl::StrCat("'", driver.name, "'"),
                          absl::StrCat("'", name, "' as in the manifest"));
  }
  if (!IsSha256(driver.digest)) {
    return BadDriverError("digest", absl::StrCat("'", driver.digest, "'"),
                          "'sha256:' and 64 hex digits");
  }
  if (driver.size_bytes == 0) return BadDriverError("size_bytes", "0", "more");
  if (manifest.pci_ids.empty()) {
    return BadDriverError("manifest.pci_ids", "empty", "at least one device");
  }
  if (manifest.state_format_writes == 0) {
    return BadDriverError("manifest.state_format.writes", "0", "at least 1");
  }
  if (manifest.state_format_reads.empty()) {
    return BadDriverError("manifest.state_format.reads", "empty",
                          "at least one format");
  }
  return absl::OkStatus();
}

// Whether hosts of `rollout` are to run `driver`, or might yet be.
bool Needs(const Rollout& rollout, const std::string& driver) {
  if (IsFinished(rollout.state)) return false;
  if (rollout.spec.driver == driver) return true;
  if (!rollout.plan.has_value()) return false;
  const std::vector<PlannedWave>& waves = rollout.plan->waves;
  // What takes another one back brings each host its own.
  return std::any_of(waves.begin(), waves.end(), [&](const PlannedWave& wave) {
    return std::any_of(
        wave.hosts.begin(), wave.hosts.end(),
        [&](const PlannedHost& host) { return host.to_driver == driver; });
  });
}

}  // namespace

absl::Status On(const FreezeFleet& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  if (event.end <= editor.at() || event.end > editor.at() + kFreezeMax) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_END_TIME",
        absl::StrCat("field 'end_time' is ",
                     absl::FormatTime(event.end, absl::UTCTimeZone()),
                     ", want one in the future and at most 365 days ahead"));
  }
  // Nothing below this line can fail.
  editor.SetFreeze(
      Freeze{editor.actor(), event.reason, editor.at(), event.end});
  editor.Audit(
      "fleet.freeze", "fleet",
      absl::StrCat("until ", absl::FormatTime(event.end, absl::UTCTimeZone()),
                   ": ", event.reason));
  return absl::OkStatus();
}

absl::Status On(const UnfreezeFleet& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  const std::optional<Freeze>& freeze = editor.fleet().freeze;
  if (!freeze.has_value() || freeze->end <= editor.at()) {
    return RefusedError("FLEET_NOT_FROZEN", "the fleet is not frozen");
  }
  // Nothing below this line can fail.
  editor.SetFreeze(std::nullopt);
  editor.Audit("fleet.unfreeze", "fleet", event.reason);
  return absl::OkStatus();
}

absl::Status On(const CordonHost& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  ASSIGN_OR_RETURN(const Host* found,
                   FindFor(editor.fleet(), event.host, event.etag));
  if (found->cordon.has_value()) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "HOST_CORDONED",
        absl::StrCat("'", event.host, "' is cordoned already by '",
                     found->cordon->by, "': ", found->cordon->reason));
  }
  // Nothing below this line can fail.
  editor.EditHost(event.host).cordon =
      Cordon{editor.actor(), event.reason, editor.at()};
  editor.Audit("host.cordon", event.host, event.reason);
  return absl::OkStatus();
}

absl::Status On(const UncordonHost& event, Editor& editor) {
  ASSIGN_OR_RETURN(const Host* found,
                   FindFor(editor.fleet(), event.host, event.etag));
  if (!found->cordon.has_value()) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                           "HOST_NOT_CORDONED",
                           absl::StrCat("'", event.host, "' is not cordoned"));
  }
  // Nothing below this line can fail.
  editor.EditHost(event.host).cordon.reset();
  editor.Audit("host.uncordon", event.host, "");
  return absl::OkStatus();
}

absl::Status On(const UpdateHostLabels& event, Editor& editor) {
  RETURN_IF_ERROR(CheckLabels(event.labels));
  ASSIGN_OR_RETURN(const Host* found,
                   FindFor(editor.fleet(), event.host, event.etag));
  if (LabelsIn(found->operator_labels) == event.labels) return absl::OkStatus();
  // Nothing below this line can fail.
  editor.EditHost(event.host).operator_labels = PackedLabels(event.labels);
  std::string detail;
  for (const auto& [key, value] : event.labels) {
    absl::StrAppend(&detail, detail.empty() ? "" : ",", key, "=", value);
  }
  editor.Audit("host.label", event.host, detail);
  return absl::OkStatus();
}

absl::Status On(const DriverStored& event, Editor& editor) {
  RETURN_IF_ERROR(CheckDriver(event.driver));
  const Driver* found = FindDriver(editor.fleet(), event.driver.name);
  if (found != nullptr && found->digest == event.driver.digest) {
    return absl::OkStatus();
  }
  if (found != nullptr) {
    return ErrorWithReason(
        absl::StatusCode::kAlreadyExists, "DRIVER_EXISTS",
        absl::StrCat("'", event.driver.name, "' exists with digest '",
                     found->digest, "', got '", event.driver.digest, "'"));
  }
  if (editor.fleet().drivers.size() >= kDriversMax) {
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_DRIVERS",
        absl::StrCat("the service keeps at most ", kDriversMax, " drivers"));
  }
  // Nothing below this line can fail.
  Driver& driver = editor.EditDriver(event.driver.name);
  const uint64_t version = driver.version;
  driver = event.driver;
  driver.version = version;
  driver.author = editor.actor();
  driver.create_time = editor.at();
  editor.Audit("driver.store", event.driver.name, event.driver.digest);
  return absl::OkStatus();
}

absl::Status On(const DriverDeleted& event, Editor& editor) {
  RETURN_IF_ERROR(CheckDriverName(event.name));
  const Driver* found = FindDriver(editor.fleet(), event.name);
  if (found == nullptr) return DriverNotFoundError(event.name);
  RETURN_IF_ERROR(CheckEtag(event.name, event.etag, found->version));
  for (const auto& [name, rollout] : editor.fleet().rollouts) {
    if (!Needs(rollout, event.name)) continue;
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "DRIVER_IN_USE",
        absl::StrCat("'", event.name, "' is needed by '", name, "', which is ",
                     Name(rollout.state)));
  }
  // Nothing below this line can fail.
  const std::string digest = found->digest;
  editor.EraseDriver(event.name);
  editor.Audit("driver.delete", event.name, digest);
  return absl::OkStatus();
}

}  // namespace baton::core
