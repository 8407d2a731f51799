#include "agent/agent_loop.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/testing/fakes.h"
#include "base/digest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

using core::AdapterState;
using core::End;
using core::Step;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The image of the driver that is loaded at first: a real file, for preflight
// reads it.
core::Image OldImage() {
  const std::string path = ::testing::TempDir() + "/old.so";
  std::ofstream(path) << "old driver";
  return {path, Sha256Of("old driver"), "softgpu", "1.0"};
}

StagedPackage NewPackage() {
  StagedPackage package;
  package.name = "new";
  package.image = {"/new.so", Sha256Of("new driver"), "softgpu", "2.0"};
  package.pci_ids = {"1b70:0001"};
  package.writes_format = 1;
  package.reads_formats = {1};
  return package;
}

StagedPackage OldPackage() {
  StagedPackage package = NewPackage();
  package.name = "old";
  package.image = OldImage();
  return package;
}

core::Order AnOrder(uint64_t attempt) {
  core::Order order;
  order.rollout = "rollouts/r";
  order.attempt = attempt;
  order.driver = "drivers/softgpu/versions/2.0";
  order.digest = Sha256Of("package");
  order.size_bytes = 1000;
  return order;
}

// A host with everything faked but the loop and the steps.
class World {
 public:
  World() {
    stage.installed = OldPackage();
    Boot();
  }

  // Starts the agent from its journal, as after a crash.
  void Boot() {
    worker = std::make_unique<testing::InlineWorker>(steps);
    mailbox = std::make_unique<Mailbox<Message>>(64);
    loop = std::make_unique<AgentLoop>(
        AgentLoop::Options(), *journal.Load(),
        AgentLoop::Ports{clock, random, journal, uplink, *worker}, *mailbox);
  }

  void Post(FromService::Kind kind, uint64_t attempt, uint64_t epoch = 1) {
    Message message;
    message.kind = Message::Kind::kService;
    message.service.kind = kind;
    message.service.epoch = epoch;
    message.service.order = AnOrder(attempt);
    message.service.order.hook_before = hook;
    message.service.order.hook_after = hook;
    message.service.order.without_way_back = without_way_back;
    ASSERT_TRUE(mailbox->TryPost(std::move(message)));
  }

  void PostStop() {
    Message message;
    message.kind = Message::Kind::kStop;
    ASSERT_TRUE(mailbox->TryPost(std::move(message)));
  }

  void Acknowledge() {
    Message message;
    message.kind = Message::Kind::kService;
    message.service.kind = FromService::Kind::kAck;
    message.service.attempt = loop->update().order.attempt;
    message.service.sequence = loop->update().sequence;
    ASSERT_TRUE(mailbox->TryPost(std::move(message)));
  }

  // Takes turns as fast as time passes.
  absl::Status Run(int turns = 300) {
    for (int turn = 0; turn < turns; ++turn) {
      absl::Status status = loop->Turn(absl::ZeroDuration());
      if (!status.ok()) return status;
      if (loop->Stopped()) return absl::OkStatus();
      clock.Advance(absl::Milliseconds(500));
    }
    return absl::OkStatus();
  }

  // A whole update, from the order on.
  End RunUpdate(uint64_t attempt = 1) {
    Post(FromService::Kind::kStart, attempt);
    EXPECT_TRUE(Run().ok());
    return loop->update().end;
  }

  std::string Version() const {
    return shim.image().has_value() ? shim.image()->version : "none";
  }

  testing::FakeClock clock;
  testing::FakeRandom random;
  testing::FakeShim shim{OldImage()};
  testing::FakeGate gate;
  testing::FakeMachine machine;
  // Of the orders.
  std::string hook = "";
  bool without_way_back = false;
  testing::FakeStage stage{NewPackage()};
  testing::FakeJournal journal;
  testing::FakeUplink uplink;
  Steps steps{{clock, shim, gate, stage, machine}};
  std::unique_ptr<testing::InlineWorker> worker;
  std::unique_ptr<Mailbox<Message>> mailbox;
  std::unique_ptr<AgentLoop> loop;
};

TEST(AgentLoopTest, UpdatesAHostAndReportsIt) {
  World world;
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  EXPECT_EQ(world.Version(), "2.0");
  EXPECT_EQ(world.stage.current, "new");
  EXPECT_TRUE(world.gate.open);
  EXPECT_TRUE(world.shim.engines_run());
  const View& last = world.uplink.views.back();
  ASSERT_TRUE(last.report.has_value());
  EXPECT_EQ(last.report->state(), v1::UPDATE_STATE_DONE);
  EXPECT_EQ(last.report->steps_size(), 12);
  EXPECT_EQ(last.report->saved().blocks(), 3u);
  ASSERT_EQ(last.report->vgpus_size(), 1);
  EXPECT_TRUE(last.report->vgpus(0).preserved());
  EXPECT_EQ(last.report->vgpus(0).blackout().nanos(), 20'000'000);
  EXPECT_EQ(last.inventory->adapters(0).driver_version(), "2.0");
  EXPECT_EQ(last.finished_attempt, 1u);
}

TEST(AgentLoopTest, WhatWentWrongIsToldTogetherWithTheEnd) {
  World world;
  world.shim.incident_attempt = 1;
  world.shim.FailNext(Step::kVerify, {});
  EXPECT_EQ(world.RunUpdate(), End::kRolledBack);
  for (const View& view : world.uplink.views) {
    if (!view.report.has_value()) continue;
    const bool ended = view.report->state() != v1::UPDATE_STATE_RUNNING;
    EXPECT_EQ(view.report->has_incident(), ended);
  }
  EXPECT_EQ(world.uplink.views.back().report->incident().driver_log(0),
            "the last line");
  EXPECT_EQ(world.shim.incidents_asked, 1);
}

TEST(AgentLoopTest, NothingIsToldOfAnIncidentThatTheShimDoesNotKnow) {
  World world;
  world.shim.incident_attempt = 9;
  world.shim.FailNext(Step::kPrepare, {});
  EXPECT_EQ(world.RunUpdate(), End::kCancelled);
  const v1::UpdateReport report = *world.uplink.views.back().report;
  EXPECT_EQ(report.state(), v1::UPDATE_STATE_CANCELLED);
  EXPECT_FALSE(report.has_incident());
}

TEST(AgentLoopTest, HooksSurroundTheUpdateHoweverItEnds) {
  for (const Step fails : {Step::kInspect, Step::kPrepare, Step::kRestore}) {
    SCOPED_TRACE(core::Name(fails));
    World world;
    world.hook = "drain";
    if (fails != Step::kInspect) world.shim.FailNext(fails, {});
    world.RunUpdate();
    EXPECT_EQ(world.machine.ran,
              (std::vector<std::string>{"drain before", "drain after"}));
    EXPECT_TRUE(world.gate.open);
  }
}

TEST(AgentLoopTest, HookThatFailsBeforeCancelsAndAfterIsShown) {
  World before;
  before.hook = "drain";
  before.machine.fails = "before";
  EXPECT_EQ(before.RunUpdate(), End::kCancelled);
  EXPECT_EQ(before.uplink.views.back().report->reason(), "HOOK_FAILED");
  EXPECT_EQ(before.Version(), "1.0");

  World after;
  after.hook = "drain";
  after.machine.fails = "after";
  EXPECT_EQ(after.RunUpdate(), End::kDone);
  const v1::UpdateReport report = *after.uplink.views.back().report;
  EXPECT_EQ(report.reason(), "");
  const v1::StepRecord& last = report.steps(report.steps_size() - 1);
  EXPECT_EQ(last.step(), v1::STEP_REOPEN_GATE);
  EXPECT_EQ(last.code(), 0);
  EXPECT_EQ(last.reason(), "HOOK_FAILED");
}

// The old driver reads 1 alone, and the new one writes 2.
void TakeAwayTheWayBack(World& world) {
  world.stage.added.writes_format = 2;
  world.stage.added.reads_formats = {1, 2};
}

TEST(AgentLoopTest, NothingIsTouchedWithoutAWayBack) {
  World world;
  TakeAwayTheWayBack(world);
  EXPECT_EQ(world.RunUpdate(), End::kCancelled);
  EXPECT_EQ(world.uplink.views.back().report->reason(),
            "STATE_FORMAT_NO_WAY_BACK");
}

TEST(AgentLoopTest, WithoutAWayBackGuestsGoOnWithTheNewDriver) {
  struct Row {
    Step fails;
    End end;
  };
  for (const Row& row : std::vector<Row>{
           {Step::kInspect, End::kDone},       // nothing fails
           {Step::kVerify, End::kRolledBack},  // engines stand: same blocks
           {Step::kConfirm, End::kQuarantined}}) {
    SCOPED_TRACE(core::Name(row.fails));
    World world;
    TakeAwayTheWayBack(world);
    world.without_way_back = true;
    if (row.fails != Step::kInspect) world.shim.FailNext(row.fails, {});
    EXPECT_EQ(world.RunUpdate(), row.end);
    EXPECT_EQ(world.Version(), row.end == End::kRolledBack ? "1.0" : "2.0");
    EXPECT_TRUE(world.shim.engines_run());
  }
}

TEST(AgentLoopTest, MemoryIsToldWhenItChangesByMuch) {
  struct Row {
    uint64_t now;
    uint64_t told;
  };
  World world;
  for (const Row& row : std::vector<Row>{{800, 800},
                                         {790, 800},
                                         {701, 800},
                                         {700, 700},
                                         {874, 700},
                                         {875, 875}}) {
    SCOPED_TRACE(row.now);
    world.machine.memory = row.now;
    ASSERT_TRUE(world.Run(20).ok());
    EXPECT_EQ(world.uplink.views.back().inventory->available_memory_bytes(),
              row.told);
  }
}

TEST(AgentLoopTest, WritesNothingToTheJournalInsideTheBlackout) {
  World world;
  world.journal.fail_from = 1'000'000;  // only counts
  std::vector<int> writes;
  world.worker->before_step = [&](const core::Action& action) {
    if (action.step >= Step::kPause && action.step <= Step::kResume) {
      writes.push_back(world.journal.writes);
    }
  };
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  ASSERT_EQ(writes.size(), 6u);
  EXPECT_EQ(writes.front(), writes.back());
}

// Each failing step: how it ends, which driver runs, and that nobody is left
// standing.
TEST(AgentLoopTest, EveryFailingStepEndsAsTheTableSays) {
  struct Row {
    Step step;
    End end;
    const char* version;
  };
  const std::vector<Row> rows = {
      {Step::kPrepare, End::kCancelled, "1.0"},
      {Step::kPause, End::kCancelled, "1.0"},
      {Step::kSave, End::kCancelled, "1.0"},
      {Step::kUnload, End::kRolledBack, "1.0"},
      {Step::kRestore, End::kRolledBack, "1.0"},
      {Step::kVerify, End::kRolledBack, "1.0"},
      {Step::kResume, End::kRolledBack, "1.0"},
      {Step::kConfirm, End::kRolledBack, "1.0"},
      {Step::kCommit, End::kDone, "2.0"},  // the next try works
  };
  for (const Row& row : rows) {
    for (const absl::StatusCode code :
         {absl::StatusCode::kInternal, absl::StatusCode::kDeadlineExceeded}) {
      SCOPED_TRACE(::testing::Message() << core::Name(row.step) << " " << code);
      World world;
      world.shim.FailNext(row.step, {.code = code});
      EXPECT_EQ(world.RunUpdate(), row.end);
      EXPECT_EQ(world.Version(), row.version);
      EXPECT_EQ(world.stage.current, row.end == End::kDone ? "new" : "old");
      EXPECT_TRUE(world.gate.open);
      EXPECT_TRUE(world.shim.engines_run());
      EXPECT_EQ(world.shim.state(), AdapterState::kRunning);
      const v1::UpdateReport report = *world.uplink.views.back().report;
      EXPECT_EQ(report.reason(), row.end == End::kDone ? "" : "BROKE");
    }
  }
}

TEST(AgentLoopTest, AFailureOnTheWayBackQuarantinesAndKeepsTheGateClosed) {
  for (const Step step :
       {Step::kUnload, Step::kVerify, Step::kResume, Step::kCommit}) {
    SCOPED_TRACE(core::Name(step));
    World world;
    world.shim.FailNext(Step::kRestore, {.reason = "START_FAILED"});
    world.worker->before_step = [&](const core::Action& action) {
      // What the shim takes ahead must fail before it is asked for.
      const bool back = world.loop->update().way == core::Way::kBack;
      if (back && action.step == Step::kUnload) {
        world.shim.FailNext(step, {.times = 100});
      }
    };
    EXPECT_EQ(world.RunUpdate(), End::kQuarantined);
    EXPECT_FALSE(world.gate.open);
    const v1::UpdateReport report = *world.uplink.views.back().report;
    EXPECT_EQ(report.reason(), "START_FAILED");
    EXPECT_THAT(report.message(), HasSubstr("on the way back failed"));
  }
}

TEST(AgentLoopTest, GivesUpWhenTheOldDriverDoesNotStartEither) {
  World world;
  world.shim.FailNext(Step::kRestore, {.times = 100});
  EXPECT_EQ(world.RunUpdate(), End::kQuarantined);
  EXPECT_FALSE(world.gate.open);
}

TEST(AgentLoopTest, CancelThatFailsQuarantinesOnceEnginesStopped) {
  World world;
  world.shim.FailNext(Step::kSave, {});
  world.shim.FailNext(Step::kCancel, {.times = 100});
  EXPECT_EQ(world.RunUpdate(), End::kQuarantined);
  EXPECT_FALSE(world.gate.open);
}

TEST(AgentLoopTest, ABrokenAdapterQuarantines) {
  World world;
  world.shim.FailNext(Step::kRestore, {.adapter = AdapterState::kBroken});
  EXPECT_EQ(world.RunUpdate(), End::kQuarantined);
}

// One of an older release takes each step when it is asked for.
TEST(AgentLoopTest, UpdatesAHostWhoseShimDoesNotRunAhead) {
  World world;
  world.shim.runs_ahead = false;
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  EXPECT_EQ(world.Version(), "2.0");
  EXPECT_EQ(world.stage.current, "new");
}

TEST(AgentLoopTest, GoesOnWithAShimThatWentOnWhenItsAnswerIsLost) {
  World world;
  world.shim.lose_answer = true;
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  EXPECT_EQ(world.Version(), "2.0");
  EXPECT_EQ(world.stage.current, "new");
  EXPECT_EQ(world.loop->update().reason, "");
}

TEST(AgentLoopTest, WaitsForAShimThatIsBeingRestarted) {
  World world;
  world.shim.FailNext(Step::kRestore, {.code = absl::StatusCode::kUnavailable,
                                       .trial = core::Trial::kNoAnswer,
                                       .times = 5});
  EXPECT_EQ(world.RunUpdate(), End::kDone);
}

TEST(AgentLoopTest, DownloadsAgainAndOtherwiseCancels) {
  World world;
  world.stage.add_failures = 2;
  EXPECT_EQ(world.RunUpdate(1), End::kDone);
  World other;
  other.stage.add_failures = 3;
  EXPECT_EQ(other.RunUpdate(1), End::kCancelled);
  EXPECT_TRUE(other.gate.open);
}

TEST(AgentLoopTest, AGateThatDoesNotCloseCancels) {
  World world;
  world.gate.close_failures = 1;
  EXPECT_EQ(world.RunUpdate(), End::kCancelled);
  EXPECT_EQ(world.shim.state(), AdapterState::kRunning);
  EXPECT_THAT(world.shim.calls, Not(Contains(Step::kPause)));
}

TEST(AgentLoopTest, AGateThatDoesNotReopenIsTriedAgainAndShown) {
  World world;
  world.gate.reopen_failures = 5;
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  bool shown = false;
  for (const View& view : world.uplink.views) {
    shown |= view.report.has_value() &&
             view.report->state() == v1::UPDATE_STATE_RUNNING &&
             view.report->message().find("rusty") != std::string::npos;
  }
  EXPECT_TRUE(shown);
  EXPECT_EQ(world.uplink.views.back().report->message(), "");
  EXPECT_EQ(world.uplink.views.back().report->steps_size(), 12);
}

TEST(AgentLoopTest, ASwitchThatFailsGoesBack) {
  World world;
  world.stage.switch_failures = 1;
  EXPECT_EQ(world.RunUpdate(), End::kRolledBack);
  EXPECT_EQ(world.stage.current, "old");
  EXPECT_EQ(world.Version(), "1.0");
}

// What preflight refuses leaves the host alone.
TEST(AgentLoopTest, PreflightRefusalsTouchNothing) {
  const std::vector<std::pair<std::string, std::function<void(World&)>>> rows =
      {{"NOT_HOT_UPDATE_CAPABLE",
        [](World& w) { w.shim.adapter().set_hot_update_capable(false); }},
       {"WRONG_DEVICE",
        [](World& w) { w.shim.adapter().set_pci_id("10de:2235"); }},
       {"DISK_FULL", [](World& w) { w.stage.free_bytes = 999; }},
       {"STATE_FORMAT_UNREADABLE",
        [](World& w) { w.stage.installed->writes_format = 2; }},
       {"STATE_FORMAT_NO_WAY_BACK",
        [](World& w) { w.stage.installed->reads_formats = {9}; }}};
  for (const auto& [reason, spoil] : rows) {
    SCOPED_TRACE(reason);
    World world;
    spoil(world);
    EXPECT_EQ(world.RunUpdate(), End::kCancelled);
    EXPECT_EQ(world.loop->update().reason, reason);
    EXPECT_THAT(world.shim.calls, Not(Contains(Step::kPrepare)));
  }
}

// A cancel that comes in while each step runs.
TEST(AgentLoopTest, CancelInEveryStep) {
  for (int s = 0; s < static_cast<int>(Step::kInspect); ++s) {
    const auto step = static_cast<Step>(s);
    if (step == Step::kCancel) continue;
    SCOPED_TRACE(core::Name(step));
    World world;
    bool posted = false;
    world.worker->before_step = [&](const core::Action& action) {
      if (action.step != step || posted) return;
      posted = true;
      world.Post(FromService::Kind::kCancel, 1);
    };
    const bool in_time = step < Step::kPause;
    EXPECT_EQ(world.RunUpdate(), in_time ? End::kCancelled : End::kDone);
    EXPECT_EQ(world.Version(), in_time ? "1.0" : "2.0");
    EXPECT_TRUE(world.gate.open);
    EXPECT_TRUE(world.shim.engines_run());
    const v1::UpdateReport report = *world.uplink.views.back().report;
    if (in_time) {
      EXPECT_EQ(report.reason(), "CANCELLED_BY_SERVICE");
    } else {
      EXPECT_THAT(report.message(), HasSubstr("was ignored"));
    }
  }
}

// A crash of the agent at each step, before and after the step was carried out.
TEST(AgentLoopTest, ACrashAtEveryStepEndsWithAWholeHost) {
  for (const bool carried_out : {false, true}) {
    for (int s = 0; s < static_cast<int>(Step::kInspect); ++s) {
      const auto step = static_cast<Step>(s);
      if (step == Step::kCancel) continue;
      SCOPED_TRACE(::testing::Message()
                   << core::Name(step) << " carried out " << carried_out);
      World world;
      world.Post(FromService::Kind::kStart, 1);
      for (int turn = 0; turn < 300; ++turn) {
        const bool here = world.loop->update().running == step;
        // Nobody takes the result of a step that was carried out.
        if (here && carried_out) break;
        const std::optional<core::Action> next =
            core::Plan(world.loop->update());
        if (!carried_out && next.has_value() && next->step == step) break;
        ASSERT_TRUE(world.loop->Turn(absl::ZeroDuration()).ok());
        if (!carried_out && world.loop->update().running == step) break;
        world.clock.Advance(absl::Milliseconds(500));
      }
      world.Boot();
      ASSERT_TRUE(world.Run().ok());
      const core::Update& update = world.loop->update();
      EXPECT_EQ(update.phase, core::Phase::kEnded);
      EXPECT_EQ(update.finished_attempt, 1u);
      EXPECT_TRUE(update.end == End::kDone || update.end == End::kCancelled)
          << core::Name(update.end) << ": " << update.message;
      EXPECT_EQ(world.Version(), update.end == End::kDone ? "2.0" : "1.0");
      EXPECT_EQ(world.stage.current, update.end == End::kDone ? "new" : "old");
      EXPECT_EQ(update.past_no_return, update.end == End::kDone);
      for (const auto& [partition, vgpu] : update.vgpus) {
        EXPECT_TRUE(vgpu.preserved);
      }
      EXPECT_TRUE(world.gate.open);
      EXPECT_TRUE(world.shim.engines_run());
      EXPECT_EQ(world.shim.state(), AdapterState::kRunning);
    }
  }
}

// Has the shim restarted right before `step` of an update is carried out on
// `way`, and the agent right after it, if it is asked to.
void RunWithARestartedShim(Step step, core::Way way, bool agent_too,
                           World& world) {
  bool done = false;
  world.worker->before_step = [&](const core::Action& action) {
    if (done || action.step != step) return;
    if (world.loop->update().way != way) return;
    done = true;
    world.shim.Restart();
  };
  world.Post(FromService::Kind::kStart, 1);
  while (!done) ASSERT_TRUE(world.loop->Turn(absl::ZeroDuration()).ok());
  if (agent_too) world.Boot();
  ASSERT_TRUE(world.Run().ok());
}

// What was stopped or saved is gone, and whoever answers knows nothing of it.
TEST(AgentLoopTest, AShimThatIsRestartedNeverGivesACleanEnd) {
  for (const bool agent_too : {false, true}) {
    for (const Step step :
         {Step::kCloseGate, Step::kPause, Step::kSave, Step::kUnload,
          Step::kRestore, Step::kVerify, Step::kResume, Step::kConfirm,
          Step::kSwitch, Step::kCommit}) {
      for (const core::Way way : {core::Way::kForward, core::Way::kBack}) {
        if (way == core::Way::kBack && step <= Step::kSave) continue;
        SCOPED_TRACE(::testing::Message()
                     << core::Name(step) << ", " << core::Name(way)
                     << ", agent too " << agent_too);
        World world;
        world.shim.AddVgpu("vm-1");
        if (way == core::Way::kBack) world.shim.FailNext(Step::kVerify, {});
        RunWithARestartedShim(step, way, agent_too, world);
        const core::Update& update = world.loop->update();
        EXPECT_EQ(update.end, End::kQuarantined) << update.message;
        EXPECT_EQ(update.reason, "SHIM_RESTARTED");
        EXPECT_THAT(update.message, HasSubstr("1 vGPUs is lost"));
        EXPECT_EQ(update.vgpus.at(1).guest, "vm-1");
        EXPECT_FALSE(update.vgpus.at(1).preserved);
        EXPECT_FALSE(world.gate.open);
      }
    }
  }
}

TEST(AgentLoopTest, AShimThatIsRestartedBeforePauseWithNobodyThereCancels) {
  for (const bool agent_too : {false, true}) {
    World world;
    world.worker->before_step = [&](const core::Action& action) {
      if (action.step != Step::kCloseGate) return;
      world.shim.Restart();
      world.Post(FromService::Kind::kCancel, 1);
    };
    world.Post(FromService::Kind::kStart, 1);
    while (world.loop->update().running != Step::kCloseGate) {
      ASSERT_TRUE(world.loop->Turn(absl::ZeroDuration()).ok());
    }
    if (agent_too) world.Boot();
    ASSERT_TRUE(world.Run().ok());
    EXPECT_EQ(world.loop->update().end, End::kCancelled);
    EXPECT_THAT(world.loop->update().message,
                HasSubstr("shim was restarted before Pause"));
    EXPECT_TRUE(world.gate.open);
  }
}

TEST(AgentLoopTest, ACrashOnTheWayBackGoesOnBack) {
  for (const Step step :
       {Step::kUnload, Step::kRestore, Step::kVerify, Step::kResume,
        Step::kConfirm, Step::kSwitch, Step::kCommit, Step::kReopenGate}) {
    SCOPED_TRACE(core::Name(step));
    World world;
    world.shim.FailNext(Step::kVerify, {.reason = "VGPU_MISSING"});
    world.Post(FromService::Kind::kStart, 1);
    for (int turn = 0; turn < 300; ++turn) {
      const core::Update& update = world.loop->update();
      if (update.way == core::Way::kBack && update.running == step) break;
      ASSERT_TRUE(world.loop->Turn(absl::ZeroDuration()).ok());
      world.clock.Advance(absl::Milliseconds(500));
    }
    world.Boot();
    ASSERT_TRUE(world.Run().ok());
    EXPECT_EQ(world.loop->update().end, End::kRolledBack)
        << world.loop->update().message;
    EXPECT_EQ(world.Version(), "1.0");
    EXPECT_TRUE(world.shim.engines_run());
    EXPECT_EQ(world.loop->update().reason, "VGPU_MISSING");
  }
}

// The shim had committed, and knows of no update: placement was reopened.
TEST(AgentLoopTest, ARestartForgetsNobodyWhoWasLost) {
  for (const bool back : {false, true}) {
    for (const Step step :
         {Step::kVerify, Step::kConfirm, Step::kSwitch, Step::kCommit}) {
      SCOPED_TRACE(absl::StrCat(core::Name(step), back ? " back" : ""));
      World world;
      world.shim.loses = true;
      if (back) world.shim.FailNext(Step::kRestore, {.reason = "BROKE"});
      world.Post(FromService::Kind::kStart, 1);
      for (int turn = 0; turn < 300; ++turn) {
        const core::Update& update = world.loop->update();
        if ((update.way == core::Way::kBack) == back &&
            update.running == step) {
          break;
        }
        ASSERT_TRUE(world.loop->Turn(absl::ZeroDuration()).ok());
        world.clock.Advance(absl::Milliseconds(500));
      }
      ASSERT_EQ(world.loop->update().running, step);
      world.Boot();
      ASSERT_TRUE(world.Run().ok());
      EXPECT_EQ(world.loop->update().end, End::kQuarantined);
      EXPECT_THAT(world.loop->update().message, HasSubstr("'vm-2' is lost"));
      EXPECT_FALSE(world.gate.open);
    }
  }
}

TEST(AgentLoopTest, ARestartWaitsForTheShim) {
  World world;
  world.Post(FromService::Kind::kStart, 1);
  while (world.loop->update().running != Step::kRestore) {
    ASSERT_TRUE(world.loop->Turn(absl::ZeroDuration()).ok());
  }
  world.Boot();
  world.shim.away = 7;
  ASSERT_TRUE(world.Run().ok());
  EXPECT_EQ(world.loop->update().end, End::kDone);
}

TEST(AgentLoopTest, KeepsTheFinalReportUntilItIsAcknowledged) {
  World world;
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  world.Boot();
  ASSERT_TRUE(world.Run(10).ok());
  ASSERT_TRUE(world.uplink.views.back().report.has_value());
  EXPECT_EQ(world.uplink.views.back().report->state(), v1::UPDATE_STATE_DONE);
  world.Acknowledge();
  ASSERT_TRUE(world.Run(10).ok());
  EXPECT_FALSE(world.uplink.views.back().report.has_value());
  world.Boot();
  world.uplink.views.clear();
  ASSERT_TRUE(world.Run(10).ok());
  EXPECT_FALSE(world.uplink.views.back().report.has_value());
  EXPECT_EQ(world.uplink.views.back().finished_attempt, 1u);
  EXPECT_EQ(world.uplink.views.back().finished_state, v1::UPDATE_STATE_DONE);
}

TEST(AgentLoopTest, ARepeatedOrderStartsNothingAndGetsTheRecordedEnd) {
  World world;
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  world.Acknowledge();
  ASSERT_TRUE(world.Run(10).ok());
  const size_t calls = world.shim.calls.size();
  world.Post(FromService::Kind::kStart, 1);
  ASSERT_TRUE(world.Run(10).ok());
  EXPECT_EQ(world.shim.calls.size(), calls);
  ASSERT_TRUE(world.uplink.views.back().report.has_value());
  EXPECT_EQ(world.uplink.views.back().report->state(), v1::UPDATE_STATE_DONE);
}

TEST(AgentLoopTest, ARepeatedOrderIsHeardEvenTogetherWithTheAcknowledgement) {
  World world;
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  const View before = world.uplink.views.back();
  world.uplink.views.clear();
  // Both in one turn: nobody ever saw that nothing was left to say.
  world.Acknowledge();
  world.Post(FromService::Kind::kStart, 1);
  ASSERT_TRUE(world.Run(1).ok());
  ASSERT_EQ(world.uplink.views.size(), 1u);
  const View& again = world.uplink.views.back();
  ASSERT_TRUE(again.report.has_value());
  EXPECT_EQ(again.report->sequence(), before.report->sequence());
  EXPECT_GT(again.asked_again, before.asked_again);
}

TEST(AgentLoopTest, StaleOrdersAreRefusedAlsoAfterARestart) {
  World world;
  world.Post(FromService::Kind::kWelcome, 0, 5);
  ASSERT_TRUE(world.Run(3).ok());
  world.Boot();
  world.Post(FromService::Kind::kStart, 1, 4);
  ASSERT_TRUE(world.Run(10).ok());
  EXPECT_THAT(world.shim.calls, ElementsAre());
  EXPECT_EQ(world.loop->update().epoch, 5u);
}

TEST(AgentLoopTest, StopCancelsBeforePauseAndFinishesAfterwards) {
  for (const Step step :
       {Step::kPrepare, Step::kCloseGate, Step::kPause, Step::kSave,
        Step::kRestore, Step::kResume, Step::kCommit}) {
    SCOPED_TRACE(core::Name(step));
    World world;
    world.worker->before_step = [&](const core::Action& action) {
      if (action.step == step) world.PostStop();
    };
    const End end = world.RunUpdate();
    EXPECT_EQ(end, step < Step::kPause ? End::kCancelled : End::kDone);
    EXPECT_TRUE(world.loop->Stopped());
    EXPECT_TRUE(world.shim.engines_run());
    EXPECT_TRUE(world.gate.open);
  }
}

TEST(AgentLoopTest, StopsAtOnceWhenIdle) {
  World world;
  world.PostStop();
  ASSERT_TRUE(world.Run(5).ok());
  EXPECT_TRUE(world.loop->Stopped());
}

// The journal dies at each of its writes: the guests never do.
TEST(AgentLoopTest, AJournalThatFailsStopsTheAgentWithAWholeHost) {
  for (int write = 1; write <= 5; ++write) {
    SCOPED_TRACE(write);
    World world;
    world.journal.fail_from = write;
    world.Post(FromService::Kind::kStart, 1);
    const absl::Status status = world.Run();
    if (world.journal.writes < write) continue;
    EXPECT_EQ(Reason(status), "JOURNAL_UNUSABLE");
    EXPECT_TRUE(world.shim.engines_run());
    EXPECT_EQ(world.shim.state(), AdapterState::kRunning);
    for (const View& view : world.uplink.views) {
      EXPECT_LE(view.finished_attempt, world.journal.written.finished_attempt);
    }
  }
}

TEST(AgentLoopTest, SaysThatTheShimDoesNotAnswer) {
  World world;
  world.shim.away = 1000;
  ASSERT_TRUE(world.Run(3).ok());
  EXPECT_THAT(world.uplink.views.back().inventory->fault(),
              HasSubstr("does not answer"));
  world.shim.away = 0;
  ASSERT_TRUE(world.Run(30).ok());
  EXPECT_EQ(world.uplink.views.back().inventory->fault(), "");
  EXPECT_EQ(world.uplink.views.back().inventory->adapters_size(), 1);
}

TEST(AgentLoopTest, WhatIsToldMayWaitFromPauseToTheEnd) {
  World world;
  for (const Step away : {Step::kPrepare, Step::kRestore}) {
    world.shim.FailNext(away, {.code = absl::StatusCode::kUnavailable,
                               .trial = core::Trial::kNoAnswer,
                               .times = 2});
  }
  EXPECT_EQ(world.RunUpdate(), End::kDone);
  size_t waiting = 0;
  for (const View& view : world.uplink.views) {
    const bool before =
        view.report.has_value() && view.report->steps_size() < 2;
    EXPECT_FALSE(view.may_wait && before);
    waiting += view.may_wait ? 1 : 0;
  }
  EXPECT_GT(waiting, 0u);
  EXPECT_FALSE(world.uplink.views.back().may_wait);
}

TEST(AgentLoopTest, PublishesOnlyWhatChanged) {
  World world;
  ASSERT_TRUE(world.Run(100).ok());
  EXPECT_EQ(world.uplink.views.size(), 1u);
}

}  // namespace
}  // namespace baton::agent
