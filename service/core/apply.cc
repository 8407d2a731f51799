#include "service/core/apply.h"

#include <type_traits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/editor.h"
#include "service/core/errors.h"
#include "service/core/fingerprint.h"
#include "service/core/names.h"

namespace baton::core {
namespace {

constexpr size_t kRequestIdBytesMax = 64;

// How a request_id stands before its event is looked at.
enum class Novelty { kNew, kRepeat };

absl::StatusOr<Novelty> CheckRequest(const Fleet& fleet,
                                     const std::string& request_id,
                                     const std::string& fingerprint) {
  if (request_id.size() > kRequestIdBytesMax) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_REQUEST_ID",
        absl::StrCat("field 'request_id' has ", request_id.size(),
                     " bytes, want at most ", kRequestIdBytesMax));
  }
  const auto found = fleet.requests.find(request_id);
  if (found == fleet.requests.end()) return Novelty::kNew;
  if (found->second.fingerprint == fingerprint) return Novelty::kRepeat;
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "REQUEST_ID_REUSED",
      absl::StrCat("request_id '", request_id,
                   "' was used for another request, want a new one"));
}

template <typename Body>
std::string FingerprintOf(const Body& body, const std::string& actor) {
  if constexpr (std::is_same_v<Body, ApproveRollout>) {
    return Fingerprint(body, actor);
  } else {
    return Fingerprint(body);
  }
}

// The name of the rollout that a request is answered with, or with an update of
// it; null: with neither.
const std::string* RolloutNameOf(const DriverDeleted&) { return nullptr; }
const std::string* RolloutNameOf(const DeleteRollout&) { return nullptr; }
template <typename Body>
const std::string* RolloutNameOf(const Body& body) {
  if constexpr (requires { body.rollout; }) {
    return &body.rollout;
  } else if constexpr (requires { body.name; }) {
    return &body.name;
  } else {
    return nullptr;
  }
}

// Whether the answer of a repeat is about what the first one was about, and not
// about another rollout that has the name by now.
template <typename Body>
absl::Status CheckStillThere(const Body& body, const Fleet& fleet) {
  const std::string* name = RolloutNameOf(body);
  if (name == nullptr) return absl::OkStatus();
  const Rollout* rollout = FindRollout(fleet, *name);
  const uint64_t done = fleet.requests.at(body.request_id).sequence;
  if (rollout != nullptr && rollout->create_sequence <= done) {
    return absl::OkStatus();
  }
  return RolloutDeletedError(*name);
}

template <typename Body>
absl::Status Handle(const Body& body, Editor& editor) {
  if constexpr (requires { body.request_id; }) {
    if (!body.request_id.empty()) {
      const std::string fingerprint = FingerprintOf(body, editor.actor());
      ASSIGN_OR_RETURN(
          const Novelty novelty,
          CheckRequest(editor.fleet(), body.request_id, fingerprint));
      if (novelty == Novelty::kRepeat) {
        return CheckStillThere(body, editor.fleet());
      }
      RETURN_IF_ERROR(On(body, editor));
      if (editor.changed()) editor.Record(body.request_id, fingerprint);
      return absl::OkStatus();
    }
  }
  return On(body, editor);
}

// Leaves out what changed of a rollout before it was deleted.
void Forget(const std::string& rollout, Changes& changes) {
  changes.started.erase(rollout);
  std::erase_if(changes.updates,
                [&](const auto& key) { return key.first == rollout; });
  const std::string updates = UpdateName(rollout, "hosts/");
  std::erase_if(changes.capsules, [&](const auto& capsule) {
    return absl::StartsWith(capsule.first, updates);
  });
}

}  // namespace

void Changes::Merge(Changes other) {
  for (const std::string& name : other.deleted) Forget(name, *this);
  deleted.merge(other.deleted);
  hosts.merge(other.hosts);
  drivers.merge(other.drivers);
  rollouts.merge(other.rollouts);
  plans.merge(other.plans);
  updates.merge(other.updates);
  requests.merge(other.requests);
  history.merge(other.history);
  started.merge(other.started);
  seen_hosts.merge(other.seen_hosts);
  for (auto& [name, capsule] : other.capsules) {
    capsules.insert_or_assign(name, std::move(capsule));
  }
  audit.insert(audit.end(), std::make_move_iterator(other.audit.begin()),
               std::make_move_iterator(other.audit.end()));
}

absl::StatusOr<Changes> Apply(const Event& event, Fleet& fleet) {
  Editor editor(event, fleet);
  RETURN_IF_ERROR(std::visit(
      [&](const auto& body) { return Handle(body, editor); }, event.body));
  return editor.Finish();
}

}  // namespace baton::core
