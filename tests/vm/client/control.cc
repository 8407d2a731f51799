#include "tests/vm/client/control.h"

#include <string>

namespace baton::vm {
namespace {

const char* Name(ClientState state) {
  switch (state) {
    case ClientState::kRunning:
      return "RUNNING";
    case ClientState::kPaused:
      return "PAUSED";
    case ClientState::kClosed:
      return "CLOSED";
  }
  return "?";
}

Answer OutOfOrder(const std::string& request, ClientState state) {
  return {.line = "ERROR OUT_OF_ORDER " + request + " while " + Name(state)};
}

Answer Open(ClientState& state, const ClientPort& port) {
  const std::string error = port.open();
  if (!error.empty()) return {.line = "ERROR OPEN_FAILED " + error};
  state = ClientState::kPaused;
  return {.line = "OK", .with_descriptor = true};
}

}  // namespace

Answer Handle(const std::string& request, ClientState& state,
              const ClientPort& port) {
  if (request == "STATUS") {
    return {.line = std::string("OK state=") + Name(state) + " " + port.status};
  }
  if (request == "PAUSE" && state != ClientState::kClosed) {
    state = ClientState::kPaused;
    return {.line = "OK", .with_descriptor = true};
  }
  if (request == "CLOSE" && state != ClientState::kRunning) {
    port.close();
    state = ClientState::kClosed;
    return {.line = "OK"};
  }
  if (request == "OPEN" && state == ClientState::kPaused) {
    return {.line = "OK", .with_descriptor = true};
  }
  if (request == "OPEN" && state == ClientState::kClosed) {
    return Open(state, port);
  }
  if (request == "RESUME" && state != ClientState::kClosed) {
    state = ClientState::kRunning;
    return {.line = "OK"};
  }
  return OutOfOrder(request, state);
}

}  // namespace baton::vm
