#ifndef DRIVER_SHIM_SOFTGPU_GUEST_MAILBOX_CLIENT_H_
#define DRIVER_SHIM_SOFTGPU_GUEST_MAILBOX_CLIENT_H_

#include <optional>

#include "driver-shim/softgpu/guest/heap.h"
#include "driver-shim/softgpu/registers.h"

namespace baton::softgpu {

// The tenant's end of its mailbox. Never waits: a driver that is being replaced
// answers late.
class MailboxClient {
 public:
  // `page` outlives it. Goes on from whatever sequence it stands at.
  explicit MailboxClient(softgpu_vf* page) : page_(page) {}

  // Whether a request was posted and not yet answered.
  bool Busy() const;

  // Posts a request; only when not Busy().
  void Post(const MailboxRequest& request);

  // Returns the answer to the last posted request, once.
  std::optional<MailboxAnswer> Poll();

 private:
  softgpu_vf* const page_;
  bool waiting_ = false;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_GUEST_MAILBOX_CLIENT_H_
