#ifndef DRIVER_SHIM_VFIO_TESTING_FAKE_WORLD_H_
#define DRIVER_SHIM_VFIO_TESTING_FAKE_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "driver-shim/vfio/config.h"
#include "driver-shim/vfio/holder.h"
#include "driver-shim/vfio/kernel.h"

namespace baton::vfio {

// A host with a module, guests and what happens to them, as it is whoever
// drives it. It outlives the shims that come and go, and it counts what is
// done to it, so that one of them can be cut off at any call.
class FakeWorld {
 public:
  // What a module's file does once it is loaded; by path.
  struct Module {
    std::string load_error = "";     // not loaded, for that reason
    std::string restore_error = "";  // refuses what it is given
    bool loses = false;              // takes it, and forgets
    bool held = false;               // somebody else holds it
  };

  struct Guest {
    bool there = true;  // its process
    bool runs = true;
    bool holds = true;       // the device
    bool adopted = true;     // the one that holds it may run
    bool idle = false;       // goes on, and does nothing
    uint32_t user = 0;       // as whom
    std::string state = "";  // in the device; grows while it runs
    std::string truth = "";  // as it was when it ran last
    int ready = 0;           // what was made ready and not dismissed
    bool saved = false;      // since it ran last
    int saves_max = 1000;
  };

  // How a call ends, which `Call()` decides.
  enum class Fate { kDone, kFailed, kCutOffBefore, kCutOffAfter };

  explicit FakeWorld(const std::vector<std::string>& guests);

  // Every call of a port goes through here: what it does, unless the shim was
  // cut off before.
  absl::Status Call(const std::string& name,
                    const std::function<absl::Status()>& effect);

  // From the call with that number on, counted from 0, the shim does nothing
  // any more; whether that call itself has its effect is said too.
  void CutOff(int call, bool after) {
    cut_ = call;
    cut_after_ = after;
  }
  // Another shim begins.
  void Revive() {
    cut_ = -1;
    dead_ = false;
    calls_.clear();
  }
  // Called before each call, with its name.
  std::function<void(const std::string& name)> on_call =
      [](const std::string& /*name*/) {};
  // Called once, at the instant at which a shim is cut off.
  std::function<void()> on_cut = [] {};

  // The call of that name fails, as often as said.
  void Fail(const std::string& name, int times = 1) { failures_[name] = times; }

  bool dead() const { return dead_; }
  const std::vector<std::string>& calls() const { return calls_; }
  std::map<std::string, Guest>& guests() { return guests_; }
  std::map<std::string, Module>& modules() { return modules_; }
  std::string loaded = "";           // path; "": none
  std::string build_id = "";         // of what is loaded
  std::set<std::string> vgpus = {};  // UUIDs that exist
  // Who may open a vGPU, by UUID; root of those that are not named.
  std::map<std::string, Access> access = {};
  // The next of them that is restored is given to root just before.
  bool udev_interferes = false;
  std::vector<Occupant> strangers = {};
  std::vector<core::Blocker> blockers = {};
  int preflights = 0;          // how often a guest was looked at
  bool running_twice = false;  // ever
  std::string boot_id = "boot-1";

  // What is wrong now; "" when nothing: every guest there runs, as it was.
  std::string Wrong() const;

  std::unique_ptr<Kernel> NewKernel();
  std::unique_ptr<Holder> NewHolder(const std::string& guest);

 private:
  std::map<std::string, Guest> guests_;
  std::map<std::string, Module> modules_;
  std::map<std::string, int> failures_;
  std::vector<std::string> calls_;
  int cut_ = -1;
  bool cut_after_ = false;
  bool dead_ = false;
};

// A configuration with clients of these names.
Config ConfigOf(const std::vector<std::string>& guests);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_TESTING_FAKE_WORLD_H_
