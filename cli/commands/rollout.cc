#include "cli/render/rollout.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "baton/v1/driver.grpc.pb.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "cli/commands/commands.h"
#include "cli/commands/rollout_verbs.h"
#include "cli/render/update.h"
#include "cli/render/words.h"
#include "cli/rollout_file.h"
#include "cli/watch.h"

namespace baton::cli {
namespace {

using Rollouts = v1::RolloutService;

using Arguments = RolloutArguments;

void ShowChanged(const v1::Rollout& rollout, const std::string& next,
                 Session& session) {
  session.Show(rollout, ChangedText(rollout, next, session), "");
}

absl::StatusOr<ExitCode> Lint(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const RolloutFile file, LoadRolloutFile(arguments.file));
  session.Show(file.spec, absl::StrCat(arguments.file, " is well formed\n"),
               "");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Create(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::CreateRolloutRequest>(arguments, session));
  ASSIGN_OR_RETURN(RolloutFile file, LoadRolloutFile(arguments.file));
  *request.mutable_spec() = std::move(file.spec);
  if (!file.request_id.empty()) request.set_request_id(file.request_id);
  ASSIGN_OR_RETURN(
      const v1::CreateRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::CreateRollout, request));
  ShowChanged(response.rollout(), "rollout plan", session);
  return ExitCode::kOk;
}

// Says which drivers the plan's hosts could not be taken back to.
void SayWhatIsNotStored(const v1::Rollout& rollout, Session& session) {
  const auto stored = session.CallAllPages(
      session.Stub<v1::DriverService>(),
      &v1::DriverService::StubInterface::ListDrivers, v1::ListDriversRequest());
  if (!stored.ok()) return;  // the plan stands all the same
  std::set<std::string> missing;
  for (const v1::PlannedWave& wave : rollout.plan().waves()) {
    for (const v1::PlannedHost& host : wave.hosts()) {
      const std::string& to =
          host.to_driver().empty() ? rollout.spec().driver() : host.to_driver();
      missing.insert(host.from_driver().empty()
                         ? absl::StrCat(to.substr(0, to.rfind('/') + 1),
                                        host.from_version())
                         : host.from_driver());
    }
  }
  for (const v1::Driver& driver : stored->drivers()) {
    missing.erase(driver.name());
  }
  for (const std::string& name : missing) {
    session.Say(absl::StrCat(
        "note: ", Printable(ShortName(name)),
        " is not stored, so no host can be taken back to it by a rollback, and "
        "nobody knows yet whether it reads what the new driver saves; push its "
        "package first"));
  }
}

absl::StatusOr<ExitCode> Plan(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::PlanRolloutRequest>(arguments, session));
  ASSIGN_OR_RETURN(
      const v1::PlanRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::PlanRollout, request));
  const v1::Rollout& rollout = response.rollout();
  session.Show(rollout,
               PlanText(rollout, session.settings().command, session.look()),
               rollout.plan().digest() + "\n");
  if (!session.settings().quiet) SayWhatIsNotStored(rollout, session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Start(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::StartRolloutRequest>(arguments, session));
  request.set_digest(arguments.digest);
  ASSIGN_OR_RETURN(
      const v1::StartRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::StartRollout, request));
  ShowChanged(response.rollout(), "rollout watch", session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Hold(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::HoldRolloutRequest>(arguments, session));
  request.set_reason(arguments.reason);
  ASSIGN_OR_RETURN(
      const v1::HoldRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::HoldRollout, request));
  ShowChanged(response.rollout(), "rollout resume", session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Resume(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::ResumeRolloutRequest>(arguments, session));
  request.set_accept_failures(arguments.accept_failures);
  ASSIGN_OR_RETURN(
      const v1::ResumeRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::ResumeRollout, request));
  ShowChanged(response.rollout(), "rollout watch", session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Approve(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::ApproveRolloutRequest>(arguments, session));
  request.set_digest(arguments.digest);
  request.set_wave(arguments.wave);
  request.set_remark(arguments.remark);
  ASSIGN_OR_RETURN(
      const v1::ApproveRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::ApproveRollout, request));
  const v1::Rollout& rollout = response.rollout();
  session.Show(rollout,
               absl::StrCat(ApprovalsText(rollout, session.look()),
                            ChangedText(rollout, "", session)),
               "");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Delete(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Change<v1::DeleteRolloutRequest>(arguments, session));
  ASSIGN_OR_RETURN(
      const v1::DeleteRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::DeleteRollout, request));
  session.Show(
      response,
      absl::StrCat("rollout ", ShortName(request.name()), " is forgotten\n"),
      "");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> List(const Arguments&, Session& session) {
  ASSIGN_OR_RETURN(const v1::ListRolloutsResponse rollouts,
                   session.CallAllPages(session.Stub<Rollouts>(),
                                        &Rollouts::StubInterface::ListRollouts,
                                        v1::ListRolloutsRequest()));
  std::string names;
  for (const v1::Rollout& rollout : rollouts.rollouts()) {
    absl::StrAppend(&names, ShortName(rollout.name()), "\n");
  }
  session.Show(rollouts, RolloutTable(rollouts, session.look()), names);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> GetOneUpdate(const Arguments& arguments,
                                      const std::string& rollout,
                                      Session& session) {
  ASSIGN_OR_RETURN(const std::string host, HostName(arguments.host));
  v1::GetUpdateRequest request;
  request.set_name(absl::StrCat(rollout, "/updates/", ShortName(host)));
  ASSIGN_OR_RETURN(const v1::GetUpdateResponse response,
                   session.Call(session.Stub<Rollouts>(),
                                &Rollouts::StubInterface::GetUpdate, request));
  session.Show(response.update(), UpdateText(response.update(), session.look()),
               Word(response.update().state()) + "\n");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> GetUpdates(const std::string& rollout,
                                    Session& session) {
  v1::ListUpdatesRequest request;
  request.set_parent(rollout);
  ASSIGN_OR_RETURN(
      const v1::ListUpdatesResponse updates,
      session.CallAllPages(session.Stub<Rollouts>(),
                           &Rollouts::StubInterface::ListUpdates, request));
  std::string names;
  for (const v1::Update& update : updates.updates()) {
    absl::StrAppend(&names, ShortName(update.name()), "\n");
  }
  session.Show(updates, UpdateTable(updates, session.look()), names);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Get(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Named<v1::GetRolloutRequest>(arguments, session));
  if (!arguments.host.empty()) {
    return GetOneUpdate(arguments, request.name(), session);
  }
  if (arguments.updates) return GetUpdates(request.name(), session);
  ASSIGN_OR_RETURN(const v1::GetRolloutResponse response,
                   session.Call(session.Stub<Rollouts>(),
                                &Rollouts::StubInterface::GetRollout, request));
  const v1::Rollout& rollout = response.rollout();
  session.Show(rollout, RolloutText(rollout, session.look()),
               Word(rollout.state()) + "\n");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Watch(const Arguments& arguments, Session& session) {
  WatchOptions options;
  ASSIGN_OR_RETURN(options.rollout, RolloutName(arguments.name));
  session.set_subject(options.rollout);
  if (arguments.exit_on_hold) options.on_hold = OnHold::kExit;
  return WatchRollout(options, session);
}

}  // namespace

std::string ChangedText(const v1::Rollout& rollout, const std::string& next,
                        const Session& session) {
  const std::string name = ShortName(rollout.name());
  std::string text =
      absl::StrCat("rollout ", name, " is ", Word(rollout.state()), "\n");
  if (!next.empty()) {
    absl::StrAppend(&text, "next: ", session.settings().command, " ", next, " ",
                    name, "\n");
  }
  return text;
}

void AddRolloutCommands(CLI::App& app, Action& action) {
  CLI::App* rollout =
      app.add_subcommand("rollout", "A driver on its way over hosts");
  rollout->require_subcommand(1);
  Verbs<Arguments> verbs(*rollout, "Rollout", action);
  Arguments& arguments = verbs.arguments();

  verbs.Add("lint", "Check a file; the service is not asked", Lint)
      ->add_option("file", arguments.file, "Rollout file (YAML)")
      ->required();
  verbs.AddNamed("create", "Create one from a file; nothing moves", Create)
      ->add_option("--file,-f", arguments.file, "Rollout file (YAML)")
      ->required();
  verbs.AddNamed("plan", "Say what would happen, and its digest", Plan);
  CLI::App* approve =
      verbs.AddNamed("approve", "Say that a wave may begin", Approve);
  approve->add_option("--digest", arguments.digest, "Digest that plan printed")
      ->required();
  approve->add_option("--wave", arguments.wave,
                      "Wave; else the next that wants approvals");
  approve->add_option("--remark", arguments.remark, "Kept with the approval");
  verbs.AddNamed("start", "Start exactly what was planned", Start)
      ->add_option("--digest", arguments.digest, "Digest that plan printed")
      ->required();
  verbs.AddReasoned("hold", "Start no further host", Hold);
  verbs.AddNamed("resume", "Go on after a hold", Resume)
      ->add_flag("--accept-failures", arguments.accept_failures,
                 "Count failures anew from here");
  AddStops(verbs);
  verbs.AddNamed("delete", "Forget one that has ended, or never started",
                 Delete);
  verbs.Add("list", "List rollouts", List);
  CLI::App* get = verbs.AddNamed("get", "Show one rollout", Get);
  CLI::Option* updates =
      get->add_flag("--updates", arguments.updates, "Its hosts instead");
  get->add_option("--host", arguments.host,
                  "One of its hosts, step by step, instead")
      ->excludes(updates)
      ->check([](const std::string& host) {
        return std::string(host.empty() ? "want the name of a host" : "");
      });
  verbs
      .AddNamed("watch", "Follow it to its end; Ctrl-C leaves it alone", Watch)
      ->add_flag("--exit-on-hold", arguments.exit_on_hold,
                 "Also end when it is held and no host is in flight");
}

}  // namespace baton::cli
