#ifndef TESTS_VM_CLIENT_CONTROL_H_
#define TESTS_VM_CLIENT_CONTROL_H_

#include <functional>
#include <string>

namespace baton::vm {

enum class ClientState { kRunning, kPaused, kClosed };

// What one request leads to.
struct Answer {
  std::string line = "";         // without its end
  bool with_descriptor = false;  // of the device
};

// What the client does when it is asked to; see Handle.
struct ClientPort {
  std::function<void()> close = {};
  std::function<std::string()> open = {};  // "" or what went wrong
  std::string status = "";                 // what STATUS adds
};

// Carries out one line of the control protocol (docs/KVM.md), and moves
// `state` on. A request that is out of order changes nothing.
Answer Handle(const std::string& request, ClientState& state,
              const ClientPort& port);

}  // namespace baton::vm

#endif  // TESTS_VM_CLIENT_CONTROL_H_
