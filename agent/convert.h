#ifndef AGENT_CONVERT_H_
#define AGENT_CONVERT_H_

#include <string>

#include "absl/time/time.h"
#include "agent/core/phase.h"
#include "agent/core/update.h"
#include "baton/v1/agent.pb.h"
#include "baton/v1/rollout.pb.h"
#include "baton/v1/shim.pb.h"
#include "baton/v1/update.pb.h"
#include "google/protobuf/duration.pb.h"

namespace baton::agent {

// Between the core's types and the wire's. Pure; no direction can fail: what
// the wire leaves out becomes the default.

v1::Step ToProto(core::Step step);
v1::UpdateState ToProto(core::End end);  // RUNNING when it has not ended
void ToProto(absl::Duration duration, google::protobuf::Duration& proto);
void ToProto(const core::Image& image, v1::DriverImage& proto);
void ToProto(const core::StepRecord& record, v1::StepRecord& proto);
void ToProto(const core::VirtualGpuResult& vgpu, v1::VirtualGpuResult& proto);
v1::UpdateReport ReportOf(const core::Update& update);

absl::Duration FromProto(const google::protobuf::Duration& proto);
core::Image FromProto(const v1::DriverImage& proto);
core::AdapterState FromProto(v1::AdapterState proto);
core::StepRecord FromProto(const v1::StepResult& proto);
core::StepRecord FromProto(const v1::StepRecord& proto);
core::VirtualGpuResult FromProto(const v1::VirtualGpuResult& proto);
core::Deadlines FromProto(const v1::StepDeadlines& proto);
core::Order FromProto(const v1::Order& proto);

// Returns what `proto`, an order that is no cancel, asks for that this release
// does not do, for people; empty when it knows all of it.
std::string UnknownIn(const v1::Order& proto);

}  // namespace baton::agent

#endif  // AGENT_CONVERT_H_
