#include "agent/host/gate.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "agent/host/command.h"
#include "agent/host/files.h"
#include "base/fail_point.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::agent {
namespace {

using google::protobuf::Struct;

constexpr char kOpen[] = "open";
constexpr char kClosed[] = "closed";

std::string ToJson(const Struct& object) {
  std::string text;
  // A Struct of strings always has a text.
  (void)google::protobuf::util::MessageToJsonString(object, &text);
  return text;
}

absl::StatusOr<Struct> FromJson(const std::string& text,
                                const std::string& from) {
  Struct object;
  if (google::protobuf::util::JsonStringToMessage(text, &object).ok()) {
    return object;
  }
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "GATE_ANSWER",
      absl::StrCat("'", from, "' said '", absl::CHexEscape(text.substr(0, 80)),
                   "', want a JSON object"));
}

// Returns whether `field` of `object` is "open"; an error unless it is that or
// "closed".
absl::StatusOr<bool> OpenIn(const Struct& object, const std::string& field,
                            const std::string& from) {
  const auto found = object.fields().find(field);
  if (found != object.fields().end()) {
    if (found->second.string_value() == kOpen) return true;
    if (found->second.string_value() == kClosed) return false;
  }
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "GATE_ANSWER",
      absl::StrCat("'", from, "' said '",
                   absl::CHexEscape(ToJson(object).substr(0, 80)), "', want \"",
                   field, "\" to be \"open\" or \"closed\""));
}

}  // namespace

absl::StatusOr<std::optional<bool>> ExecGate::Recall() const {
  const absl::StatusOr<std::string> text = ReadSmallFile(options_.memory_path);
  if (absl::IsNotFound(text.status())) return std::nullopt;
  if (!text.ok()) return text.status();
  ASSIGN_OR_RETURN(const Struct object, FromJson(*text, options_.memory_path));
  ASSIGN_OR_RETURN(const bool was_open,
                   OpenIn(object, "was", options_.memory_path));
  return was_open;
}

absl::Status ExecGate::Remember(bool was_open) const {
  Struct object;
  (*object.mutable_fields())["was"].set_string_value(was_open ? kOpen
                                                              : kClosed);
  return ReplaceFile(options_.memory_path, ToJson(object));
}

absl::StatusOr<bool> ExecGate::SaysOpen(const std::string& argument,
                                        const std::string& field,
                                        absl::Duration deadline) const {
  Struct input;
  (*input.mutable_fields())["host"].set_string_value(options_.host);
  ASSIGN_OR_RETURN(
      const std::string answer,
      RunCommand({options_.command, argument, ToJson(input), deadline},
                 clock_));
  const std::string from = absl::StrCat(options_.command, " ", argument);
  ASSIGN_OR_RETURN(const Struct object, FromJson(answer, from));
  return OpenIn(object, field, from);
}

absl::Status ExecGate::Close(absl::Duration deadline) {
  const absl::Duration until = clock_.Monotonic() + deadline;
  ASSIGN_OR_RETURN(const bool open, SaysOpen("status", "state", deadline));
  ASSIGN_OR_RETURN(const std::optional<bool> remembered, Recall());
  // An earlier attempt closed it and it still is: what counts is how that one
  // found it. One that somebody opened since is somebody else's.
  if (!remembered.has_value() || open) RETURN_IF_ERROR(Remember(open));
  FAIL_POINT("agent.after_remember_gate");
  ASSIGN_OR_RETURN(const bool was_open,
                   SaysOpen("pause", "was", until - clock_.Monotonic()));
  FAIL_POINT("agent.after_close_gate");
  // Somebody closed it between the two calls: then it stays closed.
  if (open && !was_open) return Remember(was_open);
  return absl::OkStatus();
}

absl::Status ExecGate::Reopen(absl::Duration deadline) {
  ASSIGN_OR_RETURN(const std::optional<bool> was_open, Recall());
  if (!was_open.has_value()) return absl::OkStatus();
  if (*was_open) {
    Struct input;
    (*input.mutable_fields())["host"].set_string_value(options_.host);
    (*input.mutable_fields())["was"].set_string_value(kOpen);
    RETURN_IF_ERROR(
        RunCommand({options_.command, "resume", ToJson(input), deadline},
                   clock_)
            .status());
  }
  FAIL_POINT("agent.after_reopen_gate");
  RETURN_IF_ERROR(RemoveFile(options_.memory_path));
  FAIL_POINT("agent.after_forget_gate");
  return absl::OkStatus();
}

}  // namespace baton::agent
