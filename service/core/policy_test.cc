#include "service/core/policy.h"

#include <functional>
#include <string>

#include "absl/strings/match.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

TEST(PolicyTest, TakesASpecThatUsesEverything) {
  RolloutSpec spec = support::MakeSpec();
  spec.waves = {{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"", WaveSize::kPercent, 50},
                {"", WaveSize::kRest, 0, absl::Hours(24 * 30)}};
  spec.limits = {3, 100};
  spec.failure_tolerance = {0, 100};
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
