#ifndef SERVICE_CORE_COMPILE_H_
#define SERVICE_CORE_COMPILE_H_

#include "absl/status/statusor.h"
#include "service/core/fleet.h"

namespace baton::core {

// Compiles the rollout against the fleet as it is: hosts that can be updated in
// the order of their names, cut into waves; the others with a reason each. A
// wave that asks for coverage begins with the hosts that give it most of it.
//
// A wave's percentage is of the hosts that can be updated, rounded up. A wave
// that asks for more than is left takes what is left; later ones stay empty.
//
// The hosts of a rollout that takes another one back are those that are DONE
// there and still run what it brought. One that is away for now is planned all
// the same, and waits.
//
// Errors:
//   NOT_FOUND            DRIVER_NOT_FOUND
//   FAILED_PRECONDITION  EMPTY_SELECTION: no host can be updated
//   INVALID_ARGUMENT     WAVES_LEAVE_HOSTS: the waves do not cover the
//                        selection and the last one is not "rest"
absl::StatusOr<RolloutPlan> CompilePlan(const Fleet& fleet,
                                        const Rollout& rollout);

// Compiles it again, to see whether its plan still holds: hosts that are in the
// plan keep its order, since what gives coverage changes with every guest that
// comes or goes; nothing is predicted. The rollout must have a plan.
//
// Errors: as CompilePlan()
absl::StatusOr<RolloutPlan> CompileAgain(const Fleet& fleet,
                                         const Rollout& rollout);

}  // namespace baton::core

#endif  // SERVICE_CORE_COMPILE_H_
