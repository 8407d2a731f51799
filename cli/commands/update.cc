#include "cli/render/update.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "cli/commands/commands.h"
#include "cli/commands/verbs.h"
#include "cli/names.h"
#include "cli/render/capsule.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

using Rollouts = v1::RolloutService;

// What any of the verbs was told.
struct Arguments {
  std::string name = "";
  std::string reason = "";
  bool capsule = false;
};

// Returns a request that names the update.
template <typename Request>
absl::StatusOr<Request> Named(const Arguments& arguments, Session& session) {
  Request request;
  ASSIGN_OR_RETURN(*request.mutable_name(), UpdateName(arguments.name));
  session.set_subject(
      request.name().substr(0, request.name().find("/updates/")));
  return request;
}

// The same for a change.
template <typename Request>
absl::StatusOr<Request> Change(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(Request request, Named<Request>(arguments, session));
  request.set_reason(arguments.reason);
  request.set_request_id(session.NewRequestId());
  return request;
}

void ShowChanged(const v1::Update& update, Session& session) {
  session.Show(update,
               absl::StrCat("host ", ShortName(update.name()), " is ",
                            Word(update.state()), "\n"),
               "");
}

absl::StatusOr<ExitCode> Skip(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Change<v1::SkipUpdateRequest>(arguments, session));
  ASSIGN_OR_RETURN(const v1::SkipUpdateResponse response,
                   session.Call(session.Stub<Rollouts>(),
                                &Rollouts::StubInterface::SkipUpdate, request));
  ShowChanged(response.update(), session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Retry(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Change<v1::RetryUpdateRequest>(arguments, session));
  ASSIGN_OR_RETURN(
      const v1::RetryUpdateResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::RetryUpdate, request));
  ShowChanged(response.update(), session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> GetCapsule(const Arguments& arguments,
                                    Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Named<v1::GetCapsuleRequest>(arguments, session));
  ASSIGN_OR_RETURN(const v1::GetCapsuleResponse response,
                   session.Call(session.Stub<Rollouts>(),
                                &Rollouts::StubInterface::GetCapsule, request));
  session.Show(response.capsule(),
               CapsuleText(response.capsule(), session.look()),
               response.capsule().reason() + "\n");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Get(const Arguments& arguments, Session& session) {
  if (arguments.capsule) return GetCapsule(arguments, session);
  ASSIGN_OR_RETURN(const auto request,
                   Named<v1::GetUpdateRequest>(arguments, session));
  ASSIGN_OR_RETURN(const v1::GetUpdateResponse response,
                   session.Call(session.Stub<Rollouts>(),
                                &Rollouts::StubInterface::GetUpdate, request));
  session.Show(response.update(), UpdateText(response.update(), session.look()),
               Word(response.update().state()) + "\n");
  return ExitCode::kOk;
}

}  // namespace

void AddUpdateCommands(CLI::App& app, Action& action) {
  CLI::App* update =
      app.add_subcommand("update", "One host's part in a rollout");
  update->require_subcommand(1);
  Verbs<Arguments> verbs(*update, "ROLLOUT/HOST", action);
  verbs.AddNamed("get", "Show it, step by step", Get)
      ->add_flag("--capsule", verbs.arguments().capsule,
                 "What was kept of its failure instead");
  verbs.AddReasoned("skip", "Leave a host out that has not begun", Skip);
  verbs.AddReasoned("retry",
                    "Let a host try again that was cancelled, rolled back or "
                    "skipped",
                    Retry);
}

}  // namespace baton::cli
