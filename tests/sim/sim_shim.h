#ifndef TESTS_SIM_SIM_SHIM_H_
#define TESTS_SIM_SIM_SHIM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/ports.h"
#include "driver-shim/port/ordered_run.h"
#include "tests/sim/fault.h"

namespace baton::sim {

// The shim of one simulated host, with a driver, an adapter and guests that
// know what happened to them: it says what is true, whatever others believe.
class SimShim final : public agent::Shim {
 public:
  // Returns what is to go wrong with `step`, and forgets it.
  using DrawFault = std::function<StepFault(agent::core::Step step)>;

  SimShim(agent::core::Image image, DrawFault draw);

  absl::StatusOr<agent::Sight> Inspect(absl::Duration deadline,
                                       agent::Depth depth) override;
  agent::core::Outcome Run(const agent::ShimStep& step) override;

  // What the agent's process knew is gone.
  void Forget() { told_.clear(); }
  // The host goes down and comes up with the driver `image`: other vGPUs, and
  // nothing of what was saved.
  void Reboot(agent::core::Image image);

  // How long what was done since the last call took.
  absl::Duration TakeTime() {
    return std::exchange(took_, absl::ZeroDuration());
  }

  // Whether guests can be let onto the host (S4): engines run on a driver that
  // is well, nobody was lost, and what was unloaded was confirmed. Otherwise
  // says why not.
  absl::Status Sound() const;
  // A person has looked, and set the host right.
  void Repair();

  int lives() const { return lives_; }
  bool engines_run() const { return engines_run_; }
  const std::optional<agent::core::Image>& image() const { return image_; }

  // The first thing that was asked of it which nobody may ask.
  absl::Status violation = absl::OkStatus();

 private:
  using State = agent::core::AdapterState;
  using Step = agent::core::Step;

  struct Told {
    uint64_t attempt = 0;
    Step step = Step::kInspect;
    agent::core::Outcome outcome = {};
  };

  // Takes the first, and the others in its wake, unless it was taken so.
  // Returns what the first did.
  agent::core::Outcome Take(const std::vector<agent::ShimStep>& orders);
  agent::core::Outcome TakeOne(const agent::ShimStep& step);
  agent::core::Outcome Carry(const agent::ShimStep& step);
  void CarryCancel();
  void CarryUnload(const agent::ShimStep& step);
  void CarryRestore(const agent::ShimStep& step);
  agent::core::Outcome Fail(const agent::ShimStep& step, StepFault fault);
  void BreakDown(Step step, StepFault fault);
  bool Allowed(Step step) const;
  void Note(absl::string_view what);
  void SetLuids();

  const DrawFault draw_;
  v1::Adapter adapter_ = {};
  std::optional<agent::core::Image> image_;
  int lives_ = 1;
  State state_ = State::kRunning;
  uint64_t attempt_ = 0;
  absl::Duration took_ = absl::ZeroDuration();

  // What is true of guests. Each time that engines run, what was saved before
  // is stale.
  bool engines_run_ = true;
  uint64_t generation_ = 1;
  uint64_t saved_generation_ = 0;         // 0: nothing is saved
  bool vgpu_missing_ = false;             // in the driver that is loaded
  bool vgpu_lost_ = false;                // and its guest knows
  bool unconfirmed_ = false;              // unloaded, and not confirmed since
  std::map<uint64_t, int> unloads_ = {};  // of the first driver, by attempt
  bool restored_ = false;                 // another one, in this attempt

  std::map<Step, agent::core::Outcome> records_ = {};
  Step last_ = Step::kInspect;  // that succeeded

  // What was ordered at once, as the shim remembers it, and what the agent was
  // told of it in one answer.
  port::RunOf<agent::ShimStep, agent::core::Outcome> run_ = {};
  std::deque<Told> told_ = {};
  bool answer_lost_ = false;
};

}  // namespace baton::sim

#endif  // TESTS_SIM_SIM_SHIM_H_
