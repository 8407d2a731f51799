#ifndef CLI_APP_H_
#define CLI_APP_H_

#include <string>
#include <vector>

#include "cli/session.h"

namespace baton::cli {

// Runs one command line and returns the process's exit code. Everything else
// of the world comes from `around`. Blocks until the command has ended.
//
// `arguments`  without the program's own name
int RunCli(const std::vector<std::string>& arguments,
           const Surroundings& around);

}  // namespace baton::cli

#endif  // CLI_APP_H_
