#include "driver-shim/softgpu/guest/report.h"

#include "absl/strings/str_format.h"

namespace baton::softgpu {

std::string Report::ToJson() const {
  return absl::StrFormat(
      R"({"name":"%s","function":%d,"commands":%d,"lost":%d,)"
      R"("duplicated":%d,"reordered":%d,"wrong":%d,"faults":%d,)"
      R"("mailbox_errors":%d,"mailbox_requests":%d,"stalls":%d,)"
      R"("longest_gap_ms":%.3f})",
      name, function, commands, lost, duplicated, reordered, wrong, faults,
      mailbox_errors, mailbox_requests, stalls, longest_gap_ms);
}

}  // namespace baton::softgpu
