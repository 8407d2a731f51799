#ifndef DRIVER_SHIM_VERIFY_TRIAL_H_
#define DRIVER_SHIM_VERIFY_TRIAL_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/hostility.h"
#include "driver-shim/verify/ledger.h"
#include "driver-shim/verify/stand.h"

namespace baton::verify {

// The drivers of an update.
struct Pair {
  port::DriverImage old = {};   // what the stand was begun with
  port::DriverImage next = {};  // may be the same
  std::string subject = "";     // digest of the one that is verified
};

// One sequence on a stand: takes its steps, and holds what goes wrong against
// the driver that is verified. The first thing that does ends it.
class Trial {
 public:
  Trial(Stand& stand, Ledger& ledger, const Pair& pair, std::string name)
      : stand_(stand), ledger_(ledger), pair_(pair), name_(std::move(name)) {}

  // Takes steps that a good driver gets through. Returns whether it did.
  bool Do(const std::vector<port::AdapterStep>& steps,
          const port::DriverImage& image);
  bool Do(const std::vector<port::AdapterStep>& steps) {
    return Do(steps, pair_.next);
  }

  // Takes a step under hostility, which a good driver gets through or refuses,
  // and in doing either breaks no rule.
  struct Survived {
    bool intact = false;     // else it was held against the driver
    bool succeeded = false;  // else it was refused
  };
  // `rule`  what a crash, which has no rule of its own, is held against
  Survived Survive(port::AdapterStep step, const port::Hostility& hostility,
                   int rule);

  // A step of a sequence that has none of the above.
  bool Check(bool holds, int rule, const std::string& message);
  void Credit(int rule) { ledger_.Credit(rule); }

  // What every sequence must leave: a driver that serves everybody.
  bool Serves();

  Stand& stand() { return stand_; }
  const Pair& pair() const { return pair_; }
  // Of the last Save.
  port::SavedState saved() const { return saved_; }

 private:
  // Returns whether nothing is wrong with it.
  bool Judge(port::AdapterStep step,
             const absl::StatusOr<port::StepReport>& report);
  Role RoleNow() const;
  void Note(port::AdapterStep step, const port::DriverImage& image);

  Stand& stand_;
  Ledger& ledger_;
  const Pair& pair_;
  const std::string name_;
  std::string saver_ = "";     // digest of the driver that saved last
  std::string restored_ = "";  // and of the one that was given it
  port::SavedState saved_ = {};
};

// A way to try a driver.
struct Sequence {
  std::string name = "";
  std::function<void(Trial& trial)> run = {};
};

// The steps of an update up to Unload, after it, and all of them.
std::vector<port::AdapterStep> ToUnload();
std::vector<port::AdapterStep> FromRestore();
std::vector<port::AdapterStep> WholeUpdate();

// What the documented order allows: whole updates, cancelled at each step, the
// way back from each step, reverse updates. Any stand that serves will do.
std::vector<Sequence> LegalSequences();

// What a host may do to a driver nonetheless: no memory at the n-th allocation,
// blocks in another order, or damaged.
enum class Effort { kQuick, kThorough };
std::vector<Sequence> HostileSequences(Effort effort, uint64_t seed);

}  // namespace baton::verify

#endif  // DRIVER_SHIM_VERIFY_TRIAL_H_
