#ifndef CLI_COMMANDS_COMMANDS_H_
#define CLI_COMMANDS_COMMANDS_H_

#include "CLI/CLI.hpp"
#include "cli/session.h"

namespace baton::cli {

// Each adds one noun with its verbs to `app`. When the line is parsed and one
// of them was typed, `action` is what to run. `action` outlives `app`.
void AddAuditCommands(CLI::App& app, Action& action);
void AddDriverCommands(CLI::App& app, Action& action);
void AddFleetCommands(CLI::App& app, Action& action);
void AddHostCommands(CLI::App& app, Action& action);
void AddRolloutCommands(CLI::App& app, Action& action);
void AddUpdateCommands(CLI::App& app, Action& action);
void AddWhyCommand(CLI::App& app, Action& action);

}  // namespace baton::cli

#endif  // CLI_COMMANDS_COMMANDS_H_
