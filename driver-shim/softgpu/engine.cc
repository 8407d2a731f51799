#include "driver-shim/softgpu/engine.h"

#include <unistd.h>

#include <cstring>

#include "driver-shim/softgpu/doorbell.h"

namespace baton::softgpu {
namespace {

// Reads a command once, so that what was checked is what is executed.
softgpu_command Fetch(const softgpu_command& slot) {
  softgpu_command command = {};
  std::memcpy(&command, &slot, sizeof(command));
  return command;
}

}  // namespace

Engine::Engine(const Options& options)
    : options_(options), thread_([this] { Run(); }) {}

Engine::~Engine() {
  stopping_ = true;
  softgpu_ring(&options_.page->doorbell);
  thread_.join();
}

void Engine::Run() {
  while (!stopping_) {
    // Read before looking: whoever changes anything rings after it.
    const uint32_t doorbell = softgpu_read32(&options_.page->doorbell);
    // Taken for no longer than it takes to follow a request.
    while (turn_.test_and_set(std::memory_order_acquire)) {
      std::this_thread::yield();
    }
    ForwardMailbox();
    if (Follow() == Change::kStarted) InterruptStarted();
    const bool ran =
        softgpu_read32(&options_.control->run_state) == SOFTGPU_RUN &&
        RunSome();
    turn_.clear(std::memory_order_release);
    if (!ran && !stopping_) {
      softgpu_wait(&options_.page->doorbell, doorbell, -1);
    }
  }
}

std::optional<Engine::Change> Engine::TryFollow() {
  if (turn_.test_and_set(std::memory_order_acquire)) return std::nullopt;
  const Change change = Follow();
  turn_.clear(std::memory_order_release);
  return change;
}

void Engine::Announce() {
  InterruptStarted();
  softgpu_ring(&options_.page->doorbell);
}

Engine::Change Engine::Follow() {
  softgpu_function* control = options_.control;
  const uint32_t request = softgpu_read32(&control->run_request);
  if (softgpu_read32(&control->run_state) == request) return Change::kNone;
  const bool starts = request == SOFTGPU_RUN;
  softgpu_write64(starts ? &control->started_ns : &control->stopped_ns,
                  softgpu_now_ns());
  softgpu_write_and_wake(&control->run_state, request);
  return starts ? Change::kStarted : Change::kStopped;
}

void Engine::ForwardMailbox() {
  const uint64_t request =
      softgpu_read64(&options_.page->mailbox.request_sequence);
  if (request == mailbox_seen_) return;
  mailbox_seen_ = request;
  Interrupt(static_cast<uint8_t>(SOFTGPU_INTERRUPT_MAILBOX |
                                 options_.page->function));
}

bool Engine::RunSome() {
  softgpu_function* control = options_.control;
  uint64_t next = control->completed + 1;
  const uint64_t submitted = softgpu_read64(&options_.page->submitted);
  if (submitted < next) return false;
  if (submitted - control->completed > SOFTGPU_RING_SLOTS) {
    if (control->fault_code == SOFTGPU_FAULT_NONE) {
      RecordFault(SOFTGPU_FAULT_RING, submitted);
    }
    return false;
  }
  for (; next <= submitted && !stopping_; ++next) {
    if (softgpu_read32(&control->run_request) != SOFTGPU_RUN) break;
    RunOne(next);
    Notify(next);
  }
  return true;
}

void Engine::RunOne(uint64_t sequence) {
  softgpu_function* control = options_.control;
  softgpu_command* slot = &options_.page->ring[sequence % SOFTGPU_RING_SLOTS];
  const softgpu_command command = Fetch(*slot);
  const uint32_t fault =
      command.sequence != sequence
          ? static_cast<uint32_t>(SOFTGPU_FAULT_SEQUENCE)
          : Check(command, options_.window, control->contexts);
  if (fault == SOFTGPU_FAULT_NONE) {
    Execute(command, options_.window, &control->hash_chain[command.context],
            &control->fence_value);
    softgpu_write64(&options_.page->fence_value, control->fence_value);
  } else {
    RecordFault(fault, sequence);
  }
  slot->fault = fault;
  slot->order = static_cast<uint32_t>(control->completed + 1);
  slot->executions = command.executions + 1;
  softgpu_write64(&control->completed, sequence);
  softgpu_write64(&options_.page->completed, sequence);
}

void Engine::RecordFault(uint32_t code, uint64_t sequence) {
  softgpu_function* control = options_.control;
  if (control->fault_count == 0) {
    control->fault_code = code;
    control->fault_sequence = sequence;
    softgpu_write32(&options_.page->fault_code, code);
  }
  softgpu_write64(&control->fault_count, control->fault_count + 1);
}

void Engine::Notify(uint64_t completed) {
  const uint64_t at =
      __atomic_load_n(&options_.page->notify_at, __ATOMIC_SEQ_CST);
  if (at == 0 || completed < at) return;
  softgpu_write64(&options_.page->notify_at, 0);
  softgpu_ring(&options_.page->completion_doorbell);
}

void Engine::InterruptStarted() {
  Interrupt(static_cast<uint8_t>(SOFTGPU_INTERRUPT_STARTED |
                                 options_.page->function));
}

void Engine::Interrupt(uint8_t message) {
  // A full line loses the interrupt, as hardware would; drivers look for
  // requests when they start.
  const ssize_t written = write(options_.interrupt_fd, &message, 1);
  static_cast<void>(written);
}

}  // namespace baton::softgpu
