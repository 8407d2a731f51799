#include "cli/hints.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/reason.h"
#include "cli/names.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

// $B: this program, $N: the object's short name.
struct Hint {
  const char* reason = "";
  const char* text = "";
};

constexpr Hint kHints[] = {
    {"SERVICE_AWAY",
     "is batond running? say where with --server unix:/path or host:port, or "
     "in BATON_SERVER"},
    {"NO_ANSWER_IN_TIME",
     "look at what is before trying again; --timeout 2m allows more time"},
    {"PLAN_CHANGED",
     "the fleet is no longer what was planned against; review it again: "
     "$B rollout plan $N"},
    {"FAILURE_TOLERANCE_EXCEEDED",
     "see $B why $N, then $B rollout resume $N --accept-failures, or "
     "$B rollout abort $N --reason TEXT"},
    {"BLACKOUT_EXCEEDED",
     "see $B why $N, then $B rollout resume $N --accept-failures, or "
     "$B rollout abort $N --reason TEXT"},
    {"OWN_ROLLOUT", "ask somebody else: its author's word does not count"},
    {"APPROVAL_NOT_NEEDED", "see $B rollout get $N"},
    {"CAPSULE_NOT_FOUND",
     "nothing failed there, or it was forgotten since; see $B rollout get $N "
     "--updates"},
    {"UPDATE_RUNNING", "it is under way; see $B rollout watch $N"},
    {"UPDATE_ENDED", "see $B rollout get $N --updates"},
    {"HOST_CONNECTED", "its agent is there: what it does ends by itself"},
    {"HOST_IDLE", "no rollout holds it"},
    {"HOST_UPDATING",
     "if it will never report again: $B host release $N --reason TEXT"},
    {"HELD_BY_ROLLOUT", "see $B why $N"},
    {"ROLLBACK_BLOCKED",
     "mend what the message says first, then repeat; a driver that is not "
     "known "
     "is stored with $B driver push FILE"},
    {"ROLLBACK_EXISTS",
     "see $B rollout get $N, which names it; $B rollout delete forgets it once "
     "it has ended"},
    {"ROLLBACK_STARTED",
     "see $B rollout get $N, which names what takes it back once that is "
     "planned"},
    {"HOST_QUARANTINED",
     "look at what is kept of it with $B update get $N/HOST --capsule; once it "
     "is well: $B host quarantine HOST --lift --reason TEXT"},
    {"TOO_MANY_ROLLOUTS",
     "$B rollout delete NAME forgets one that has ended; see $B rollout list"},
    {"ROLLOUT_NOT_FOUND", "see $B rollout list"},
    {"ROLLOUT_DELETED", "see $B audit list --resource rollouts/$N"},
    {"ROLLOUT_EXISTS", "choose another name, or see $B rollout get $N"},
    {"ROLLOUT_FINISHED", "it has ended; see $B rollout get $N --updates"},
    {"ROLLOUT_NOT_PLANNED", "plan it first: $B rollout plan $N"},
    {"ROLLOUT_NOT_STARTED",
     "review it with $B rollout plan $N, which says how to start it"},
    {"ROLLOUT_STARTED", "it runs: $B rollout watch $N"},
    {"ROLLOUT_HELD",
     "see $B why $N, then $B rollout resume $N, or $B rollout abort $N "
     "--reason TEXT"},
    {"ROLLOUT_ABORTING", "it is ending: $B rollout watch $N"},
    {"WAVES_LEAVE_HOSTS", "let the last wave have \"size: rest\""},
    {"BAD_SELECTOR", "want labels like \"zone=a,tier!=gold\", or \"*\""},
    {"SERVICE_STOPPING", "it is stopping; try again once it is back"},
    {"UPDATE_NOT_FOUND", "see $B rollout get $N --updates"},
    {"EMPTY_SELECTION",
     "the message and $B host list -o wide say which hosts there are and why "
     "none is left"},
    {"HOST_NOT_FOUND", "see $B host list"},
    {"DRIVER_NOT_FOUND",
     "see $B driver list; a package is stored with $B driver push FILE"},
    {"DRIVER_EXISTS",
     "a version never changes once stored; pack it under another version"},
    {"DRIVER_IN_USE", "see $B rollout list -o wide"},
    {"ETAG_MISMATCH", "somebody was faster; look again, then repeat"},
    {"FILE_UNREADABLE", "check the path and its permissions"},
    {"ROLLOUT_FILE_UNREADABLE", "check the path and its permissions"},
    {"NO_SUCH_OBJECT", "see $B rollout list and $B host list"},
};

// For reasons that are not in the table.
absl::string_view HintByCode(const absl::Status& status, bool is_rollout) {
  if (absl::IsResourceExhausted(status)) return "wait a moment and repeat";
  if (absl::IsUnimplemented(status)) {
    return "this service cannot do that; is it older than this command?";
  }
  if (is_rollout && absl::IsFailedPrecondition(status)) {
    return "$B why $N says what stands in the way";
  }
  if (absl::IsAborted(status)) return "look again, then repeat";
  return "";
}

}  // namespace

std::string HintFor(const absl::Status& status, const HintContext& context) {
  const std::string reason = Reason(status);
  absl::string_view text =
      HintByCode(status, absl::StartsWith(context.subject, "rollouts/"));
  for (const Hint& hint : kHints) {
    if (reason == hint.reason) text = hint.text;
  }
  const std::string name =
      context.subject.empty() ? "NAME" : ShortName(context.subject);
  return absl::StrReplaceAll(text, {{"$B", context.command}, {"$N", name}});
}

std::string ErrorText(const absl::Status& status, const HintContext& context) {
  std::string reason = Reason(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  std::string text = "error: ";
  for (const absl::string_view line : absl::StrSplit(status.message(), '\n')) {
    absl::StrAppend(&text, text.size() > 7 ? "\n       " : "", Printable(line));
  }
  absl::StrAppend(&text, " [", Printable(reason), "]\n");
  const std::string hint = HintFor(status, context);
  if (!hint.empty()) absl::StrAppend(&text, "hint: ", hint, "\n");
  return text;
}

}  // namespace baton::cli
