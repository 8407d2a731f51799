#ifndef DRIVER_SHIM_PORT_HOST_RECORDER_H_
#define DRIVER_SHIM_PORT_HOST_RECORDER_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "driver-shim/port/host_protocol.h"
#include "driver-shim/port/rules.h"

namespace baton::port {

// Writes down what happens in the driver host, in memory that the shim can read
// even when the host has died. Confined to the driver host's main thread, but
// for RecordDeath().
class HostRecorder {
 public:
  explicit HostRecorder(HostStatus& status) : status_(status) {}

  // A command begins: forgets the calls of the one before.
  void Begin();
  // It ends. Returns the rule that was broken since the last one ended, and
  // forgets it.
  BrokenRule End();

  // Calls `call`, which returns NTSTATUS, as `entry_point`, and records it.
  template <typename Call>
  NTSTATUS Record(EntryPoint entry_point, Call call) {
    const int64_t begin = Enter(entry_point);
    const NTSTATUS nt_status = call();
    Leave(entry_point, nt_status, begin);
    return nt_status;
  }

  // As Record(), without an entry in the list of calls.
  template <typename Call>
  void Mark(EntryPoint entry_point, Call call) {
    const int64_t begin = Enter(entry_point);
    call();
    Exit(begin);
  }

  // Notes that a rule was broken. Of several the first is kept, but what a
  // command breaks goes before what was broken since the last one. Logs each.
  void Break(const Violation& violation);
  bool broken() const { return status_.rule != 0; }

  void Log(absl::string_view line);

  // How the shim wants the driver to be treated.
  const Hostility& hostility() const { return status_.hostility; }
  // Counts an allocation. Returns whether it must fail.
  bool AllocationFails() {
    const uint32_t number = ++status_.allocations;
    return number == status_.hostility.failing_allocation;
  }

  // Whether the shim has given Save up.
  bool refuses_saves() const { return status_.refuse_saves != 0; }

  // Notes the signal that ends the process. Async-signal-safe.
  void RecordDeath(int signal, uint64_t fault_address);
  // As Break(), without a log line. Async-signal-safe.
  void BreakInSignal(int rule, const char* message);

 private:
  bool Keeps() const;
  int64_t Enter(EntryPoint entry_point);
  int64_t Exit(int64_t begin);
  void Leave(EntryPoint entry_point, NTSTATUS nt_status, int64_t begin);

  HostStatus& status_;
  bool in_command_ = false;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_HOST_RECORDER_H_
