#ifndef DRIVER_SHIM_SOFTGPU_ENGINE_H_
#define DRIVER_SHIM_SOFTGPU_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include "driver-shim/softgpu/execute.h"
#include "driver-shim/softgpu/registers.h"

namespace baton::softgpu {

// The engine of one virtual function: executes its ring in order, on a thread
// of its own, from construction to destruction. Sleeps when there is nothing to
// do or when the host has paused it, always between two commands. Its state is
// in the registers alone.
class Engine {
 public:
  // What became of the host's run request.
  enum class Change { kNone, kStopped, kStarted };

  // Where the engine finds its registers; all outlive it.
  struct Options {
    softgpu_function* control = nullptr;
    softgpu_vf* page = nullptr;
    Window window = {};
    int interrupt_fd = -1;
  };

  explicit Engine(const Options& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Follows the host's run request if the engine is between two commands; no
  // thread has to be woken for it. nullopt: it is not, and follows by itself if
  // its doorbell is rung. Any thread; does not block.
  std::optional<Change> TryFollow();
  // Tells of a start that TryFollow() made, and has the engine look for work.
  void Announce();

 private:
  void Run();
  Change Follow();
  void ForwardMailbox();
  // Executes commands until there are none or it must look up. Returns whether
  // any was executed.
  bool RunSome();
  void RunOne(uint64_t sequence);
  void RecordFault(uint32_t code, uint64_t sequence);
  void Notify(uint64_t completed);
  void InterruptStarted();
  void Interrupt(uint8_t message);

  const Options options_;
  uint64_t mailbox_seen_ = 0;
  // Held by whoever executes, or follows a request.
  std::atomic_flag turn_ = ATOMIC_FLAG_INIT;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_ENGINE_H_
