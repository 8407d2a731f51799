#include "agent/convert.h"

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"

namespace baton::agent {
v1::Step ToProto(core::Step step) {
  switch (step) {
    case core::Step::kPrepare:
      return v1::STEP_PREPARE;
    case core::Step::kCloseGate:
      return v1::STEP_CLOSE_GATE;
    case core::Step::kPause:
      return v1::STEP_PAUSE;
    case core::Step::kSave:
      return v1::STEP_SAVE;
    case core::Step::kCancel:
      return v1::STEP_CANCEL;
    case core::Step::kUnload:
      return v1::STEP_UNLOAD;
    case core::Step::kSwitch:
      return v1::STEP_SWITCH;
    case core::Step::kRestore:
      return v1::STEP_RESTORE;
    case core::Step::kVerify:
      return v1::STEP_VERIFY;
    case core::Step::kResume:
      return v1::STEP_RESUME;
    case core::Step::kConfirm:
      return v1::STEP_CONFIRM;
    case core::Step::kCommit:
      return v1::STEP_COMMIT;
    case core::Step::kReopenGate:
      return v1::STEP_REOPEN_GATE;
    case core::Step::kInspect:
      return v1::STEP_UNSPECIFIED;
  }
  std::abort();
}

v1::UpdateState ToProto(core::End end) {
  switch (end) {
    case core::End::kNone:
      return v1::UPDATE_STATE_RUNNING;
    case core::End::kDone:
      return v1::UPDATE_STATE_DONE;
    case core::End::kCancelled:
      return v1::UPDATE_STATE_CANCELLED;
    case core::End::kRolledBack:
      return v1::UPDATE_STATE_ROLLED_BACK;
    case core::End::kQuarantined:
      return v1::UPDATE_STATE_QUARANTINED;
  }
  std::abort();
}

namespace {

// The inverse; Inspect for what is not a step of the table.
core::Step StepFromProto(v1::Step proto) {
  for (int i = 0; i < static_cast<int>(core::kLastStep); ++i) {
    const auto step = static_cast<core::Step>(i);
    if (ToProto(step) == proto) return step;
  }
  return core::Step::kInspect;
}

v1::Step LastFinished(const core::Update& update) {
  v1::Step last = v1::STEP_UNSPECIFIED;
  for (const core::StepRecord& record : update.steps) {
    if (record.code == absl::StatusCode::kOk) last = ToProto(record.step);
  }
  return last;
}

// What a person is to know while a step is tried again and again.
void ShowTrouble(const core::Update& update, v1::UpdateReport& report) {
  if (update.failures == 0 || update.steps.empty()) return;
  const core::StepRecord& last = update.steps.back();
  if (report.reason().empty()) report.set_reason(last.reason);
  report.set_message(absl::StrCat(
      report.message(), report.message().empty() ? "" : "; ", "step '",
      core::Name(last.step), "' failed ", update.failures,
      " times and is tried again: ", last.message));
}

// The wire keeps the code as a number; one that absl does not know is UNKNOWN.
absl::StatusCode CodeOf(int code) {
  return absl::Status(static_cast<absl::StatusCode>(code), "").code();
}

}  // namespace

void ToProto(absl::Duration duration, google::protobuf::Duration& proto) {
  absl::Duration rest;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

void ToProto(const core::Image& image, v1::DriverImage& proto) {
  proto.set_path(image.path);
  proto.set_digest(image.digest);
  proto.set_driver(image.driver);
  proto.set_version(image.version);
}

void ToProto(const core::StepRecord& record, v1::StepRecord& proto) {
  proto.set_step(ToProto(record.step));
  if (record.start != absl::InfinitePast()) {
    const absl::Duration since = record.start - absl::UnixEpoch();
    absl::Duration rest;
    proto.mutable_start_time()->set_seconds(
        absl::IDivDuration(since, absl::Seconds(1), &rest));
    proto.mutable_start_time()->set_nanos(
        static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  }
  ToProto(record.elapsed, *proto.mutable_elapsed());
  proto.set_code(static_cast<int>(record.code));
  // Most steps have nothing to say.
  if (!record.reason.empty()) proto.set_reason(record.reason);
  if (!record.message.empty()) proto.set_message(record.message);
  if (record.nt_status.has_value()) proto.set_nt_status(*record.nt_status);
  if (!record.entry_point.empty()) proto.set_entry_point(record.entry_point);
  if (!record.rule.empty()) proto.set_rule(record.rule);
  proto.set_backward(record.way == core::Way::kBack);
}

void ToProto(const core::VirtualGpuResult& vgpu, v1::VirtualGpuResult& proto) {
  proto.set_partition_id(vgpu.partition_id);
  proto.set_guest(vgpu.guest);
  proto.set_preserved(vgpu.preserved);
  if (vgpu.blackout.has_value()) {
    ToProto(*vgpu.blackout, *proto.mutable_blackout());
  }
  if (!vgpu.difference.empty()) proto.set_difference(vgpu.difference);
}

v1::UpdateReport ReportOf(const core::Update& update) {
  v1::UpdateReport report;
  report.set_rollout(update.order.rollout);
  report.set_attempt(update.order.attempt);
  report.set_sequence(update.sequence);
  report.set_state(ToProto(update.end));
  report.set_step(LastFinished(update));
  report.set_past_no_return(update.past_no_return);
  for (const core::StepRecord& record : update.steps) {
    ToProto(record, *report.add_steps());
  }
  for (const auto& [partition, vgpu] : update.vgpus) {
    ToProto(vgpu, *report.add_vgpus());
  }
  report.set_reason(update.reason);
  report.set_message(update.message);
  ShowTrouble(update, report);
  report.mutable_saved()->set_blocks(update.saved.blocks);
  report.mutable_saved()->set_size_bytes(update.saved.size_bytes);
  return report;
}

absl::Duration FromProto(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

core::Image FromProto(const v1::DriverImage& proto) {
  return {proto.path(), proto.digest(), proto.driver(), proto.version()};
}

core::AdapterState FromProto(v1::AdapterState proto) {
  switch (static_cast<int>(proto)) {
    case v1::ADAPTER_STATE_EMPTY:
      return core::AdapterState::kEmpty;
    case v1::ADAPTER_STATE_RUNNING:
      return core::AdapterState::kRunning;
    case v1::ADAPTER_STATE_PREPARED:
      return core::AdapterState::kPrepared;
    case v1::ADAPTER_STATE_PAUSED:
      return core::AdapterState::kPaused;
    case v1::ADAPTER_STATE_SAVED:
      return core::AdapterState::kSaved;
    case v1::ADAPTER_STATE_UNLOADED:
      return core::AdapterState::kUnloaded;
    case v1::ADAPTER_STATE_RESTORED:
      return core::AdapterState::kRestored;
    case v1::ADAPTER_STATE_VERIFIED:
      return core::AdapterState::kVerified;
    case v1::ADAPTER_STATE_RESUMED:
      return core::AdapterState::kResumed;
    case v1::ADAPTER_STATE_CONFIRMED:
      return core::AdapterState::kConfirmed;
    case v1::ADAPTER_STATE_BROKEN:
      return core::AdapterState::kBroken;
  }
  return core::AdapterState::kUnknown;  // of a later release
}

core::StepRecord FromProto(const v1::StepResult& proto) {
  core::StepRecord record;
  record.code = CodeOf(proto.code());
  record.reason = proto.reason();
  record.message = proto.message();
  if (proto.has_nt_status()) record.nt_status = proto.nt_status();
  record.elapsed = FromProto(proto.elapsed());
  record.entry_point = proto.entry_point();
  record.rule = proto.rule();
  return record;
}

core::StepRecord FromProto(const v1::StepRecord& proto) {
  core::StepRecord record;
  record.step = StepFromProto(proto.step());
  record.way = proto.backward() ? core::Way::kBack : core::Way::kForward;
  if (proto.has_start_time()) {
    record.start = absl::FromUnixSeconds(proto.start_time().seconds()) +
                   absl::Nanoseconds(proto.start_time().nanos());
  }
  record.elapsed = FromProto(proto.elapsed());
  record.code = CodeOf(proto.code());
  record.reason = proto.reason();
  record.message = proto.message();
  if (proto.has_nt_status()) record.nt_status = proto.nt_status();
  record.entry_point = proto.entry_point();
  record.rule = proto.rule();
  return record;
}

core::VirtualGpuResult FromProto(const v1::VirtualGpuResult& proto) {
  core::VirtualGpuResult vgpu;
  vgpu.partition_id = proto.partition_id();
  vgpu.guest = proto.guest();
  vgpu.preserved = proto.preserved();
  if (proto.has_blackout()) vgpu.blackout = FromProto(proto.blackout());
  vgpu.difference = proto.difference();
  return vgpu;
}

core::Deadlines FromProto(const v1::StepDeadlines& proto) {
  core::Deadlines d;
  if (proto.has_prepare()) d.prepare = FromProto(proto.prepare());
  if (proto.has_gate()) d.gate = FromProto(proto.gate());
  if (proto.has_pause()) d.pause = FromProto(proto.pause());
  if (proto.has_save()) d.save = FromProto(proto.save());
  if (proto.has_unload()) d.unload = FromProto(proto.unload());
  if (proto.has_restore()) d.restore = FromProto(proto.restore());
  if (proto.has_verify()) d.verify = FromProto(proto.verify());
  if (proto.has_resume()) d.resume = FromProto(proto.resume());
  if (proto.has_confirm()) d.confirm = FromProto(proto.confirm());
  return d;
}

std::string UnknownIn(const v1::Order& proto) {
  const auto differs = [](int step, absl::string_view own) {
    return absl::StrCat("wants step ",
                        v1::Step_IsValid(step)
                            ? v1::Step_Name(static_cast<v1::Step>(step))
                            : absl::StrCat(step),
                        " where this release ", own);
  };
  if (proto.kind() != v1::ORDER_KIND_START) {
    return absl::StrCat("is of kind ", static_cast<int>(proto.kind()),
                        ", which this release does not know");
  }
  core::Phase phase = core::Phase::kAccepted;
  for (const int step : proto.steps()) {
    const auto arc = core::ArcOutOf(core::Way::kForward, phase);
    if (!arc.has_value()) return differs(step, "has ended");
    if (step != ToProto(arc->step)) {
      return differs(step, absl::StrCat("takes '", Name(arc->step), "'"));
    }
    phase = arc->to;
  }
  if (proto.steps().empty() || phase == core::Phase::kEnded) return "";
  return absl::StrCat("leaves off after '", Name(phase), "'");
}

core::Order FromProto(const v1::Order& proto) {
  core::Order order;
  order.rollout = proto.rollout();
  order.attempt = proto.attempt();
  order.driver = proto.driver().name();
  order.digest = proto.driver().digest();
  order.size_bytes = proto.driver().size_bytes();
  order.deadlines = FromProto(proto.deadlines());
  order.hook_before = proto.hooks().before();
  order.hook_after = proto.hooks().after();
  order.without_way_back = proto.without_way_back();
  return order;
}

}  // namespace baton::agent
