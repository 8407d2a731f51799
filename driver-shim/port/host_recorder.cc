#include "driver-shim/port/host_recorder.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace baton::port {
namespace {

int64_t NowNs() { return absl::ToInt64Nanoseconds(RealClock().Monotonic()); }

template <size_t size>
void Copy(std::array<char, size>& to, absl::string_view from) {
  const size_t bytes = std::min(from.size(), size - 1);
  std::memcpy(to.data(), from.data(), bytes);
  to[bytes] = '\0';
}

}  // namespace

void HostRecorder::Begin() {
  status_.calls = 0;
  status_.allocations = 0;
  in_command_ = true;
}

BrokenRule HostRecorder::End() {
  in_command_ = false;
  BrokenRule broken = {.rule = status_.rule,
                       .between = status_.rule_between,
                       .entry_point = status_.rule_entry_point,
                       .message = status_.rule_message};
  status_.rule = 0;
  return broken;
}

// Whether the broken rule that is kept already stays.
bool HostRecorder::Keeps() const {
  return broken() && (!in_command_ || status_.rule_between == 0);
}

int64_t HostRecorder::Enter(EntryPoint entry_point) {
  status_.entry_point = entry_point;
  return NowNs();
}

// Returns how long the call took.
int64_t HostRecorder::Exit(int64_t begin) {
  status_.entry_point = EntryPoint::kNone;
  const int64_t elapsed_ns = NowNs() - begin;
  status_.driver_ns += elapsed_ns;
  return elapsed_ns;
}

void HostRecorder::Leave(EntryPoint entry_point, NTSTATUS nt_status,
                         int64_t begin) {
  const int64_t elapsed_ns = Exit(begin);
  const uint32_t index = status_.calls;
  if (index < kCallsMax) {
    status_.call[index] = {.entry_point = entry_point,
                           .nt_status = nt_status,
                           .elapsed_ns = elapsed_ns};
  }
  status_.calls = index + 1;
}

void HostRecorder::Break(const Violation& violation) {
  Log(absl::StrCat("rule R", violation.rule,
                   " is broken: ", violation.message));
  if (Keeps()) return;
  Copy(status_.rule_message, violation.message);
  const uint32_t calls = status_.calls;
  EntryPoint blamed = status_.entry_point;
  if (blamed == EntryPoint::kNone && calls > 0 && calls <= kCallsMax) {
    blamed = status_.call[calls - 1].entry_point;
  }
  status_.rule_entry_point = blamed;
  status_.rule_between = in_command_ ? 0 : 1;
  status_.rule = violation.rule;
}

void HostRecorder::Log(absl::string_view line) {
  const uint64_t index = status_.log_lines;
  Copy(status_.log[index % kLogLines], line);
  status_.log_lines = index + 1;
}

void HostRecorder::RecordDeath(int signal, uint64_t fault_address) {
  status_.fault_address = fault_address;
  status_.signal = signal;
}

void HostRecorder::BreakInSignal(int rule, const char* message) {
  if (Keeps()) return;
  Copy(status_.rule_message, message);
  status_.rule_between = in_command_ ? 0 : 1;
  status_.rule = rule;
}

}  // namespace baton::port
