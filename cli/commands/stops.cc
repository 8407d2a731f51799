#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "cli/commands/rollout_verbs.h"
#include "cli/render/effects.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

using Rollouts = v1::RolloutService;
using Arguments = RolloutArguments;

absl::Status CheckCanAsk(const Arguments& arguments, const Session& session) {
  if (arguments.yes || arguments.dry_run ||
      session.surroundings().ask != nullptr) {
    return absl::OkStatus();
  }
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "USAGE",
                         "nobody can be asked here: add --yes, or --dry-run to "
                         "see what it would do");
}

absl::Status Confirm(const Arguments& arguments, const std::string& question,
                     const Session& session) {
  if (arguments.yes || session.surroundings().ask(question)) {
    return absl::OkStatus();
  }
  return ErrorWithReason(absl::StatusCode::kCancelled, "NOT_CONFIRMED",
                         "nothing was changed");
}

// Says `lines`, the last of which has a newline of its own.
void Tell(absl::string_view lines, Session& session) {
  session.Say(std::string(absl::StripSuffix(lines, "\n")));
}

// Calls `method` with validate_only set: changes nothing.
template <typename Response, typename Request, typename Method>
absl::StatusOr<Response> Preview(Request request, Method method,
                                 Session& session) {
  request.set_validate_only(true);
  request.clear_request_id();
  return session.Call(session.Stub<Rollouts>(), method, request);
}

// What a stop did or, with --dry-run, would do.
template <typename Response>
void ShowStopped(const Response& response, const std::string& next,
                 Session& session) {
  session.Show(response,
               absl::StrCat(EffectsText(response.effects(), session.look()),
                            ChangedText(response.rollout(), next, session)),
               "");
}

absl::StatusOr<ExitCode> Pause(const Arguments& arguments, Session& session) {
  constexpr auto kMethod = &Rollouts::StubInterface::PauseRollout;
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::PauseRolloutRequest>(arguments, session));
  request.set_reason(arguments.reason);
  if (arguments.dry_run) {
    ASSIGN_OR_RETURN(const auto preview, Preview<v1::PauseRolloutResponse>(
                                             request, kMethod, session));
    ShowStopped(preview, "", session);
    return ExitCode::kOk;
  }
  ASSIGN_OR_RETURN(const v1::PauseRolloutResponse response,
                   session.Call(session.Stub<Rollouts>(), kMethod, request));
  ShowStopped(response, "rollout resume", session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Abort(const Arguments& arguments, Session& session) {
  constexpr auto kMethod = &Rollouts::StubInterface::AbortRollout;
  RETURN_IF_ERROR(CheckCanAsk(arguments, session));
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::AbortRolloutRequest>(arguments, session));
  request.set_reason(arguments.reason);
  ASSIGN_OR_RETURN(const auto preview, Preview<v1::AbortRolloutResponse>(
                                           request, kMethod, session));
  if (arguments.dry_run) {
    ShowStopped(preview, "", session);
    return ExitCode::kOk;
  }
  Tell(EffectsText(preview.effects(), session.look()), session);
  RETURN_IF_ERROR(
      Confirm(arguments, absl::StrCat("abort ", ShortName(request.name()), "?"),
              session));
  ASSIGN_OR_RETURN(const v1::AbortRolloutResponse response,
                   session.Call(session.Stub<Rollouts>(), kMethod, request));
  const bool ended = HasEnded(response.rollout().state());
  session.Show(response,
               ChangedText(response.rollout(),
                           ended ? "rollout get" : "rollout watch", session),
               "");
  return ExitCode::kOk;
}

std::string TakenBackText(const v1::RollBackRolloutResponse& response) {
  return absl::StrCat(
      response.hosts().empty()
          ? "no host runs the new driver"
          : absl::StrCat(
                Count(static_cast<uint64_t>(response.hosts_size()), "host"),
                " with the new driver will be taken back"),
      "\n");
}

std::string RolledBackText(const v1::Rollout& rollout, const Session& session) {
  if (rollout.rollback().empty()) {
    return absl::StrCat(ChangedText(rollout, "rollout watch", session),
                        "once no host is in flight, a rollout of its own takes "
                        "its hosts back\n");
  }
  const std::string back = ShortName(rollout.rollback());
  return absl::StrCat(
      ChangedText(rollout, "", session), "rollout ", back,
      " takes its hosts back\nnext: ", session.settings().command,
      " rollout watch ", back, "\n");
}

absl::StatusOr<ExitCode> RollBack(const Arguments& arguments,
                                  Session& session) {
  constexpr auto kMethod = &Rollouts::StubInterface::RollBackRollout;
  RETURN_IF_ERROR(CheckCanAsk(arguments, session));
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::RollBackRolloutRequest>(arguments, session));
  request.set_reason(arguments.reason);
  ASSIGN_OR_RETURN(const auto preview, Preview<v1::RollBackRolloutResponse>(
                                           request, kMethod, session));
  const std::string effects = absl::StrCat(
      EffectsText(preview.effects(), session.look()), TakenBackText(preview));
  if (arguments.dry_run) {
    session.Show(preview, effects, "");
    return ExitCode::kOk;
  }
  Tell(effects, session);
  RETURN_IF_ERROR(Confirm(
      arguments, absl::StrCat("roll ", ShortName(request.name()), " back?"),
      session));
  ASSIGN_OR_RETURN(const v1::RollBackRolloutResponse response,
                   session.Call(session.Stub<Rollouts>(), kMethod, request));
  session.Show(response, RolledBackText(response.rollout(), session),
               response.rollout().rollback() + "\n");
  return ExitCode::kOk;
}

CLI::App* WithDryRun(CLI::App* verb, Arguments& arguments) {
  verb->add_flag("--dry-run", arguments.dry_run,
                 "Say what it would do, and do nothing");
  return verb;
}

}  // namespace

void AddStops(Verbs<Arguments>& verbs) {
  Arguments& arguments = verbs.arguments();
  WithDryRun(
      verbs.AddReasoned(
          "pause", "Hold it, and hosts still able to cancel do so and wait",
          Pause),
      arguments);
  constexpr char kYes[] = "Do not ask";
  WithDryRun(verbs.AddReasoned(
                 "abort", "End it: hosts still able to cancel do so", Abort),
             arguments)
      ->add_flag("--yes,-y", arguments.yes, kYes);
  WithDryRun(verbs.AddReasoned(
                 "rollback", "Take updated hosts back, as a rollout of its own",
                 RollBack),
             arguments)
      ->add_flag("--yes,-y", arguments.yes, kYes);
}

}  // namespace baton::cli
