#include "cli/render/host.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "cli/commands/commands.h"
#include "cli/names.h"

namespace baton::cli {
namespace {

using Fleet = v1::FleetService;

// What any of the verbs was told.
struct Arguments {
  std::string name = "";
  std::string selector = "";
  std::string reason = "";
};

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

absl::StatusOr<ExitCode> Cordon(const Arguments& arguments, Session& session) {
  v1::CordonHostRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), HostName(arguments.name));
  session.set_subject(request.name());
  request.set_reason(arguments.reason);
  request.set_request_id(session.NewRequestId());
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

}  // namespace

void AddHostCommands(CLI::App& app, Action& action) {
  CLI::App* host = app.add_subcommand("host", "The hosts of the fleet");
  host->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  const auto verb = [&](const char* name, const char* help, auto run) {
    CLI::App* sub = host->add_subcommand(name, help);
    sub->callback([&action, arguments, run] {
      action = [arguments, run](Session& s) { return run(*arguments, s); };
    });
    return sub;
  };

  verb("list", "List hosts", List)
      ->add_option("--selector,-l", arguments->selector,
                   "Label selector, e.g. \"zone=a,tier!=gold\"");
  verb("get", "Show one host", Get)
      ->add_option("name", arguments->name, "Host")
      ->required();
  CLI::App* cordon =
      verb("cordon", "Keep rollouts away; what is in flight goes on", Cordon);
  cordon->add_option("name", arguments->name, "Host")->required();
  cordon->add_option("--reason", arguments->reason, "Shown to whoever asks why")
      ->required();
  verb("uncordon", "Let rollouts at it again", Uncordon)
      ->add_option("name", arguments->name, "Host")
      ->required();
}

}  // namespace baton::cli
