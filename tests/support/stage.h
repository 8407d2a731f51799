#ifndef TESTS_SUPPORT_STAGE_H_
#define TESTS_SUPPORT_STAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "service/core/apply.h"
#include "service/core/event.h"
#include "service/core/explain.h"
#include "service/core/fleet.h"

namespace baton::support {

// Names that tests of the service share.
inline constexpr char kOldDriver[] = "drivers/softgpu/versions/1.0";
inline constexpr char kNewDriver[] = "drivers/softgpu/versions/2.0";
inline constexpr char kRollout[] = "rollouts/r";

// Returns "hosts/host-N".
std::string HostName(int number);

// One GPU with two vGPUs, running softgpu `version`.
core::Inventory MakeInventory(const std::string& version);

// The package of softgpu `version`, which writes format 1 and reads 1 and 2.
core::Driver MakeDriver(const std::string& version);

// All hosts to 2.0, one wave, one at a time, no failure tolerated.
core::RolloutSpec MakeSpec();

// A fleet and its time, without a loop around it. Checks after every event that
// the invariants hold, that a refused event changed nothing, and that no event
// leaves more than one audit record; stops the test otherwise.
class Stage {
 public:
  // `hosts`  of the fleet, connected and READY with driver 1.0; the packages of
  //          1.0 and 2.0 are stored
  explicit Stage(int hosts);

  const core::Fleet& fleet() const { return fleet_; }
  const core::Host& host(int number) const;
  const core::Rollout& rollout(const std::string& name = kRollout) const;
  const core::Update& update(int number,
                             const std::string& rollout = kRollout) const;

  // Applies one event; `actor` is who asks.
  absl::StatusOr<core::Changes> Apply(core::EventBody body,
                                      const std::string& actor = "alice");
  // The same; only the status.
  absl::Status Try(core::EventBody body, const std::string& actor = "alice");
  // The same, and must succeed.
  core::Changes Do(core::EventBody body, const std::string& actor = "alice");

  // Decides until nothing is left to decide.
  void Settle();
  // Lets time pass, hears every connected host, and settles.
  void Advance(absl::Duration time);

  void Connect(int number, const std::string& version = "1.0");
  void Disconnect(int number);

  // Creates, plans and starts a rollout, and settles.
  void Start(const core::RolloutSpec& spec, const std::string& name = kRollout);
  void Plan(const std::string& name = kRollout);

  // The next report of the host's current attempt.
  core::UpdateReport ReportOf(int number, core::UpdateState state);
  // Applies it as the agent's word, and settles. DONE also shows the host with
  // the new driver.
  void Report(int number, core::UpdateState state);

  core::Explanation Explain(const std::string& rollout = kRollout) const;

 private:
  core::Fleet fleet_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  uint64_t last_stream_ = 0;
};

}  // namespace baton::support

#endif  // TESTS_SUPPORT_STAGE_H_
