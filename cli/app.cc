#include "cli/app.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "cli/commands/commands.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

// The global flags as they were typed.
struct Flags {
  std::string server = "";
  std::string user = "";
  std::string output = "table";
  std::string timeout = "";
  bool no_color = false;
  bool quiet = false;
};

std::string Find(const std::map<std::string, std::string>& map,
                 const std::string& key, const std::string& otherwise) {
  const auto found = map.find(key);
  return found == map.end() || found->second.empty() ? otherwise
                                                     : found->second;
}

void AddGlobalFlags(CLI::App& app, Flags& flags) {
  app.add_option("--server", flags.server,
                 "Where the service is, unix:/path or host:port "
                 "[$BATON_SERVER]");
  app.add_option("--user", flags.user,
                 "Who to say you are [$BATON_USER, else the login name]");
  app.add_option("--output,-o", flags.output, "table, wide, json or yaml")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml"}))
      ->capture_default_str();
  app.add_option("--timeout", flags.timeout,
                 "How long to wait, e.g. 30s; calls: 30s; push and watch: for "
                 "ever");
  app.add_flag("--no-color", flags.no_color, "No colours [$NO_COLOR]");
  app.set_version_flag("--version", "0.1.0");
  app.add_flag("--quiet,-q", flags.quiet,
               "Only names and digests, nothing for people");
}

Output OutputOf(const std::string& word) {
  if (word == "wide") return Output::kWide;
  if (word == "json") return Output::kJson;
  if (word == "yaml") return Output::kYaml;
  return Output::kTable;
}

absl::StatusOr<Settings> SettingsOf(const Flags& flags,
                                    const Surroundings& surroundings) {
  Settings settings;
  settings.server = flags.server.empty() ? Find(surroundings.environment,
                                                "BATON_SERVER", kDefaultServer)
                                         : flags.server;
  RETURN_IF_ERROR(CheckServer(settings.server));
  if (!flags.server.empty()) {
    absl::StrAppend(&settings.command, " --server ", flags.server);
  }
  settings.user = flags.user.empty() ? Find(surroundings.environment,
                                            "BATON_USER", surroundings.login)
                                     : flags.user;
  RETURN_IF_ERROR(CheckUser(settings.user));
  settings.output = OutputOf(flags.output);
  settings.quiet = flags.quiet;
  const bool colour = surroundings.sink == Sink::kTerminal && !flags.no_color &&
                      Find(surroundings.environment, "NO_COLOR", "").empty();
  settings.colour = colour ? Colour::kAlways : Colour::kNever;
  if (flags.timeout.empty()) return settings;
  absl::Duration timeout;
  if (!absl::ParseDuration(flags.timeout, &timeout) ||
      timeout <= absl::ZeroDuration() || timeout > absl::Hours(24 * 365)) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_TIMEOUT",
                           absl::StrCat("got the timeout \"", flags.timeout,
                                        "\", want a duration like 30s, 5m or "
                                        "1h"));
  }
  settings.timeout = timeout;
  return settings;
}

int RunAction(const Action& action, Settings settings,
              const Surroundings& surroundings) {
  Session session(std::move(settings), surroundings);
  const absl::StatusOr<ExitCode> end = action(session);
  if (end.ok()) return static_cast<int>(*end);
  *surroundings.err << ErrorText(end.status(), session.hint_context());
  // What was found wrong before the service was asked is the caller's to mend.
  return static_cast<int>(session.has_asked() ? ExitCodeOf(end.status())
                                              : ExitCode::kUsage);
}

// CLI11 says that a command is missing even where one is misspelt.
std::string WhatIsWrong(const CLI::App& app, const CLI::Error& error) {
  const std::vector<std::string> unknown = app.remaining(true);
  if (unknown.empty()) return Printable(error.what());
  return absl::StrCat("\"", Printable(unknown.front()),
                      "\" is not a command or flag");
}

// CLI11 throws; nothing leaves this function. Returns an exit code when the
// line asked for help or was wrong.
std::optional<int> Parse(const std::vector<std::string>& arguments,
                         const Surroundings& surroundings, CLI::App& app) {
  try {
    // CLI11 wants them last first.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    return std::nullopt;
  } catch (const CLI::Success& e) {
    return app.exit(e, *surroundings.out, *surroundings.err);
  } catch (const CLI::Error& e) {
    *surroundings.err << "error: " << WhatIsWrong(app, e)
                      << " [USAGE]\nhint: add --help to see what there is\n";
    return static_cast<int>(ExitCode::kUsage);
  }
}

}  // namespace

int RunCli(const std::vector<std::string>& arguments,
           const Surroundings& around) {
  Surroundings surroundings = around;
  // One that knows neither colours nor a cursor gets a line a change.
  if (Find(around.environment, "TERM", "") == "dumb") {
    surroundings.sink = Sink::kPipe;
  }
  CLI::App app("Rolls GPU drivers over a fleet while every vGPU keeps running.",
               "baton");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(ExitCodeTable());
  Flags flags;
  Action action;
  AddGlobalFlags(app, flags);
  AddDriverCommands(app, action);
  AddHostCommands(app, action);
  AddRolloutCommands(app, action);
  AddUpdateCommands(app, action);
  AddFleetCommands(app, action);
  AddWhyCommand(app, action);
  AddAuditCommands(app, action);
  if (const auto code = Parse(arguments, surroundings, app)) return *code;
  absl::StatusOr<Settings> settings = SettingsOf(flags, surroundings);
  if (!settings.ok()) {
    *surroundings.err << ErrorText(settings.status(), {});
    return static_cast<int>(ExitCode::kUsage);
  }
  return RunAction(action, *std::move(settings), surroundings);
}

}  // namespace baton::cli
