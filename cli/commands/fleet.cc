#include "cli/render/fleet.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "cli/commands/commands.h"
#include "cli/commands/verbs.h"

namespace baton::cli {
namespace {

using Service = v1::FleetService;

// What any of the verbs was told.
struct Arguments {
  std::string name = "";  // of nothing: there is one fleet
  std::string reason = "";
  std::string until = "";
  std::string duration = "";
};

void ShowFleet(const v1::Fleet& fleet, Session& session) {
  session.Show(fleet, FleetText(fleet, session.look()), "");
}

// Returns a request to change the fleet.
template <typename Request>
Request Change(const Arguments& arguments, const Session& session) {
  Request request;
  request.set_reason(arguments.reason);
  request.set_request_id(session.NewRequestId());
  return request;
}

absl::StatusOr<ExitCode> Show(const Arguments&, Session& session) {
  ASSIGN_OR_RETURN(
      const v1::GetFleetResponse response,
      session.Call(session.Stub<Service>(), &Service::StubInterface::GetFleet,
                   v1::GetFleetRequest()));
  ShowFleet(response.fleet(), session);
  return ExitCode::kOk;
}

absl::Status BadEndError(absl::string_view got, absl::string_view want) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_END",
      absl::StrCat("got the end \"", got, "\", want ", want));
}

absl::StatusOr<absl::Time> EndOf(const Arguments& arguments,
                                 const Session& session) {
  if (!arguments.until.empty()) {
    absl::Time end;
    if (absl::ParseTime(absl::RFC3339_full, arguments.until, &end, nullptr)) {
      return end;
    }
    return BadEndError(arguments.until, "a time like 2024-12-24T18:00:00Z");
  }
  absl::Duration duration;
  if (absl::ParseDuration(arguments.duration, &duration) &&
      duration > absl::ZeroDuration() && duration <= absl::Hours(24 * 365)) {
    return session.surroundings().clock->Now() + duration;
  }
  return BadEndError(arguments.duration,
                     "--for with a duration like 8h, at most 8760h, or --until "
                     "with a time");
}

absl::StatusOr<ExitCode> Freeze(const Arguments& arguments, Session& session) {
  auto request = Change<v1::FreezeFleetRequest>(arguments, session);
  ASSIGN_OR_RETURN(const absl::Time end, EndOf(arguments, session));
  request.mutable_end_time()->set_seconds(absl::ToUnixSeconds(end));
  ASSIGN_OR_RETURN(const v1::FreezeFleetResponse response,
                   session.Call(session.Stub<Service>(),
                                &Service::StubInterface::FreezeFleet, request));
  ShowFleet(response.fleet(), session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Unfreeze(const Arguments& arguments,
                                  Session& session) {
  ASSIGN_OR_RETURN(
      const v1::UnfreezeFleetResponse response,
      session.Call(session.Stub<Service>(),
                   &Service::StubInterface::UnfreezeFleet,
                   Change<v1::UnfreezeFleetRequest>(arguments, session)));
  ShowFleet(response.fleet(), session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> EmergencyStop(const Arguments& arguments,
                                       Session& session) {
  ASSIGN_OR_RETURN(
      const v1::EmergencyStopResponse response,
      session.Call(session.Stub<Service>(),
                   &Service::StubInterface::EmergencyStop,
                   Change<v1::EmergencyStopRequest>(arguments, session)));
  ShowFleet(response.fleet(), session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> Lift(const Arguments& arguments, Session& session) {
  ASSIGN_OR_RETURN(
      const v1::LiftEmergencyStopResponse response,
      session.Call(session.Stub<Service>(),
                   &Service::StubInterface::LiftEmergencyStop,
                   Change<v1::LiftEmergencyStopRequest>(arguments, session)));
  ShowFleet(response.fleet(), session);
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> History(Session& session) {
  ASSIGN_OR_RETURN(const v1::ListHistoryResponse history,
                   session.CallAllPages(session.Stub<Service>(),
                                        &Service::StubInterface::ListHistory,
                                        v1::ListHistoryRequest()));
  session.Show(history, HistoryTable(history, session.look()), "");
  return ExitCode::kOk;
}

}  // namespace

void AddFleetCommands(CLI::App& app, Action& action) {
  CLI::App* fleet =
      app.add_subcommand("fleet", "What holds for all rollouts at once");
  fleet->require_subcommand(1);
  Verbs<Arguments> verbs(*fleet, "", action);
  Arguments& arguments = verbs.arguments();

  verbs.Add("show", "Who is out of service, and what keeps hosts from starting",
            Show);
  CLI::App* freeze = verbs.WithReason(verbs.Add(
      "freeze", "Start no host until an end; hosts in flight finish", Freeze));
  CLI::Option* until = freeze->add_option("--until", arguments.until,
                                          "Its end, e.g. 2024-12-24T18:00:00Z");
  freeze->add_option("--for", arguments.duration, "How long, e.g. 8h")
      ->excludes(until);
  verbs.WithReason(verbs.Add("unfreeze", "End a freeze early", Unfreeze));
  verbs.WithReason(verbs.Add("emergency-stop",
                             "Start no host until it is lifted; hosts still "
                             "able to cancel do so",
                             EmergencyStop));
  verbs.WithReason(verbs.Add("lift", "Lift an emergency stop", Lift));

  app.add_subcommand("history", "What earlier updates cost")
      ->callback([&action] { action = [](Session& s) { return History(s); }; });
}

}  // namespace baton::cli
