#ifndef DRIVER_SHIM_SOFTGPU_ENGINE_H_
#define DRIVER_SHIM_SOFTGPU_ENGINE_H_

#include <atomic>
#include <cstdint>
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

 private:
  void Run();
  // Follows the host's run request. Returns whether commands may be executed.
  bool MayRun();
  void ForwardMailbox();
  // Executes commands until there are none or it must look up. Returns whether
  // any was executed.
  bool RunSome();
  void RunOne(uint64_t sequence);
  void RecordFault(uint32_t code, uint64_t sequence);
  void Notify(uint64_t completed);
  void Interrupt(uint8_t message);

  const Options options_;
  uint64_t mailbox_seen_ = 0;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_ENGINE_H_
