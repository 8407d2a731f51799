#include "service/runtime/fleet_loop.h"

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/store/memory_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/stage.h"

namespace baton::runtime {
namespace {

using support::HostName;
using support::kRollout;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Tells what happened in which order.
using Story = std::vector<std::string>;

class TellingStore final : public Store {
 public:
  TellingStore(store::MemoryDisk& disk, Story& story)
      : store_(store::OpenMemoryStore(disk)), story_(story) {}
  absl::StatusOr<core::Fleet> Load() override { return store_->Load(); }
  absl::Status Commit(const core::Fleet& fleet,
                      const core::Changes& changes) override {
    story_.push_back("commit");
    return store_->Commit(fleet, changes);
  }
  absl::StatusOr<std::optional<core::Capsule>> LoadCapsule(
      const std::string& update, absl::Time now) override {
    return store_->LoadCapsule(update, now);
  }
  absl::StatusOr<std::vector<core::AuditRecord>> ScanAudit(
      const AuditQuery& query) override {
    return store_->ScanAudit(query);
  }

 private:
  const std::unique_ptr<Store> store_;
  Story& story_;
};

class TellingLink final : public Link {
 public:
  TellingLink(std::string name, Story& story)
      : name_(std::move(name)), story_(story) {}
  void Send(const core::Order& order) override {
    story_.push_back(
        name_ +
        (order.kind == core::OrderKind::kStart ? " start " : " cancel ") +
        std::to_string(order.attempt));
  }
  void Close(const absl::Status& why) override {
    story_.push_back(name_ + " closed " + Reason(why));
  }

 private:
  const std::string name_;
  Story& story_;
};

class TellingWatcher final : public Watcher {
 public:
  explicit TellingWatcher(Story& story) : story_(story) {}
  void OnTurn(const core::Fleet&, const core::Changes&) override {
    story_.push_back("publish");
  }

 private:
  Story& story_;
};

class FleetLoopTest : public testing::Test {
 protected:
  void SetUp() override { Restart({}); }

  void Restart(const FleetLoop::Options& options) {
    loop_.reset();
    store_ = std::make_unique<TellingStore>(disk_, story_);
    auto loop = FleetLoop::Create(options, {clock_, *store_});
    ASSERT_TRUE(loop.ok()) << loop.status();
    loop_ = *std::move(loop);
    story_.clear();
  }

  // Posts; the story will tell the reason of the answer.
  void Post(core::EventBody body, const std::string& name) {
    EXPECT_EQ(loop_->Post("alice", std::move(body), Tell(name)),
              absl::OkStatus());
  }
  FleetLoop::Done Tell(const std::string& name) {
    return [this, name](const absl::Status& status, const core::Fleet&) {
      story_.push_back(status.ok() ? name : name + " " + Reason(status));
    };
  }
  void Connect(int number, const std::string& name) {
    core::HostConnected hello;
    hello.host = HostName(number);
    hello.stream = loop_->NewStream();
    hello.inventory = support::MakeInventory("1.0");
    EXPECT_EQ(loop_->Connect(hello, std::make_shared<TellingLink>(name, story_),
                             Tell(name)),
              absl::OkStatus());
  }
  void Turn() {
    ASSERT_EQ(loop_->RunOnce(absl::ZeroDuration()), absl::OkStatus());
  }
  Story TakeStory() { return std::exchange(story_, {}); }

  // A rollout of one host that was just admitted.
  void StartRollout() {
    Connect(1, "link");
    Post(core::DriverStored{support::MakeDriver("2.0")}, "stored");
    Post(core::CreateRollout{kRollout, support::MakeSpec()}, "created");
    Post(core::PlanRollout{kRollout}, "planned");
    Turn();
    const std::string digest =
        loop_->fleet().rollouts.at(kRollout).plan->digest;
    TakeStory();
    Post(core::StartRollout{kRollout, digest}, "started");
    Turn();
  }

  Story story_;
  store::MemoryDisk disk_;
  support::FakeClock clock_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<FleetLoop> loop_;
};

TEST_F(FleetLoopTest, CommitsOnceThenAnswersSendsAndPublishes) {
  const auto watcher = std::make_shared<TellingWatcher>(story_);
  loop_->feed().Subscribe(watcher);
  StartRollout();
  EXPECT_THAT(TakeStory(),
              ElementsAre("commit", "started", "link start 1", "publish"));

  Post(core::CordonHost{HostName(1), "disk"}, "cordoned");
  Post(core::CordonHost{HostName(1), "disk"}, "again");
  Post(core::CordonHost{HostName(2), "disk"}, "unknown");
  loop_->feed().Unsubscribe(watcher);
  Turn();
  EXPECT_THAT(TakeStory(),
              ElementsAre("commit", "cordoned", "again HOST_CORDONED",
                          "unknown HOST_NOT_FOUND"));
}

TEST_F(FleetLoopTest, CommitsNothingWhenNothingIsToBeStored) {
  Connect(1, "first");
  Turn();
  EXPECT_THAT(TakeStory(), ElementsAre("commit", "first"));
  Connect(1, "second");
  Turn();
  EXPECT_THAT(TakeStory(),
              ElementsAre("second", "first closed STREAM_REPLACED"));
  Turn();
  EXPECT_THAT(TakeStory(), IsEmpty());
}

TEST_F(FleetLoopTest, AnswersNobodyWithOkWhenTheCommitFails) {
  Connect(1, "link");
  Turn();
  TakeStory();
  disk_.commits_until_failure = 0;
  Post(core::CordonHost{HostName(1), "disk"}, "cordoned");
  EXPECT_EQ(loop_->Read(Tell("read")), absl::OkStatus());
  const absl::Status status = loop_->RunOnce(absl::ZeroDuration());
  EXPECT_EQ(Reason(status), "STORE_UNAVAILABLE");
  EXPECT_THAT(TakeStory(), ElementsAre("commit", "cordoned STORE_UNAVAILABLE",
                                       "read STORE_UNAVAILABLE"));
  // What was never durable was never there.
  disk_.commits_until_failure = -1;
  Restart({});
  EXPECT_FALSE(loop_->fleet().hosts.at(HostName(1)).cordon.has_value());
}

class FakeDisk final : public Disk {
 public:
  absl::StatusOr<uint64_t> FreeBytes() const override { return free_bytes; }
  uint64_t free_bytes = uint64_t{1} << 40;
};

// Whoever is in flight ends; nobody else begins until there is room again.
TEST_F(FleetLoopTest, AdmitsNobodyWhileItsDiskIsNearlyFull) {
  FakeDisk disk;
  auto loop =
      FleetLoop::Create({.disk_reserve_bytes = 1000}, {clock_, *store_, &disk});
  ASSERT_TRUE(loop.ok()) << loop.status();
  loop_ = *std::move(loop);
  disk.free_bytes = 999;
  StartRollout();
  const auto attempt = [&] {
    return loop_->fleet().rollouts.at(kRollout).updates.at(HostName(1)).attempt;
  };
  EXPECT_EQ(attempt(), 0u);
  disk.free_bytes = 1000;
  clock_.Advance(absl::Seconds(1));
  Turn();
  EXPECT_EQ(attempt(), 1u);
}

TEST_F(FleetLoopTest, SendsTheSameOrderAfterAReconnectAndARestart) {
  StartRollout();
  TakeStory();
  Connect(1, "second");
  Turn();
  EXPECT_THAT(TakeStory(), ElementsAre("second", "link closed STREAM_REPLACED",
                                       "second start 1"));
  Restart({});
  Connect(1, "third");
  Turn();
  EXPECT_THAT(TakeStory(), ElementsAre("third", "third start 1"));
}

TEST_F(FleetLoopTest, RepeatsAnOrderThatStillStands) {
  StartRollout();
  TakeStory();
  const uint64_t stream = loop_->fleet().hosts.at(HostName(1)).stream;
  for (int seconds = 0; seconds < 30; seconds += 10) {
    clock_.Advance(absl::Seconds(10));
    Post(core::HostHeard{HostName(1), stream}, "heard");
    Turn();
  }
  EXPECT_THAT(TakeStory(),
              ElementsAre("heard", "heard", "heard", "link start 1"));
}

TEST_F(FleetLoopTest, ClosesAStreamOfWhichNothingIsHeard) {
  Connect(1, "link");
  Turn();
  TakeStory();
  clock_.Advance(absl::Seconds(14));
  Turn();
  EXPECT_THAT(TakeStory(), IsEmpty());
  clock_.Advance(absl::Seconds(1));
  Turn();
  EXPECT_THAT(TakeStory(), ElementsAre("link closed HEARTBEAT_LOST"));
  EXPECT_FALSE(loop_->fleet().hosts.at(HostName(1)).connected());
}

TEST_F(FleetLoopTest, DoesNotCareAboutTheWallClock) {
  Connect(1, "link");
  Turn();
  const absl::Time before = loop_->Now();
  clock_.JumpWall(absl::Hours(1000));
  Turn();
  EXPECT_EQ(loop_->Now(), before);
  EXPECT_TRUE(loop_->fleet().hosts.at(HostName(1)).connected());
  clock_.JumpWall(-absl::Hours(5000));
  Post(core::CordonHost{HostName(1), "disk"}, "cordoned");
  Turn();
  // Nor does a restart let the time go back.
  const absl::Time committed = loop_->fleet().now;
  Restart({});
  EXPECT_GE(loop_->Now(), committed);
}

TEST_F(FleetLoopTest, RefusesWhatItHasNoRoomFor) {
  FleetLoop::Options options;
  options.mailbox_max = 1;
  Restart(options);
  EXPECT_EQ(loop_->Read(Tell("first")), absl::OkStatus());
  const absl::Status status = loop_->Read(Tell("second"));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Reason(status), "SERVICE_BUSY");
  Turn();
  EXPECT_THAT(TakeStory(), ElementsAre("first"));
}

TEST_F(FleetLoopTest, LetsACallerPassAgentsThatWaitForAnotherTurn) {
  Connect(1, "link");
  Turn();
  TakeStory();
  const uint64_t stream = loop_->fleet().hosts.at(HostName(1)).stream;
  for (int i = 0; i < 100; ++i) {
    Post(core::HostHeard{HostName(1), stream}, "heard");
  }
  Post(core::CordonHost{HostName(1), "disk"}, "cordoned");
  Turn();
  Story story = TakeStory();
  ASSERT_GT(story.size(), 2u);
  EXPECT_LT(story.size(), 102u);
  EXPECT_EQ(story.front(), "commit");
  EXPECT_EQ(story.back(), "cordoned");
  const size_t heard = story.size() - 2;
  Turn();
  EXPECT_EQ(TakeStory(), Story(100 - heard, "heard"));
}

TEST_F(FleetLoopTest, LosesNobodyWhoseHeartbeatWaits) {
  Connect(1, "first");
  Connect(2, "second");
  Turn();
  const uint64_t stream = loop_->fleet().hosts.at(HostName(1)).stream;
  for (int i = 0; i < 100; ++i) {
    Post(core::HostHeard{HostName(1), stream}, "heard");
  }
  clock_.Advance(absl::Seconds(20));
  Turn();
  EXPECT_TRUE(loop_->fleet().hosts.at(HostName(1)).connected());
  EXPECT_TRUE(loop_->fleet().hosts.at(HostName(2)).connected());
  Turn();
  EXPECT_TRUE(loop_->fleet().hosts.at(HostName(1)).connected());
  EXPECT_FALSE(loop_->fleet().hosts.at(HostName(2)).connected());
}

TEST_F(FleetLoopTest, ReadsTheCapsuleOfAnAttemptThatWentWrong) {
  StartRollout();
  core::UpdateReport report;
  report.rollout = kRollout;
  report.attempt = report.sequence = 1;
  report.state = core::UpdateState::kCancelled;
  report.reason = "SAVE_FAILED";
  report.incident = core::Incident{{}, {}, {}, {"the last line"}};
  Post(
      core::UpdateReported{HostName(1),
                           loop_->fleet().hosts.at(HostName(1)).stream, report},
      "reported");
  Turn();
  std::vector<std::string> lines;
  const auto read = [&] {
    lines.clear();
    EXPECT_EQ(loop_->ReadCapsule(
                  kRollout, HostName(1),
                  [&](absl::StatusOr<std::optional<core::Capsule>> capsule) {
                    ASSERT_TRUE(capsule.ok()) << capsule.status();
                    if (!capsule->has_value()) return;
                    EXPECT_EQ((*capsule)->reason, "SAVE_FAILED");
                    EXPECT_EQ((*capsule)->to_version, "2.0");
                    lines = (*capsule)->incident->driver_log;
                  }),
              absl::OkStatus());
    Turn();
  };
  read();
  EXPECT_THAT(lines, ElementsAre("the last line"));
  clock_.Advance(absl::Hours(24 * 30));
  read();
  EXPECT_THAT(lines, IsEmpty());
}

TEST_F(FleetLoopTest, ReadsTheAudit) {
  Connect(1, "link");
  std::vector<std::string> actions;
  EXPECT_EQ(loop_->ReadAudit(
                {},
                [&](absl::StatusOr<std::vector<core::AuditRecord>> records) {
                  ASSERT_TRUE(records.ok());
                  for (const auto& record : *records) {
                    actions.push_back(record.actor + " " + record.action);
                  }
                }),
            absl::OkStatus());
  Turn();
  EXPECT_THAT(actions,
              ElementsAre("batond service.start", "agent:host-1 host.connect"));
}

TEST_F(FleetLoopTest, AnswersWhatIsQueuedWhenItStops) {
  std::thread thread([&] { EXPECT_EQ(loop_->Run(), absl::OkStatus()); });
  loop_->Stop();
  thread.join();
  const absl::Status status = loop_->Read(Tell("late"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(status), "SERVICE_STOPPING");
  EXPECT_THAT(TakeStory(), IsEmpty());
}

TEST_F(FleetLoopTest, TakesPostsOfManyThreads) {
  std::thread thread([&] { EXPECT_EQ(loop_->Run(), absl::OkStatus()); });
  constexpr int kThreads = 4;
  constexpr int kPosts = 200;
  std::atomic<int> answered = 0;
  std::vector<std::thread> posters;
  posters.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    posters.emplace_back([&] {
      for (int n = 0; n < kPosts; ++n) {
        EXPECT_EQ(loop_->Read([&](const absl::Status&, const core::Fleet&) {
          ++answered;
        }),
                  absl::OkStatus());
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  loop_->Stop();
  thread.join();
  EXPECT_EQ(answered, kThreads * kPosts);
}

}  // namespace
}  // namespace baton::runtime
