#ifndef SERVICE_CORE_FINGERPRINT_H_
#define SERVICE_CORE_FINGERPRINT_H_

#include <string>

#include "service/core/event.h"

namespace baton::core {

// Returns "sha256:…" over all that an operator asked for, but for the
// request_id: equal for equal requests only, so that a repeat can be told from
// another request under the same id.
std::string Fingerprint(const CreateRollout& event);
std::string Fingerprint(const PlanRollout& event);
std::string Fingerprint(const StartRollout& event);
std::string Fingerprint(const HoldRollout& event);
std::string Fingerprint(const ResumeRollout& event);
std::string Fingerprint(const AbortRollout& event);
std::string Fingerprint(const PauseRollout& event);
// Whose word it is, is part of it: another person's is another approval.
std::string Fingerprint(const ApproveRollout& event, const std::string& actor);
std::string Fingerprint(const RollBackRollout& event);
std::string Fingerprint(const SkipUpdate& event);
std::string Fingerprint(const RetryUpdate& event);
std::string Fingerprint(const FreezeFleet& event);
std::string Fingerprint(const UnfreezeFleet& event);
std::string Fingerprint(const EmergencyStop& event);
std::string Fingerprint(const LiftEmergencyStop& event);
std::string Fingerprint(const ReleaseHost& event);
std::string Fingerprint(const LiftQuarantine& event);
std::string Fingerprint(const DeleteHost& event);
std::string Fingerprint(const DeleteRollout& event);
std::string Fingerprint(const CordonHost& event);
std::string Fingerprint(const UncordonHost& event);
std::string Fingerprint(const UpdateHostLabels& event);
std::string Fingerprint(const DriverStored& event);
std::string Fingerprint(const DriverDeleted& event);

}  // namespace baton::core

#endif  // SERVICE_CORE_FINGERPRINT_H_
