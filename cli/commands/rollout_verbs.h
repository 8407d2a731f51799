#ifndef CLI_COMMANDS_ROLLOUT_VERBS_H_
#define CLI_COMMANDS_ROLLOUT_VERBS_H_

#include <string>

#include "baton/v1/rollout.pb.h"
#include "cli/commands/verbs.h"
#include "cli/names.h"

namespace baton::cli {

// What any verb of a rollout was told.
struct RolloutArguments {
  std::string name = "";
  std::string file = "";
  std::string digest = "";
  std::string reason = "";
  std::string host = "";
  std::string wave = "";
  std::string remark = "";
  bool updates = false;
  bool accept_failures = false;
  bool exit_on_hold = false;
  bool yes = false;
  bool dry_run = false;
};

// Returns a request that names the rollout.
template <typename Request>
absl::StatusOr<Request> Named(const RolloutArguments& arguments,
                              Session& session) {
  Request request;
  ASSIGN_OR_RETURN(*request.mutable_name(), RolloutName(arguments.name));
  session.set_subject(request.name());
  return request;
}

// The same for a change.
template <typename Request>
absl::StatusOr<Request> Change(const RolloutArguments& arguments,
                               Session& session) {
  ASSIGN_OR_RETURN(Request request, Named<Request>(arguments, session));
  request.set_request_id(session.NewRequestId());
  return request;
}

// One line on a rollout after a change, and what to type next, if anything.
std::string ChangedText(const v1::Rollout& rollout, const std::string& next,
                        const Session& session);

// Adds the verbs that stop what is under way: pause, abort, rollback. Each says
// what it means for the hosts in flight; the last two ask before they do it.
void AddStops(Verbs<RolloutArguments>& verbs);

}  // namespace baton::cli

#endif  // CLI_COMMANDS_ROLLOUT_VERBS_H_
