#ifndef SERVICE_CORE_PREDICT_H_
#define SERVICE_CORE_PREDICT_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "service/core/history.h"
#include "service/core/host.h"
#include "service/core/rollout.h"

namespace baton::core {

// What the update of one host will cost.
struct Prediction {
  uint64_t saved_bytes = 0;
  absl::Duration blackout = absl::ZeroDuration();  // longest of a vGPU
  absl::Duration duration = absl::ZeroDuration();  // from slot to final report

  bool operator==(const Prediction&) const = default;
};

// Returns what history says of vGPUs of the same kind: the mean of their bytes,
// the 99th percentile of their blackouts, the mean time of their hosts. A kind
// without history is taken by its size: one byte of saved state for 64 of VRAM
// and 1 MiB beside, handed over at 1 GiB/s, and 100 ms for the driver itself to
// stop, load and start; 30 s for a host.
Prediction Predict(const History& history, const Host& host,
                   const std::string& to_driver);

// Sets the plan's estimates: its longest blackout, how long it takes, and when
// it would end if it were started at `now`. Hosts go as many at once as the
// limits allow; a wave bakes unless it is the last.
//
// `durations`  of each host, by wave and place in it
void Estimate(const RolloutSpec& spec,
              const std::vector<std::vector<absl::Duration>>& durations,
              absl::Time now, RolloutPlan& plan);

}  // namespace baton::core

#endif  // SERVICE_CORE_PREDICT_H_
