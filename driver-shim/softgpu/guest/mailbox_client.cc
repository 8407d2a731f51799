#include "driver-shim/softgpu/guest/mailbox_client.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "driver-shim/softgpu/doorbell.h"

namespace baton::softgpu {

bool MailboxClient::Busy() const {
  return waiting_ || page_->mailbox.request_sequence !=
                         softgpu_read64(&page_->mailbox.response_sequence);
}

void MailboxClient::Post(const MailboxRequest& request) {
  CHECK(!Busy());
  softgpu_mailbox& mailbox = page_->mailbox;
  mailbox.opcode = request.opcode;
  std::copy(std::begin(request.arguments), std::end(request.arguments),
            mailbox.arguments);
  softgpu_write64(&mailbox.request_sequence, mailbox.request_sequence + 1);
  softgpu_ring(&page_->doorbell);
  waiting_ = true;
}

std::optional<MailboxAnswer> MailboxClient::Poll() {
  const softgpu_mailbox& mailbox = page_->mailbox;
  if (!waiting_ ||
      softgpu_read64(&mailbox.response_sequence) != mailbox.request_sequence) {
    return std::nullopt;
  }
  waiting_ = false;
  MailboxAnswer answer;
  answer.status = mailbox.status;
  std::copy(std::begin(mailbox.results), std::end(mailbox.results),
            answer.results);
  return answer;
}

}  // namespace baton::softgpu
