#include "tests/support/fake_agent.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tests/support/stage.h"

namespace baton::support {

using core::UpdateState;
// The unqualified name is a member function here.
using UpdateStep = core::Step;

core::HostConnected FakeAgent::Hello() const {
  core::HostConnected hello;
  hello.host = host_;
  hello.stream = stream;
  hello.boot_id = "boot-1";
  hello.agent_version = "0.1";
  hello.inventory = Inventory();
  hello.epoch = epoch_;
  hello.finished_attempt = finished_;
  return hello;
}

core::Inventory FakeAgent::Inventory() const { return MakeInventory(version_); }

void FakeAgent::OnOrder(const core::Order& order) {
  if (order.epoch < epoch_) return;
  epoch_ = order.epoch;
  if (order.attempt <= finished_) return;
  if (running_ && order.attempt != report_.attempt) return;
  switch (order.kind) {
    case core::OrderKind::kStart:
      if (!running_) Begin(order);
      return;
    case core::OrderKind::kCancel:
      if (!running_) Begin(order);
      if (!report_.past_no_return) End(UpdateState::kCancelled, "CANCELLED");
      return;
  }
}

void FakeAgent::Begin(const core::Order& order) {
  ++begun_[order.attempt];
  running_ = true;
  unacknowledged_ = true;
  report_ = core::UpdateReport{};
  report_.rollout = order.rollout;
  report_.attempt = order.attempt;
  report_.sequence = 1;
}

void FakeAgent::Step() {
  if (!running_) return;
  const bool save = report_.step == UpdateStep::kPause;
  const bool restore = report_.step == UpdateStep::kSwitch;
  if (save && driver == Driver::kSaveFails) {
    End(UpdateState::kCancelled, "SAVE_FAILED");
  } else if (restore && driver == Driver::kRestoreFails) {
    End(UpdateState::kRolledBack, "RESTORE_FAILED");
  } else if (restore && driver == Driver::kLosesVgpu) {
    report_.vgpus = {{1, "guest-1", false, absl::Milliseconds(5), "missing"}};
    End(UpdateState::kQuarantined, "VGPU_LOST");
  } else {
    Advance();
  }
}

void FakeAgent::Advance() {
  auto next = static_cast<UpdateStep>(static_cast<int>(report_.step) + 1);
  if (next == UpdateStep::kCancel) next = UpdateStep::kUnload;
  report_.step = next;
  report_.steps.push_back({.step = next});
  ++report_.sequence;
  if (next == UpdateStep::kUnload) report_.past_no_return = true;
  if (next != UpdateStep::kReopenGate) return;
  report_.vgpus = {{1, "guest-1", true, absl::Milliseconds(5), ""}};
  version_ = "2.0";
  End(UpdateState::kDone, "");
}

void FakeAgent::End(UpdateState state, const std::string& reason) {
  CHECK(ends_.count(report_.attempt) == 0);
  ++report_.sequence;
  report_.state = state;
  report_.reason = reason;
  ends_[report_.attempt] = state;
  finished_ = report_.attempt;
  running_ = false;
  quarantined_ = state == UpdateState::kQuarantined;
}

std::optional<core::UpdateReport> FakeAgent::Report() const {
  if (!running_ && !unacknowledged_) return std::nullopt;
  return report_;
}

void FakeAgent::OnAck(uint64_t attempt, uint64_t sequence) {
  if (running_ || attempt != report_.attempt) return;
  if (sequence == report_.sequence) unacknowledged_ = false;
}

int FakeAgent::Begun(uint64_t attempt) const {
  const auto found = begun_.find(attempt);
  return found == begun_.end() ? 0 : found->second;
}

std::optional<UpdateState> FakeAgent::EndOf(uint64_t attempt) const {
  const auto found = ends_.find(attempt);
  if (found == ends_.end()) return std::nullopt;
  return found->second;
}

}  // namespace baton::support
