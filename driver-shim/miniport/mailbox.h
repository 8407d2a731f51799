#ifndef DRIVER_SHIM_MINIPORT_MAILBOX_H_
#define DRIVER_SHIM_MINIPORT_MAILBOX_H_

#include <cstdint>

#include "driver-shim/miniport/guest_state.h"
#include "driver-shim/softgpu/registers.h"

namespace baton::miniport {

// Answers the request that waits in the guest's mailbox, if one does: changes
// `state` and, for contexts, the function's registers.
//
// `sequence`  of the last request that was answered; moves on by one
//
// Returns whether there was one.
bool ServeMailbox(GuestState* state, uint64_t* sequence,
                  softgpu_function* control, softgpu_mailbox* mailbox);

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_MAILBOX_H_
