#include "cli/render/why.h"

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "cli/commands/commands.h"
#include "cli/names.h"

namespace baton::cli {
namespace {

using Explained = absl::StatusOr<v1::Explanation>;

// `wave`  of the rollout; empty: the whole of it
Explained ExplainRollout(const std::string& text, const std::string& wave,
                         Session& session) {
  v1::ExplainRolloutRequest request;
  request.set_wave(wave);
  ASSIGN_OR_RETURN(*request.mutable_name(), RolloutName(text));
  ASSIGN_OR_RETURN(
      const v1::ExplainRolloutResponse response,
      session.Call(session.Stub<v1::RolloutService>(),
                   &v1::RolloutService::StubInterface::ExplainRollout,
                   request));
  return response.explanation();
}

Explained ExplainHost(const std::string& text, Session& session) {
  v1::ExplainHostRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), HostName(text));
  ASSIGN_OR_RETURN(
      const v1::ExplainHostResponse response,
      session.Call(session.Stub<v1::FleetService>(),
                   &v1::FleetService::StubInterface::ExplainHost, request));
  return response.explanation();
}

// Whether the collection simply has no such object, e.g. as its names cannot
// look so.
bool IsNotThere(const Explained& explained) {
  return absl::IsNotFound(explained.status()) ||
         absl::IsInvalidArgument(explained.status());
}

absl::StatusOr<ExitCode> ShowWhy(const std::string& name,
                                 const Explained& explained, Session& session) {
  session.set_subject(name);
  RETURN_IF_ERROR(explained.status());
  session.Show(*explained, WhyText(name, *explained, session.look()),
               explained->summary() + "\n");
  return ExitCode::kOk;
}

// A rollout before a host of the same name; the other one is still reached by
// its whole name.
absl::StatusOr<ExitCode> WhyEither(const std::string& name, Session& session) {
  const Explained rollout = ExplainRollout(name, "", session);
  if (!IsNotThere(rollout)) {
    return ShowWhy(absl::StrCat("rollouts/", name), rollout, session);
  }
  const Explained host = ExplainHost(name, session);
  if (!IsNotThere(host)) {
    return ShowWhy(absl::StrCat("hosts/", name), host, session);
  }
  return ErrorWithReason(
      absl::StatusCode::kNotFound, "NO_SUCH_OBJECT",
      absl::StrCat("there is neither a rollout nor a host \"", name, "\""));
}

absl::Status NoSuchKindError(const std::string& name) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_NAME",
      absl::StrCat("got \"", name,
                   "\", want rollouts/NAME, hosts/NAME or NAME; "
                   "one host's part in a rollout is shown by `update get "
                   "ROLLOUT/HOST`"));
}

absl::StatusOr<ExitCode> WhyWave(const std::string& name,
                                 const std::string& wave, Session& session) {
  ASSIGN_OR_RETURN(const std::string rollout, RolloutName(name));
  return ShowWhy(absl::StrCat(rollout, "/waves/", wave),
                 ExplainRollout(rollout, wave, session), session);
}

absl::StatusOr<ExitCode> Why(const std::string& name, const std::string& wave,
                             Session& session) {
  if (!wave.empty()) return WhyWave(name, wave, session);
  if (absl::StartsWith(name, "rollouts/")) {
    return ShowWhy(name, ExplainRollout(name, "", session), session);
  }
  if (absl::StartsWith(name, "hosts/")) {
    return ShowWhy(name, ExplainHost(name, session), session);
  }
  if (absl::StrContains(name, '/')) return NoSuchKindError(name);
  return WhyEither(name, session);
}

}  // namespace

void AddWhyCommand(CLI::App& app, Action& action) {
  CLI::App* why =
      app.add_subcommand("why", "Why a rollout or host does or does not move");
  auto name = std::make_shared<std::string>();
  auto wave = std::make_shared<std::string>();
  why->add_option("name", *name, "rollouts/NAME, hosts/NAME, or NAME")
      ->required();
  why->add_option("--wave", *wave, "One wave of that rollout");
  why->callback([&action, name, wave] {
    action = [name, wave](Session& s) { return Why(*name, *wave, s); };
  });
}

}  // namespace baton::cli
