#include "cli/render/host.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "cli/commands/commands.h"
#include "cli/commands/verbs.h"
#include "cli/names.h"
#include "cli/render/words.h"
#include "cli/watch_hosts.h"

namespace baton::cli {
namespace {

using Fleet = v1::FleetService;

// What any of the verbs was told.
struct Arguments {
  std::string name = "";
  std::string selector = "";
  std::string reason = "";
  bool lift = false;
  std::vector<std::string> labels = {};
};

// What becomes of an operator's labels; nullopt: it is removed.
using LabelChanges = std::map<std::string, std::optional<std::string>>;

// Returns a request to change the host.
template <typename Request>
absl::StatusOr<Request> Change(const Arguments& arguments, Session& session) {
  Request request;
  ASSIGN_OR_RETURN(*request.mutable_name(), HostName(arguments.name));
  session.set_subject(request.name());
  request.set_reason(arguments.reason);
  request.set_request_id(session.NewRequestId());
  return request;
}

absl::StatusOr<ExitCode> List(const Arguments& arguments, Session& session) {
  v1::ListHostsRequest request;
  request.set_filter(arguments.selector);
  ASSIGN_OR_RETURN(
      const v1::ListHostsResponse hosts,
      session.CallAllPages(session.Stub<Fleet>(),
                           &Fleet::StubInterface::ListHosts, request));
  std::string names;
  for (const v1::Host& host : hosts.hosts()) {
    absl::StrAppend(&names, ShortName(host.name()), "\n");
  }
  session.Show(hosts, HostTable(hosts, session.look()), names);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Get(const Arguments& arguments, Session& session) {
  v1::GetHostRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), HostName(arguments.name));
  session.set_subject(request.name());
  ASSIGN_OR_RETURN(const v1::GetHostResponse response,
                   session.Call(session.Stub<Fleet>(),
                                &Fleet::StubInterface::GetHost, request));
  session.Show(response.host(), HostText(response.host(), session.look()),
               ShortName(response.host().name()) + "\n");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Watch(const Arguments& arguments, Session& session) {
  return WatchHosts(arguments.selector, session);
}

absl::StatusOr<ExitCode> Cordon(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Change<v1::CordonHostRequest>(arguments, session));
  ASSIGN_OR_RETURN(const v1::CordonHostResponse response,
                   session.Call(session.Stub<Fleet>(),
                                &Fleet::StubInterface::CordonHost, request));
  const v1::Host& host = response.host();
  std::string text = absl::StrCat("host ", ShortName(host.name()),
                                  " is cordoned; rollouts keep away\n");
  if (!host.rollout().empty()) {
    absl::StrAppend(&text, "what rollout ", ShortName(host.rollout()),
                    " does on it now goes on to its end\n");
  }
  session.Show(host, text, "");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Uncordon(const Arguments& arguments,
                                  Session& session) {
  v1::UncordonHostRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), HostName(arguments.name));
  session.set_subject(request.name());
  request.set_request_id(session.NewRequestId());
  ASSIGN_OR_RETURN(const v1::UncordonHostResponse response,
                   session.Call(session.Stub<Fleet>(),
                                &Fleet::StubInterface::UncordonHost, request));
  session.Show(response.host(),
               absl::StrCat("host ", ShortName(response.host().name()),
                            " is no longer cordoned\n"),
               "");
  return ExitCode::kOk;
}

absl::StatusOr<LabelChanges> LabelChangesOf(const Arguments& arguments) {
  LabelChanges changes;
  for (const std::string& word : arguments.labels) {
    const size_t equals = word.find('=');
    if (equals != std::string::npos && equals > 0) {
      changes[word.substr(0, equals)] = word.substr(equals + 1);
    } else if (equals == std::string::npos && word.size() > 1 &&
               word.back() == '-') {
      changes[word.substr(0, word.size() - 1)] = std::nullopt;
    } else {
      return ErrorWithReason(
          absl::StatusCode::kInvalidArgument, "USAGE",
          absl::StrCat("got the label \"", word,
                       "\", want KEY=VALUE to set one or KEY- to remove it"));
    }
  }
  return changes;
}

// The service takes all of an operator's labels at once: with the etag of the
// host that they were read from nobody else's change is lost.
absl::StatusOr<ExitCode> Label(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const LabelChanges changes, LabelChangesOf(arguments));
  v1::GetHostRequest get;
  ASSIGN_OR_RETURN(*get.mutable_name(), HostName(arguments.name));
  session.set_subject(get.name());
  ASSIGN_OR_RETURN(
      const v1::GetHostResponse before,
      session.Call(session.Stub<Fleet>(), &Fleet::StubInterface::GetHost, get));
  v1::UpdateHostRequest request;
  request.set_name(get.name());
  request.set_etag(before.host().etag());
  request.set_request_id(session.NewRequestId());
  auto& labels = *request.mutable_operator_labels();
  labels = before.host().operator_labels();
  for (const auto& [key, value] : changes) {
    if (value.has_value()) {
      labels[key] = *value;
    } else {
      labels.erase(key);
    }
  }
  ASSIGN_OR_RETURN(const v1::UpdateHostResponse response,
                   session.Call(session.Stub<Fleet>(),
                                &Fleet::StubInterface::UpdateHost, request));
  const v1::Host& host = response.host();
  const std::string text = LabelsText(host);
  session.Show(host,
               absl::StrCat("host ", ShortName(host.name()), " has ",
                            text.empty() ? "no labels" : "labels ", text, "\n"),
               "");
  for (const auto& [key, value] : changes) {
    if (value.has_value() || host.labels().count(key) == 0) continue;
    session.Say(absl::StrCat("note: the host's agent says ", Printable(key),
                             ", which is not removed here"));
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Release(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Change<v1::ReleaseHostRequest>(arguments, session));
  ASSIGN_OR_RETURN(const v1::ReleaseHostResponse response,
                   session.Call(session.Stub<Fleet>(),
                                &Fleet::StubInterface::ReleaseHost, request));
  const std::string name = ShortName(response.host().name());
  session.Show(response.host(),
               absl::StrCat("host ", name, " holds no slot any more and is ",
                            Word(response.host().state()), "\n"),
               "");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Quarantine(const Arguments& arguments,
                                    Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Change<v1::LiftQuarantineRequest>(arguments, session));
  ASSIGN_OR_RETURN(
      const v1::LiftQuarantineResponse response,
      session.Call(session.Stub<Fleet>(), &Fleet::StubInterface::LiftQuarantine,
                   request));
  session.Show(response.host(),
               absl::StrCat("host ", ShortName(response.host().name()),
                            " is no longer quarantined; it is ",
                            Word(response.host().state()), "\n"),
               "");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Delete(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(const auto request,
                   Change<v1::DeleteHostRequest>(arguments, session));
  ASSIGN_OR_RETURN(const v1::DeleteHostResponse response,
                   session.Call(session.Stub<Fleet>(),
                                &Fleet::StubInterface::DeleteHost, request));
  session.Show(
      response,
      absl::StrCat("host ", ShortName(request.name()), " is forgotten\n"), "");
  return ExitCode::kOk;
}

}  // namespace

void AddHostCommands(CLI::App& app, Action& action) {
  CLI::App* host = app.add_subcommand("host", "The hosts of the fleet");
  host->require_subcommand(1);
  Verbs<Arguments> verbs(*host, "Host", action);
  Arguments& arguments = verbs.arguments();

  verbs.Add("list", "List hosts", List)
      ->add_option("--selector,-l", arguments.selector,
                   "Label selector, e.g. \"zone=a,tier!=gold\"");
  verbs.AddNamed("get", "Show one host", Get);
  verbs.Add("watch", "Follow hosts, a line a change, until Ctrl-C", Watch)
      ->add_option("--selector,-l", arguments.selector,
                   "As list takes it; a host that matches no longer is shown "
                   "once more");
  verbs.AddReasoned("cordon", "Keep rollouts away; what is in flight goes on",
                    Cordon);
  verbs.AddNamed("uncordon", "Let rollouts at it again", Uncordon);
  verbs
      .AddNamed("label", "Set and remove labels, which selectors match", Label)
      ->add_option("labels", arguments.labels,
                   "KEY=VALUE sets one, over what the host's agent says; KEY- "
                   "removes it")
      ->required();
  verbs.AddReasoned("release",
                    "Free the slot of a host that will never report again",
                    Release);
  verbs
      .AddReasoned("quarantine", "Say that it was looked at and is well",
                   Quarantine)
      ->add_flag("--lift", arguments.lift,
                 "End its quarantine; nobody begins one by hand")
      ->required();
  verbs.AddReasoned("delete", "Forget a host that is gone", Delete);
}

}  // namespace baton::cli
