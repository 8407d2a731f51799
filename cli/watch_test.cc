#include "cli/watch.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/reason.h"
#include "cli/render/golden.h"
#include "cli/render/tree.h"
#include "cli/test_run.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

using Script = FakeService::WatchScript;
using Then = FakeService::Then;

constexpr char kTime[] = "2024-05-17T09:32:12Z ";

v1::WatchRolloutResponse Everything() {
  v1::WatchRolloutResponse message;
  *message.mutable_rollout() = Sample<v1::Rollout>("rollout.txtpb");
  *message.mutable_updates() =
      Sample<v1::ListUpdatesResponse>("updates.txtpb").updates();
  return message;
}

// What follows Everything(): the rollout in another state, without its plan.
v1::WatchRolloutResponse Later(v1::RolloutState state) {
  v1::WatchRolloutResponse message;
  *message.mutable_rollout() = Everything().rollout();
  message.mutable_rollout()->clear_plan();
  message.mutable_rollout()->set_state(state);
  message.mutable_rollout()->mutable_progress()->set_running(0);
  return message;
}

std::string FirstLines() {
  const std::string time = kTime;
  return time + "rollouts/r1 RUNNING -\n" + time +
         "host-1 DONE REOPEN_GATE longest blackout 51.0 ms\n" + time +
         "host-2 RUNNING UNLOAD\n" + time +
         "host-3 ROLLED_BACK REOPEN_GATE driver could not start "
         "[DRIVER_FAILED]\n";
}

std::string Summary(const std::string& state) {
  return "rollout r1 " + state +
         ": 1 of 5 hosts done, 2 pending, 1 rolled back; 8 of 8 vGPUs kept; "
         "blackout p50 21.3 ms  p99 44.0 ms  max 51.0 ms\n";
}

const std::vector<std::string> kWatch = {"rollout", "watch", "r1"};

std::vector<std::string> With(std::vector<std::string> more) {
  std::vector<std::string> arguments = kWatch;
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(WatchTest, InAPipeOneLineAChangeUntilTheEnd) {
  TestRun run;
  run.service().ScriptWatches(
      {{.messages = {Everything(), Later(v1::ROLLOUT_STATE_SUCCEEDED)}}});
  const Ran ran = run.Run(kWatch);
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, FirstLines() + kTime + "rollouts/r1 SUCCEEDED -\n" +
                         Summary("SUCCEEDED"));
  EXPECT_EQ(ran.err, "");
}

TEST(WatchTest, ABadEndIsTenAndSaysHowToAskWhy) {
  for (const v1::RolloutState state :
       {v1::ROLLOUT_STATE_FAILED, v1::ROLLOUT_STATE_ABORTED,
        v1::ROLLOUT_STATE_ROLLED_BACK}) {
    TestRun run;
    run.service().ScriptWatches({{.messages = {Later(state)}}});
    const Ran ran = run.Run(kWatch);
    EXPECT_EQ(ran.code, 10);
    EXPECT_EQ(ran.err, "hint: baton why r1\n");
  }
}

TEST(WatchTest, AHoldEndsItOnlyWhenAskedTo) {
  TestRun run;
  const Script held = {.messages = {Later(v1::ROLLOUT_STATE_HELD),
                                    Later(v1::ROLLOUT_STATE_SUCCEEDED)}};
  run.service().ScriptWatches({held, held});
  EXPECT_EQ(run.Run(With({"--exit-on-hold"})).code, 11);
  EXPECT_EQ(run.Run(kWatch).code, 0);
}

TEST(WatchTest, AHoldWithHostsInFlightIsWaitedFor) {
  TestRun run;
  v1::WatchRolloutResponse in_flight = Later(v1::ROLLOUT_STATE_HELD);
  in_flight.mutable_rollout()->mutable_progress()->set_running(1);
  run.service().ScriptWatches(
      {{.messages = {in_flight, Later(v1::ROLLOUT_STATE_SUCCEEDED)}}});
  EXPECT_EQ(run.Run(With({"--exit-on-hold"})).code, 0);
}

TEST(WatchTest, AServiceThatComesBackIsGoneOnWith) {
  TestRun run;
  run.service().ScriptWatches(
      {{.messages = {Everything()}, .end = absl::UnavailableError("restart")},
       {.end = absl::UnavailableError("still away")},
       {.messages = {Everything()}},
       {.messages = {Everything(), Later(v1::ROLLOUT_STATE_SUCCEEDED)}}});
  const Ran ran = run.Run(kWatch);
  EXPECT_EQ(ran.code, 0) << ran.err;
  // Nothing is told twice.
  EXPECT_EQ(ran.out, FirstLines() + kTime + "rollouts/r1 SUCCEEDED -\n" +
                         Summary("SUCCEEDED"));
  EXPECT_EQ(ran.err,
            "the service went away; trying again\n"
            "the service is back\n"
            "the service went away; trying again\n"
            "the service is back\n");
}

TEST(WatchTest, AServiceThatWasNeverThereIsAnErrorAtOnce) {
  TestRun run;
  run.service().FailWith(absl::UnavailableError("refused"));
  const Ran ran = run.Run(kWatch);
  EXPECT_EQ(ran.code, 5);
  EXPECT_TRUE(absl::StrContains(ran.err, "[SERVICE_AWAY]")) << ran.err;
  EXPECT_EQ(run.service().calls().size(), 1u);
}

TEST(WatchTest, AnUnknownRolloutIsAnErrorAtOnce) {
  TestRun run;
  run.service().FailWith(ErrorWithReason(absl::StatusCode::kNotFound,
                                         "ROLLOUT_NOT_FOUND", "not known"));
  const Ran ran = run.Run(kWatch);
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.err,
            "error: not known [ROLLOUT_NOT_FOUND]\n"
            "hint: see baton rollout list\n");
}

TEST(WatchTest, ARolloutThatIsDeletedEndsIt) {
  TestRun run;
  run.service().ScriptWatches(
      {{.messages = {Later(v1::ROLLOUT_STATE_PLANNED)},
        .end = ErrorWithReason(absl::StatusCode::kNotFound, "ROLLOUT_DELETED",
                               "it was deleted")}});
  const Ran ran = run.Run(kWatch);
  EXPECT_EQ(ran.code, 3);
  EXPECT_EQ(ran.err,
            "error: it was deleted [ROLLOUT_DELETED]\n"
            "hint: see baton audit list --resource rollouts/r1\n");
}

TEST(WatchTest, TimeoutWhileConnectedSaysThatItGoesOn) {
  TestRun run;
  run.service().ScriptWatches(
      {{.messages = {Everything()}, .then = Then::kStayOpen}});
  const Ran ran = run.Run(With({"--timeout", "300ms"}));
  EXPECT_EQ(ran.code, 6);
  EXPECT_EQ(
      ran.err,
      "error: rollout \"r1\" is RUNNING after 300ms, and is left as it is "
      "[WATCH_TIMED_OUT]\n");
}

TEST(WatchTest, TimeoutWhileAwaySaysThatItIsAway) {
  TestRun run;
  run.service().ScriptWatches(
      {{.messages = {Everything()}, .end = absl::UnavailableError("gone")}});
  const Ran ran = run.Run(With({"--timeout", "300ms", "-q"}));
  EXPECT_EQ(ran.code, 5);
  EXPECT_TRUE(absl::StrContains(ran.err, "[SERVICE_AWAY]")) << ran.err;
}

TEST(WatchTest, CtrlCLeavesTheRolloutAlone) {
  TestRun run;
  run.interrupted = true;
  run.service().ScriptWatches(
      {{.messages = {Everything()}, .then = Then::kStayOpen}});
  const Ran ran = run.Run(kWatch);
  EXPECT_EQ(ran.code, 130);
  EXPECT_EQ(ran.err,
            "stopped watching; rollout \"r1\" is left as it is. To look "
            "again: baton rollout watch r1\n");
}

TEST(WatchTest, JsonIsOneObjectAMessage) {
  TestRun run;
  run.service().ScriptWatches(
      {{.messages = {Everything(), Later(v1::ROLLOUT_STATE_SUCCEEDED)}}});
  EXPECT_EQ(run.Run(With({"-o", "json"})).out,
            JsonLine(Everything()) + "\n" +
                JsonLine(Later(v1::ROLLOUT_STATE_SUCCEEDED)) + "\n");
}

TEST(WatchTest, QuietSaysItWithTheExitCodeAlone) {
  TestRun run;
  run.service().ScriptWatches(
      {{.messages = {Everything(), Later(v1::ROLLOUT_STATE_FAILED)}}});
  const Ran ran = run.Run(With({"-q"}));
  EXPECT_EQ(ran.code, 10);
  EXPECT_EQ(ran.out + ran.err, "");
}

TEST(WatchTest, InATerminalTheLastFrameStays) {
  TestRun run;
  run.sink = Sink::kTerminal;
  run.environment["NO_COLOR"] = "1";
  run.service().ScriptWatches(
      {{.messages = {Everything(), Later(v1::ROLLOUT_STATE_SUCCEEDED)}}});
  const Ran ran = run.Run(kWatch);
  EXPECT_EQ(ran.code, 0);
  EXPECT_TRUE(absl::StrContains(
      ran.out, "rollout r1 SUCCEEDED softgpu/2.0 1m12s\x1b[K\n"))
      << ran.out;
  EXPECT_TRUE(absl::EndsWith(ran.out, "\x1b[J" + Summary("SUCCEEDED")))
      << ran.out;
}

TEST(WatchTest, ADumbTerminalGetsALineAChange) {
  TestRun run;
  run.sink = Sink::kTerminal;
  run.environment["TERM"] = "dumb";
  run.service().ScriptWatches(
      {{.messages = {Everything(), Later(v1::ROLLOUT_STATE_SUCCEEDED)}}});
  const Ran ran = run.Run(kWatch);
  EXPECT_EQ(ran.code, 0);
  EXPECT_FALSE(absl::StrContains(ran.out, "\x1b")) << ran.out;
  EXPECT_TRUE(absl::EndsWith(ran.out, Summary("SUCCEEDED"))) << ran.out;
}

}  // namespace
}  // namespace baton::cli
