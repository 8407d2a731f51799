#include "service/rpc/rollout_answers.h"

#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/rpc/convert_rollout.h"

namespace baton::rpc {

absl::StatusOr<const core::Rollout*> FindRolloutFor(const core::Fleet& fleet,
                                                    const std::string& name) {
  RETURN_IF_ERROR(core::CheckRolloutName(name));
  const core::Rollout* found = core::FindRollout(fleet, name);
  if (found == nullptr) return core::RolloutNotFoundError(name);
  return found;
}

absl::Status FillRollout(const core::Fleet& fleet, const std::string& name,
                         v1::Rollout& rollout) {
  ASSIGN_OR_RETURN(const core::Rollout* found, FindRolloutFor(fleet, name));
  rollout = ToProto(*found, WithPlan::kYes);
  return absl::OkStatus();
}

absl::Status FillUpdate(const core::Fleet& fleet, const std::string& name,
                        v1::Update& update) {
  ASSIGN_OR_RETURN(const UpdateNames names, ParseUpdateName(name));
  ASSIGN_OR_RETURN(const core::Rollout* rollout,
                   FindRolloutFor(fleet, names.rollout));
  const auto found = rollout->updates.find(names.host);
  if (found == rollout->updates.end()) return core::UpdateNotFoundError(name);
  update = ToProto(*rollout, names.host, found->second);
  return absl::OkStatus();
}

}  // namespace baton::rpc
