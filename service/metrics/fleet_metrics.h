#ifndef SERVICE_METRICS_FLEET_METRICS_H_
#define SERVICE_METRICS_FLEET_METRICS_H_

#include <vector>

#include "prometheus/metric_family.h"
#include "service/core/fleet.h"

namespace baton::metrics {

// Returns what a monitoring system wants to know of `fleet`, in base units. Of
// rollouts that are active each is there with its hosts by state, which is its
// progress, and with each gate that is shut, which is what it waits for; of all
// others only how many there are. Walks rollouts, but neither hosts nor
// updates.
std::vector<prometheus::MetricFamily> MetricsOf(const core::Fleet& fleet);

}  // namespace baton::metrics

#endif  // SERVICE_METRICS_FLEET_METRICS_H_
