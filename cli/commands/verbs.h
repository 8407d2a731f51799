#ifndef CLI_COMMANDS_VERBS_H_
#define CLI_COMMANDS_VERBS_H_

#include <memory>

#include "CLI/CLI.hpp"
#include "cli/session.h"

namespace baton::cli {

// Adds verbs of one noun that share one set of arguments, which has at least
// `name` and `reason`. Whatever is used here outlives the parsing.
template <typename Arguments>
class Verbs {
 public:
  using Run = absl::StatusOr<ExitCode> (*)(const Arguments&, Session&);

  // `what`  what the name of a verb's object is called in its help
  Verbs(CLI::App& noun, const char* what, Action& action)
      : noun_(noun), what_(what), action_(action) {}

  CLI::App* Add(const char* name, const char* help, Run run) {
    CLI::App* verb = noun_.add_subcommand(name, help);
    verb->callback([&action = action_, arguments = arguments_, run] {
      action = [arguments, run](Session& s) { return run(*arguments, s); };
    });
    return verb;
  }

  CLI::App* AddNamed(const char* name, const char* help, Run run) {
    CLI::App* verb = Add(name, help, run);
    verb->add_option("name", arguments_->name, what_)->required();
    return verb;
  }

  CLI::App* AddReasoned(const char* name, const char* help, Run run) {
    return WithReason(AddNamed(name, help, run));
  }

  CLI::App* WithReason(CLI::App* verb) {
    verb->add_option("--reason", arguments_->reason,
                     "Shown to whoever asks why")
        ->required();
    return verb;
  }

  Arguments& arguments() { return *arguments_; }

 private:
  CLI::App& noun_;
  const char* const what_;
  Action& action_;
  const std::shared_ptr<Arguments> arguments_ = std::make_shared<Arguments>();
};

}  // namespace baton::cli

#endif  // CLI_COMMANDS_VERBS_H_
