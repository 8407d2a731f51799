#include "cli/render/rollout.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "cli/commands/commands.h"
#include "cli/names.h"
#include "cli/render/update.h"
#include "cli/render/words.h"
#include "cli/rollout_file.h"
#include "cli/watch.h"

namespace baton::cli {
namespace {

using Rollouts = v1::RolloutService;

// What any of the verbs was told.
struct Arguments {
  std::string name = "";
  std::string file = "";
  std::string digest = "";
  std::string reason = "";
  std::string host = "";
  bool updates = false;
  bool accept_failures = false;
  bool exit_on_hold = false;
};

// Fills what the request of every verb has: the rollout's name.
template <typename Request>
absl::StatusOr<Request> Named(const Arguments& arguments, Session& session) {
  Request request;
  ASSIGN_OR_RETURN(*request.mutable_name(), RolloutName(arguments.name));
  session.set_subject(request.name());
  return request;
}

// The same for a change.
template <typename Request>
absl::StatusOr<Request> Change(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(Request request, Named<Request>(arguments, session));
  request.set_request_id(session.NewRequestId());
  return request;
}

// One line about a rollout after a change, and what to type next.
void ShowChanged(const v1::Rollout& rollout, const std::string& next,
                 Session& session) {
  const std::string name = ShortName(rollout.name());
  std::string text =
      absl::StrCat("rollout ", name, " is ", Word(rollout.state()), "\n");
  if (!next.empty()) {
    absl::StrAppend(&text, "next: ", session.settings().command, " ", next, " ",
                    name, "\n");
  }
  session.Show(rollout, text, "");
}

absl::StatusOr<ExitCode> Create(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::CreateRolloutRequest>(arguments, session));
  ASSIGN_OR_RETURN(*request.mutable_spec(), LoadRolloutFile(arguments.file));
  ASSIGN_OR_RETURN(
      const v1::CreateRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::CreateRollout, request));
  ShowChanged(response.rollout(), "rollout plan", session);
  return ExitCode::kOk;
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

absl::StatusOr<ExitCode> Abort(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(auto request,
                   Change<v1::AbortRolloutRequest>(arguments, session));
  request.set_reason(arguments.reason);
  ASSIGN_OR_RETURN(
      const v1::AbortRolloutResponse response,
      session.Call(session.Stub<Rollouts>(),
                   &Rollouts::StubInterface::AbortRollout, request));
  const bool ended = HasEnded(response.rollout().state());
  ShowChanged(response.rollout(), ended ? "rollout get" : "rollout watch",
              session);
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

using Run = absl::StatusOr<ExitCode> (*)(const Arguments&, Session&);

// Adds verbs that share one set of arguments.
class Verbs {
 public:
  Verbs(CLI::App& noun, Action& action) : noun_(noun), action_(action) {}

  CLI::App* Add(const char* name, const char* help, Run run) {
    CLI::App* verb = noun_.add_subcommand(name, help);
    verb->callback([&action = action_, arguments = arguments_, run] {
      action = [arguments, run](Session& s) { return run(*arguments, s); };
    });
    return verb;
  }

  CLI::App* AddNamed(const char* name, const char* help, Run run) {
    CLI::App* verb = Add(name, help, run);
    verb->add_option("name", arguments_->name, "Rollout")->required();
    return verb;
  }

  CLI::App* AddReasoned(const char* name, const char* help, Run run) {
    CLI::App* verb = AddNamed(name, help, run);
    verb->add_option("--reason", arguments_->reason,
                     "Shown to whoever asks why")
        ->required();
    return verb;
  }

  Arguments& arguments() { return *arguments_; }

 private:
  CLI::App& noun_;
  Action& action_;
  const std::shared_ptr<Arguments> arguments_ = std::make_shared<Arguments>();
};

}  // namespace

void AddRolloutCommands(CLI::App& app, Action& action) {
  CLI::App* rollout =
      app.add_subcommand("rollout", "A driver on its way over hosts");
  rollout->require_subcommand(1);
  Verbs verbs(*rollout, action);
  Arguments& arguments = verbs.arguments();

  verbs.AddNamed("create", "Create one from a file; nothing moves", Create)
      ->add_option("--file,-f", arguments.file, "Rollout file (YAML)")
      ->required();
  verbs.AddNamed("plan", "Say what would happen, and its digest", Plan);
  verbs.AddNamed("start", "Start exactly what was planned", Start)
      ->add_option("--digest", arguments.digest, "Digest that plan printed")
      ->required();
  verbs.AddReasoned("hold", "Start no further host", Hold);
  verbs.AddNamed("resume", "Go on after a hold", Resume)
      ->add_flag("--accept-failures", arguments.accept_failures,
                 "Count failures anew from here");
  verbs.AddReasoned("abort", "End it: hosts still able to cancel do so", Abort);
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
