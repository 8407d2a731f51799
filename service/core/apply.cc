#include "service/core/apply.h"

#include <type_traits>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/editor.h"
#include "service/core/fingerprint.h"

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

template <typename Body>
absl::Status Handle(const Body& body, Editor& editor) {
  if constexpr (requires { body.request_id; }) {
    if (!body.request_id.empty()) {
      const std::string fingerprint = FingerprintOf(body, editor.actor());
      ASSIGN_OR_RETURN(
          const Novelty novelty,
          CheckRequest(editor.fleet(), body.request_id, fingerprint));
      if (novelty == Novelty::kRepeat) return absl::OkStatus();
      RETURN_IF_ERROR(On(body, editor));
      if (editor.changed()) editor.Record(body.request_id, fingerprint);
      return absl::OkStatus();
    }
  }
  return On(body, editor);
}

}  // namespace

void Changes::Merge(Changes other) {
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
