#include "service/core/admission.h"

#include <algorithm>

namespace baton::core {

absl::Duration Admit(const AdmissionOptions& options, absl::Duration now,
                     Admission& admission) {
  if (admission.tokens < 0) {
    admission.tokens = options.burst;
  } else {
    const double grown =
        absl::ToDoubleSeconds(now - admission.at) * options.per_second;
    admission.tokens = std::min(options.burst, admission.tokens + grown);
  }
  admission.at = now;
  if (admission.tokens >= 1) {
    admission.tokens -= 1;
    return absl::ZeroDuration();
  }
  admission.promised =
      std::max(admission.promised, now) + absl::Seconds(1 / options.per_second);
  return admission.promised - now;
}

}  // namespace baton::core
