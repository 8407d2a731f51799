#include "service/core/fingerprint.h"

#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "service/core/canonical.h"

namespace baton::core {
namespace {

// Lengths go first, so that no two lists have the same bytes.
std::string Over(std::initializer_list<absl::string_view> fields) {
  std::string text;
  for (const absl::string_view field : fields) {
    absl::StrAppend(&text, field.size(), ":", field);
  }
  return Sha256Of(text);
}

}  // namespace

std::string Fingerprint(const CreateRollout& event) {
  return Over({"create", event.name, CanonicalText(event.spec)});
}

std::string Fingerprint(const PlanRollout& event) {
  return Over({"plan", event.name, event.etag});
}

std::string Fingerprint(const StartRollout& event) {
  return Over({"start", event.name, event.digest, event.etag});
}

std::string Fingerprint(const HoldRollout& event) {
  return Over({"hold", event.name, event.reason, event.etag});
}

std::string Fingerprint(const ResumeRollout& event) {
  return Over({"resume", event.name, event.accept_failures ? "accept" : "",
               event.etag});
}

std::string Fingerprint(const AbortRollout& event) {
  return Over({"abort", event.name, event.reason, event.etag});
}

std::string Fingerprint(const PauseRollout& event) {
  return Over({"pause", event.name, event.reason, event.etag});
}

std::string Fingerprint(const ApproveRollout& event, const std::string& actor) {
  return Over({"approve", event.name, event.digest, event.wave, event.remark,
               event.etag, actor});
}

std::string Fingerprint(const RollBackRollout& event) {
  return Over({"roll_back", event.name, event.reason, event.etag});
}

std::string Fingerprint(const SkipUpdate& event) {
  return Over({"skip", event.rollout, event.host, event.reason});
}

std::string Fingerprint(const RetryUpdate& event) {
  return Over({"retry", event.rollout, event.host, event.reason});
}

std::string Fingerprint(const FreezeFleet& event) {
  return Over(
      {"freeze", event.reason, absl::StrCat(absl::ToUnixNanos(event.end))});
}

std::string Fingerprint(const UnfreezeFleet& event) {
  return Over({"unfreeze", event.reason});
}

std::string Fingerprint(const EmergencyStop& event) {
  return Over({"stop", event.reason});
}

std::string Fingerprint(const LiftEmergencyStop& event) {
  return Over({"lift_stop", event.reason});
}

std::string Fingerprint(const ReleaseHost& event) {
  return Over({"release", event.host, event.reason, event.etag});
}

std::string Fingerprint(const LiftQuarantine& event) {
  return Over({"lift_quarantine", event.host, event.reason, event.etag});
}

std::string Fingerprint(const DeleteHost& event) {
  return Over({"delete_host", event.host, event.reason, event.etag});
}

std::string Fingerprint(const DeleteRollout& event) {
  return Over({"delete_rollout", event.name, event.etag});
}

std::string Fingerprint(const CordonHost& event) {
  return Over({"cordon", event.host, event.reason, event.etag});
}

std::string Fingerprint(const UncordonHost& event) {
  return Over({"uncordon", event.host, event.etag});
}

std::string Fingerprint(const UpdateHostLabels& event) {
  std::string labels;
  for (const auto& [key, value] : event.labels) {
    absl::StrAppend(&labels, key.size(), ":", key, value.size(), ":", value);
  }
  return Over({"labels", event.host, labels, event.etag});
}

std::string Fingerprint(const DriverStored& event) {
  return Over({"store", event.driver.name, event.driver.digest});
}

std::string Fingerprint(const DriverDeleted& event) {
  return Over({"delete", event.name, event.etag});
}

}  // namespace baton::core
