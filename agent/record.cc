#include "agent/record.h"

#include "agent/convert.h"

namespace baton::agent {
namespace {

core::End EndOf(v1::UpdateState state) {
  switch (static_cast<int>(state)) {
    case v1::UPDATE_STATE_DONE:
      return core::End::kDone;
    case v1::UPDATE_STATE_CANCELLED:
      return core::End::kCancelled;
    case v1::UPDATE_STATE_ROLLED_BACK:
      return core::End::kRolledBack;
    case v1::UPDATE_STATE_QUARANTINED:
      return core::End::kQuarantined;
  }
  return core::End::kNone;
}

void OrderToProto(const core::Order& order, v1::Order& proto) {
  proto.set_rollout(order.rollout);
  proto.set_attempt(order.attempt);
  proto.mutable_driver()->set_name(order.driver);
  proto.mutable_driver()->set_digest(order.digest);
  proto.mutable_driver()->set_size_bytes(order.size_bytes);
  v1::StepDeadlines& to = *proto.mutable_deadlines();
  const core::Deadlines& from = order.deadlines;
  ToProto(from.prepare, *to.mutable_prepare());
  ToProto(from.gate, *to.mutable_gate());
  ToProto(from.pause, *to.mutable_pause());
  ToProto(from.save, *to.mutable_save());
  ToProto(from.unload, *to.mutable_unload());
  ToProto(from.restore, *to.mutable_restore());
  ToProto(from.verify, *to.mutable_verify());
  ToProto(from.resume, *to.mutable_resume());
  ToProto(from.confirm, *to.mutable_confirm());
  proto.set_without_way_back(order.without_way_back);
  if (order.hook_before.empty() && order.hook_after.empty()) return;
  proto.mutable_hooks()->set_before(order.hook_before);
  proto.mutable_hooks()->set_after(order.hook_after);
}

// What only people read of an update, and its end.
void TakeReport(const v1::UpdateReport& report, core::Update& update) {
  update.end = EndOf(report.state());
  update.sequence = report.sequence();
  update.past_no_return = report.past_no_return();
  update.reason = report.reason();
  update.message = report.message();
  update.saved = {report.saved().blocks(), report.saved().size_bytes()};
  for (const v1::StepRecord& step : report.steps()) {
    update.steps.push_back(FromProto(step));
  }
  for (const v1::VirtualGpuResult& vgpu : report.vgpus()) {
    update.vgpus[vgpu.partition_id()] = FromProto(vgpu);
  }
}

}  // namespace

store::v1::AgentUpdate RecordOf(const core::Update& update) {
  store::v1::AgentUpdate record;
  record.set_epoch(update.epoch);
  record.set_finished_attempt(update.finished_attempt);
  if (update.phase == core::Phase::kIdle) return record;
  OrderToProto(update.order, *record.mutable_order());
  record.set_backward(update.way == core::Way::kBack);
  record.set_paused(update.paused);
  record.set_cancel_wanted(update.cancel_wanted);
  record.set_doomed(update.doomed);
  record.set_one_way(update.one_way);
  ToProto(update.next, *record.mutable_next());
  ToProto(update.previous, *record.mutable_previous());
  record.set_next_package(update.next_package);
  record.set_previous_package(update.previous_package);
  record.set_acknowledged(update.acknowledged);
  record.set_shim_instance(update.shim_instance);
  record.set_boot_id(update.boot_id);
  for (const core::VirtualGpuIdentity& vgpu : update.present) {
    v1::VirtualGpu& added = *record.add_present();
    added.set_partition_id(vgpu.partition_id);
    added.set_luid(vgpu.luid);
    added.set_guest(vgpu.guest);
  }
  *record.mutable_report() = ReportOf(update);
  return record;
}

core::Update UpdateOf(const store::v1::AgentUpdate& record) {
  core::Update update;
  update.epoch = record.epoch();
  update.finished_attempt = record.finished_attempt();
  if (!record.has_order()) return update;
  update.order = FromProto(record.order());
  update.way = record.backward() ? core::Way::kBack : core::Way::kForward;
  update.paused = record.paused();
  update.cancel_wanted = record.cancel_wanted();
  update.doomed = record.doomed();
  update.one_way = record.one_way();
  update.next = FromProto(record.next());
  update.previous = FromProto(record.previous());
  update.next_package = record.next_package();
  update.previous_package = record.previous_package();
  update.acknowledged = record.acknowledged();
  update.shim_instance = record.shim_instance();
  update.boot_id = record.boot_id();
  for (const v1::VirtualGpu& vgpu : record.present()) {
    update.present.push_back({vgpu.partition_id(), vgpu.luid(), vgpu.guest()});
  }
  TakeReport(record.report(), update);
  update.phase = update.end == core::End::kNone ? core::Phase::kUnknown
                                                : core::Phase::kEnded;
  return update;
}

}  // namespace baton::agent
