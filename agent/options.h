#ifndef AGENT_OPTIONS_H_
#define AGENT_OPTIONS_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace baton::agent {

// How the process is to run, from its flags. All fields are checked.
struct Options {
  std::string host = "";     // without "hosts/"
  std::string service = "";  // "unix:/path" or "host:port"
  std::string shim = "";     // "unix:/path"
  std::string root = "";     // absolute
  std::map<std::string, std::string> labels = {};
  std::string gate_command = "";                  // empty: none
  std::map<std::string, std::string> hooks = {};  // name → absolute path
  std::string boot_id = "";
  std::string installed = "";  // package file; empty: none
  std::string log_level = "info";

  // Set when the flags asked for text, e.g. --help: print it and end well.
  std::string text = "";
};

// Returns the options in the flags. Reads the kernel's boot id unless it is
// given.
//
// Errors: INVALID_ARGUMENT, reason BAD_FLAG; the message is for people
absl::StatusOr<Options> ParseOptions(int argc, const char* const* argv);

}  // namespace baton::agent

#endif  // AGENT_OPTIONS_H_
