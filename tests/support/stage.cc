#include "tests/support/stage.h"

#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "service/core/invariants.h"
#include "service/core/names.h"
#include "service/core/plan.h"

namespace baton::support {
namespace {

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  CHECK(status.ok());
}

}  // namespace

std::string HostName(int number) { return absl::StrCat("hosts/host-", number); }

core::Inventory MakeInventory(const std::string& version) {
  core::Adapter adapter;
  adapter.name = "gpu0";
  adapter.model = "Baton SoftGPU S1";
  adapter.pci_id = "1b70:0001";
  adapter.driver = "softgpu";
  adapter.driver_version = version;
  adapter.image_digest = Sha256Of(version);
  adapter.hot_update_capable = true;
  adapter.vgpus = {{1, "0x1", "S1-64", "guest-1", 64 << 20},
                   {2, "0x2", "S1-64", "guest-2", 64 << 20}};
  return {{adapter}, "", uint64_t{1} << 36};
}

core::Driver MakeDriver(const std::string& version) {
  core::Driver driver;
  driver.name = absl::StrCat("drivers/softgpu/versions/", version);
  driver.digest = Sha256Of(driver.name);
  driver.size_bytes = 4096;
  driver.manifest = {"softgpu",     version, "miniport.so", Sha256Of(version),
                     {"1b70:0001"}, 1,       {1, 2}};
  return driver;
}

core::RolloutSpec MakeSpec() {
  core::RolloutSpec spec;
  spec.driver = kNewDriver;
  spec.selector = "*";
  return spec;
}

Stage::Stage(int hosts) {
  Do(core::ServiceStarted{}, core::kServiceActor);
  Do(core::DriverStored{MakeDriver("1.0")});
  Do(core::DriverStored{MakeDriver("2.0")});
  for (int number = 1; number <= hosts; ++number) Connect(number);
}

const core::Host& Stage::host(int number) const {
  return fleet_.hosts.at(HostName(number));
}

const core::Rollout& Stage::rollout(const std::string& name) const {
  return fleet_.rollouts.at(name);
}

const core::Update& Stage::update(int number,
                                  const std::string& rollout) const {
  return fleet_.rollouts.at(rollout).updates.at(HostName(number));
}

absl::StatusOr<core::Changes> Stage::Apply(core::EventBody body,
                                           const std::string& actor) {
  const core::Fleet before = fleet_;
  absl::StatusOr<core::Changes> changes =
      core::Apply({now_, actor, std::move(body)}, fleet_);
  if (!changes.ok()) {
    CHECK(fleet_ == before);
    return changes;
  }
  CHECK(changes->audit.size() <= 1);
  Require(core::CheckTransition(before, *changes, fleet_));
  Require(core::CheckInvariants(fleet_));
  return changes;
}

absl::Status Stage::Try(core::EventBody body, const std::string& actor) {
  return Apply(std::move(body), actor).status();
}

core::Changes Stage::Do(core::EventBody body, const std::string& actor) {
  absl::StatusOr<core::Changes> changes = Apply(std::move(body), actor);
  Require(changes.status());
  return *std::move(changes);
}

void Stage::Settle() {
  // Decisions come to rest within a few; one that does not is a bug.
  constexpr int kRoundsMax = 1000;
  bool moved = true;
  for (int rounds = 0; moved; ++rounds) {
    CHECK(rounds < kRoundsMax);
    moved = false;
    for (core::EventBody& decision : core::Decide(fleet_)) {
      if (Try(std::move(decision), core::kServiceActor).ok()) moved = true;
    }
  }
  Require(core::CheckReasons(fleet_));
}

void Stage::Advance(absl::Duration time) {
  now_ += time;
  Do(core::Tick{}, core::kServiceActor);
  for (const auto& [name, host] : fleet_.hosts) {
    if (host.connected()) Do(core::HostHeard{name, host.stream}, "agent");
  }
  Settle();
}

void Stage::Connect(int number, const std::string& version) {
  core::HostConnected hello;
  hello.host = HostName(number);
  hello.stream = ++last_stream_;
  hello.boot_id = "boot-1";
  hello.agent_version = "0.1";
  hello.labels = {{"zone", number % 2 == 0 ? "even" : "odd"}};
  hello.inventory = MakeInventory(version);
  Do(hello, absl::StrCat("agent:host-", number));
}

void Stage::Disconnect(int number) {
  Do(core::HostDisconnected{HostName(number), host(number).stream}, "agent");
}

void Stage::Plan(const std::string& name) { Do(core::PlanRollout{name}); }

void Stage::Start(const core::RolloutSpec& spec, const std::string& name) {
  Do(core::CreateRollout{name, spec});
  Plan(name);
  Do(core::StartRollout{name, rollout(name).plan->digest});
  Settle();
}

core::UpdateReport Stage::ReportOf(int number, core::UpdateState state) {
  const core::Host& on = host(number);
  core::UpdateReport report;
  report.rollout = on.rollout;
  report.attempt = on.attempt;
  report.sequence = update(number, on.rollout).sequence + 1;
  report.state = state;
  report.past_no_return = state == core::UpdateState::kDone ||
                          state == core::UpdateState::kRolledBack;
  report.step = core::Step::kSave;
  report.vgpus = {{1, "guest-1", true, absl::Milliseconds(10), ""},
                  {2, "guest-2", true, absl::Milliseconds(20), ""}};
  if (state == core::UpdateState::kDone) {
    report.step = core::Step::kReopenGate;
  } else if (core::HasEnded(state)) {
    report.reason = "SAVE_FAILED";
    core::StepRecord step;
    step.step = core::Step::kSave;
    step.code = 13;
    step.reason = "SAVE_FAILED";
    step.nt_status = 0xC0000001;
    step.entry_point = "DxgkDdiSaveMemoryForHotUpdate";
    report.steps = {step};
  }
  return report;
}

void Stage::Report(int number, core::UpdateState state) {
  const core::UpdateReport report = ReportOf(number, state);
  const uint64_t stream = host(number).stream;
  if (state == core::UpdateState::kDone) {
    const core::Rollout& by = rollout(host(number).rollout);
    const core::Update& now = update(number, by.name);
    const std::string& driver =
        core::DriverNameOf(by, by.plan->waves[now.wave].hosts[now.position]);
    const core::Inventory shown =
        MakeInventory(std::string(core::ShortName(driver)));
    Do(core::HostHeard{HostName(number), stream, shown}, "agent");
  }
  Do(core::UpdateReported{HostName(number), stream, report}, "agent");
  Settle();
}

core::Explanation Stage::Explain(const std::string& rollout) const {
  absl::StatusOr<core::Explanation> explanation =
      core::ExplainRollout(fleet_, rollout);
  Require(explanation.status());
  return *std::move(explanation);
}

}  // namespace baton::support
