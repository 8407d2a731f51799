#include "service/core/policy.h"

#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::kRollout;

WaveSpec WaveOf(uint32_t approvals) {
  WaveSpec wave;
  wave.size = WaveSize::kHosts;
  wave.number = 1;
  wave.approvals = approvals;
  return wave;
}

WindowSpec WindowOf(const std::string& from, const std::string& to) {
  return {{}, from, to, "UTC", absl::UTCTimeZone()};
}

TEST(PolicyTest, TakesASpecThatUsesEverything) {
  RolloutSpec spec = support::MakeSpec();
  spec.waves = {{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"", WaveSize::kPercent, 50},
                {"", WaveSize::kRest, 0, absl::Hours(24 * 30)}};
  spec.limits = {3, 100};
  spec.failure_tolerance = {0, 100};
  spec.waves[0].coverage = true;
  spec.waves[0].approvals = 10;
  spec.waves[0].hold_after = true;
  spec.waves[0].failure_tolerance = FailureTolerance{0, 100};
  spec.limits.domains = {{"example.com/rack", 1}, {"zone", 100'000}};
  spec.on_exceeded = OnExceeded::kRollBack;
  spec.blackout = {absl::Milliseconds(1), absl::Hours(1)};
  spec.retry = {10, absl::Hours(1)};
  spec.windows = {{{absl::Weekday::monday},
                   "22:00",
                   "06:00",
                   "UTC",
                   absl::UTCTimeZone(),
                   WindowCutoff::kCancelBeforeUnload}};
  spec.hooks = {"drain-1", "undrain-1"};
  spec.require = {false, uint64_t{1} << 40};
  spec.deadline = absl::Hours(24 * 365);
  EXPECT_EQ(CheckSpec(spec), absl::OkStatus());
}

TEST(PolicyTest, NamesTheFieldOfEachError) {
  struct Row {
    std::function<void(RolloutSpec&)> spoil;
    std::string reason;
    std::string field;
  };
  const Row rows[] = {
      {[](auto& s) { s.driver = "softgpu"; }, "BAD_NAME", "softgpu"},
      {[](auto& s) {
         s.selector = "a==";
         s.selector += "-";
       },
       "BAD_SELECTOR", "position 4"},
      {[](auto& s) { s.selector = ""; }, "BAD_SELECTOR", "position 1"},
      {[](auto& s) { s.waves = {{}}; }, "BAD_SPEC", "waves[0]"},
      {[](auto& s) {
         s.waves = {{"", WaveSize::kHosts, 0}};
       },
       "BAD_SPEC", "waves[0].hosts"},
      {[](auto& s) {
         s.waves = {{"", WaveSize::kPercent, 101}};
       },
       "BAD_SPEC", "waves[0].percent"},
      {[](auto& s) {
         s.waves = {{"", WaveSize::kPercent, 60}, {"", WaveSize::kPercent, 41}};
       },
       "WAVES_EXCEED_WHOLE", "101 percent"},
      {[](auto& s) {
         s.waves = {{"", WaveSize::kRest}, {"", WaveSize::kHosts, 1}};
       },
       "BAD_SPEC", "waves[0].rest"},
      {[](auto& s) {
         s.waves = {{"a", WaveSize::kHosts, 1}, {"a", WaveSize::kRest}};
       },
       "BAD_SPEC", "waves[1].name"},
      {[](auto& s) {
         s.waves = {{"wave-2", WaveSize::kHosts, 1}, {"", WaveSize::kRest}};
       },
       "BAD_SPEC", "waves[1].name"},
      {[](auto& s) {
         s.waves = {{"A", WaveSize::kRest}};
       },
       "BAD_SPEC", "waves[0].name"},
      {[](auto& s) {
         s.waves = {{"", WaveSize::kRest, 0, absl::Hours(24 * 31)}};
       },
       "BAD_SPEC", "waves[0].bake"},
      {[](auto& s) {
         s.waves.assign(101, {"", WaveSize::kHosts, 1});
       },
       "BAD_SPEC", "'waves'"},
      {[](auto& s) { s.limits.max_unavailable = 0; }, "BAD_SPEC",
       "limits.max_unavailable"},
      {[](auto& s) { s.limits.max_unavailable_percent = 101; }, "BAD_SPEC",
       "limits.max_unavailable_percent"},
      {[](auto& s) { s.failure_tolerance.percent = 101; }, "BAD_SPEC",
       "failure_tolerance.percent"},
      {[](auto& s) { s.failure_tolerance.hosts = 1'000'000; }, "BAD_SPEC",
       "failure_tolerance.hosts"},
      {[](auto& s) { s.deadlines.save = absl::ZeroDuration(); }, "BAD_SPEC",
       "deadlines.save"},
      {[](auto& s) { s.deadlines.confirm = absl::Hours(2); }, "BAD_SPEC",
       "deadlines.confirm"},
      {[](auto& s) { s.rollback_of = kRollout; }, "BAD_SPEC", "rollback_of"},
      {[](auto& s) {
         s.waves = {WaveOf(0), WaveOf(0)};
         s.waves[1].bake = -absl::Seconds(1);
       },
       "BAD_SPEC", "'waves[1].bake' is -1s, want 0 to 30 days"},
      {[](auto& s) { s.waves = {WaveOf(11)}; }, "BAD_SPEC",
       "'waves[0].approvals' is 11, want 0 to 10"},
      {[](auto& s) {
         s.waves = {WaveOf(0)};
         s.waves[0].failure_tolerance = FailureTolerance{std::nullopt, 101};
       },
       "BAD_SPEC", "waves[0].failure_tolerance.percent"},
      {[](auto& s) {
         s.limits.domains = {{"", 1}};
       },
       "BAD_SPEC", "limits.domains[0].label"},
      {[](auto& s) {
         s.limits.domains = {{"rack", 1}, {"rack", 2}};
       },
       "BAD_SPEC", "'limits.domains[1].label' is 'rack' again"},
      {[](auto& s) {
         s.limits.domains = {{"rack", 0}};
       },
       "BAD_SPEC", "'limits.domains[0].max_unavailable' is 0, want 1 to"},
      {[](auto& s) {
         for (int i = 0; i < 9; ++i) {
           s.limits.domains.push_back({"k" + std::to_string(i), 1});
         }
       },
       "BAD_SPEC", "'limits.domains' is 9 domains, want at most 8"},
      {[](auto& s) { s.blackout.per_vgpu_max = absl::ZeroDuration(); },
       "BAD_SPEC", "'blackout.per_vgpu_max' is 0, want 1 ms to 1 h"},
      {[](auto& s) { s.blackout.p99_max = absl::Hours(2); }, "BAD_SPEC",
       "blackout.p99_max"},
      {[](auto& s) { s.retry.attempts = 0; }, "BAD_SPEC",
       "'retry.attempts' is 0, want 1 to 10"},
      {[](auto& s) { s.retry.attempts = 11; }, "BAD_SPEC", "retry.attempts"},
      {[](auto& s) { s.retry.backoff = absl::Milliseconds(999); }, "BAD_SPEC",
       "'retry.backoff' is 999ms, want 1 s to 1 h"},
      {[](auto& s) { s.windows = {WindowOf("24:00", "06:00")}; }, "BAD_SPEC",
       "'windows[0].from' is '24:00', want 'HH:MM'"},
      {[](auto& s) { s.windows = {WindowOf("01:00", "6:00")}; }, "BAD_SPEC",
       "windows[0].to"},
      {[](auto& s) {
         s.windows = {WindowOf("01:00", "06:00"), WindowOf("01:00", "06:00")};
         s.windows[1].time_zone = "Europe/Nowhere";
         s.windows[1].zone.reset();
       },
       "BAD_SPEC", "'windows[1].time_zone' is 'Europe/Nowhere'"},
      {[](auto& s) {
         s.windows = {WindowOf("01:00", "06:00")};
         s.windows[0].days = {absl::Weekday::monday, absl::Weekday::monday};
       },
       "BAD_SPEC", "windows[0].days"},
      {[](auto& s) { s.windows.assign(33, WindowOf("01:00", "06:00")); },
       "BAD_SPEC", "'windows' is 33 windows, want at most 32"},
      {[](auto& s) { s.hooks.before = "rm -rf"; }, "BAD_SPEC", "hooks.before"},
      {[](auto& s) { s.hooks.after = "../x"; }, "BAD_SPEC", "hooks.after"},
      {[](auto& s) { s.require.spare_memory_bytes = (uint64_t{1} << 40) + 1; },
       "BAD_SPEC", "require.spare_memory_bytes"},
      {[](auto& s) { s.deadline = absl::Seconds(59); }, "BAD_SPEC",
       "'deadline' is 59s, want 1 min to 365 days"},
      {[](auto& s) { s.deadline = absl::Hours(24 * 366); }, "BAD_SPEC",
       "'deadline'"},
      {[](auto& s) { s.deadline = absl::InfiniteDuration(); }, "BAD_SPEC",
       "'deadline' is inf"},
  };
  for (const Row& row : rows) {
    RolloutSpec spec = support::MakeSpec();
    row.spoil(spec);
    const absl::Status status = CheckSpec(spec);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Reason(status), row.reason) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), row.field)) << status;
  }
}

}  // namespace
}  // namespace baton::core
