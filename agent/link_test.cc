#include "agent/link.h"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/testing/fakes.h"
#include "agent/testing/socket.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/mutex.h"
#include "base/reason.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/status_codec.h"

namespace baton::agent {
namespace {

using Stream =
    grpc::ServerReaderWriter<v1::ConnectResponse, v1::ConnectRequest>;

// Welcomes each stream, keeps what it hears, and does with each stream what the
// next script says.
class Service final : public v1::AgentService::Service {
 public:
  // Its time, whatever others take it for.
  static constexpr int64_t kTold = 1'000;

  struct Script {
    std::function<void()> before = [] {};         // the welcome
    std::vector<v1::ConnectResponse> words = {};  // after the welcome
    int hear = 1'000'000;                         // words, then the end
    grpc::Status end = grpc::Status::OK;
  };

  grpc::Status Connect(grpc::ServerContext*, Stream* stream) override {
    const Script script = Next();
    v1::ConnectRequest heard;
    if (!stream->Read(&heard)) return grpc::Status::OK;
    CHECK(heard_.TryPost(heard));
    script.before();
    v1::ConnectResponse welcome;
    welcome.mutable_welcome()->set_epoch(4);
    welcome.mutable_welcome()->mutable_heartbeat()->set_nanos(100'000'000);
    welcome.mutable_welcome()->mutable_service_time()->set_seconds(kTold);
    welcome.mutable_welcome()->set_inventory_digest(
        heard.hello().inventory_digest());
    stream->Write(welcome);
    for (const v1::ConnectResponse& word : script.words) stream->Write(word);
    for (int i = 1; i < script.hear && stream->Read(&heard); ++i) {
      CHECK(heard_.TryPost(heard));
    }
    return script.end;
  }

  void Play(Script script) {
    MutexLock lock(mu_);
    scripts_.push_back(std::move(script));
  }

  // Returns the next word heard that is not a bare heartbeat.
  v1::ConnectRequest Hear() {
    for (;;) {
      while (!waiting_.empty()) {
        v1::ConnectRequest word = std::move(waiting_.front());
        waiting_.pop_front();
        ++words;
        if (!word.has_heartbeat() || word.heartbeat().has_inventory() ||
            word.heartbeat().has_change()) {
          return word;
        }
      }
      for (v1::ConnectRequest& word : heard_.TakeAll(absl::Seconds(10))) {
        waiting_.push_back(std::move(word));
      }
    }
  }

  // Returns the next word, whatever it is.
  v1::ConnectRequest HearAny() {
    while (waiting_.empty()) {
      for (v1::ConnectRequest& word : heard_.TakeAll(absl::Seconds(10))) {
        waiting_.push_back(std::move(word));
      }
    }
    v1::ConnectRequest word = std::move(waiting_.front());
    waiting_.pop_front();
    return word;
  }

  int words = 0;

 private:
  Script Next() {
    MutexLock lock(mu_);
    if (scripts_.empty()) return {};
    Script script = std::move(scripts_.front());
    scripts_.pop_front();
    return script;
  }

  Mutex mu_;
  std::deque<Script> scripts_ ABSL_GUARDED_BY(mu_);
  Mailbox<v1::ConnectRequest> heard_{10'000};
  std::deque<v1::ConnectRequest> waiting_;  // of the test's thread
};

std::shared_ptr<const v1::Inventory> AnInventory(
    const std::string& fault = "") {
  v1::Inventory inventory;
  inventory.add_adapters()->set_name("gpu0");
  inventory.set_fault(fault);
  return std::make_shared<v1::Inventory>(inventory);
}

View AView(uint64_t sequence) {
  View view;
  view.inventory = AnInventory();
  view.epoch = 3;
  view.finished_attempt = 6;
  view.finished_state = v1::UPDATE_STATE_QUARANTINED;
  if (sequence == 0) return view;
  view.report = v1::UpdateReport();
  view.report->set_attempt(7);
  view.report->set_sequence(sequence);
  return view;
}

// The real one, and how long the process was stopped.
class LateClock final : public Clock {
 public:
  absl::Time Now() const override { return RealClock().Now(); }
  absl::Duration Monotonic() const override {
    const absl::Duration now = frozen_ ? begin_ : RealClock().Monotonic();
    return now + absl::Seconds(stopped_s_.load());
  }
  void Stop(int64_t seconds) { stopped_s_ += seconds; }
  // Stands still from now on, but for what Stop() adds.
  void Freeze() { frozen_ = true; }

 private:
  const absl::Duration begin_ = RealClock().Monotonic();
  std::atomic<bool> frozen_ = false;
  std::atomic<int64_t> stopped_s_ = 0;
};

class LinkTest : public ::testing::Test {
 protected:
  LinkTest() : target_(testing::FreshAddress()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(target_, grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
  }

  ~LinkTest() override {
    link_.reset();
    server_->Shutdown();
  }

  void Open() {
    Link::Options options;
    options.host = "hosts/host-1";
    options.boot_id = "boot";
    options.agent_version = "1";
    options.labels = {{"zone", "a"}};
    options.reconnect = {absl::Milliseconds(1), absl::Milliseconds(10)};
    options.after_replaced = absl::Milliseconds(50);
    link_ = std::make_unique<Link>(
        options,
        grpc::CreateChannel(target_, grpc::InsecureChannelCredentials()),
        clock_, random_,
        [this](FromService news) { return news_.TryPost(std::move(news)); });
  }

  FromService News() {
    while (news_waiting_.empty()) {
      for (FromService& news : news_.TakeAll(absl::Seconds(10))) {
        news_waiting_.push_back(std::move(news));
      }
    }
    FromService news = std::move(news_waiting_.front());
    news_waiting_.pop_front();
    return news;
  }

  const std::string target_;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
  testing::FakeRandom random_;
  LateClock clock_;
  // Holds all that a test sends: a full one ends the stream.
  Mailbox<FromService> news_{16};
  std::deque<FromService> news_waiting_;
  std::unique_ptr<Link> link_;
};

TEST_F(LinkTest, SaysHelloOnceThereIsSomethingToSay) {
  Open();
  link_->Publish(AView(5));
  const v1::AgentHello hello = service_.Hear().hello();
  EXPECT_EQ(hello.host(), "hosts/host-1");
  EXPECT_EQ(hello.boot_id(), "boot");
  EXPECT_EQ(hello.labels().at("zone"), "a");
  EXPECT_EQ(hello.inventory().adapters(0).name(), "gpu0");
  EXPECT_EQ(hello.epoch(), 3u);
  EXPECT_EQ(hello.finished_attempt(), 6u);
  EXPECT_EQ(hello.finished_state(), v1::UPDATE_STATE_QUARANTINED);
  EXPECT_EQ(hello.update().sequence(), 5u);
  const FromService welcome = News();
  EXPECT_EQ(welcome.kind, FromService::Kind::kWelcome);
  EXPECT_EQ(welcome.epoch, 4u);
}

TEST_F(LinkTest, SendsHeartbeatsThatSayNothingNew) {
  Open();
  link_->Publish(AView(0));
  EXPECT_TRUE(service_.HearAny().has_hello());
  for (int i = 0; i < 3; ++i) {
    const v1::ConnectRequest word = service_.HearAny();
    ASSERT_TRUE(word.has_heartbeat());
    EXPECT_FALSE(word.heartbeat().has_inventory());
  }
}

TEST_F(LinkTest, SendsReportsAndInventoriesThatAreNew) {
  Open();
  link_->Publish(AView(5));
  EXPECT_TRUE(service_.Hear().has_hello());
  link_->Publish(AView(6));
  EXPECT_EQ(service_.Hear().report().sequence(), 6u);
  View changed = AView(6);
  changed.inventory = AnInventory("gone");
  link_->Publish(changed);
  EXPECT_EQ(service_.Hear().heartbeat().change().rest().fault(), "gone");
}

TEST_F(LinkTest, WhatMayWaitIsSaidTogetherWithWhatFollowsIt) {
  clock_.Freeze();
  Open();
  link_->Publish(AView(5));
  EXPECT_TRUE(service_.Hear().has_hello());
  for (uint64_t sequence = 6; sequence < 9; ++sequence) {
    View view = AView(sequence);
    view.may_wait = true;
    link_->Publish(view);
  }
  // It waits, and not for ever.
  clock_.Stop(2);
  EXPECT_EQ(service_.Hear().report().sequence(), 8u);
  View view = AView(9);
  view.may_wait = true;
  link_->Publish(view);
  link_->Publish(AView(10));
  EXPECT_EQ(service_.Hear().report().sequence(), 10u);
}

TEST_F(LinkTest, SaysAgainWhatWasHiddenInBetween) {
  Open();
  link_->Publish(AView(5));
  EXPECT_TRUE(service_.Hear().has_hello());
  View hidden = AView(0);
  hidden.inventory = AnInventory("marks the place");
  link_->Publish(hidden);
  EXPECT_TRUE(service_.Hear().has_heartbeat());
  hidden.report = AView(5).report;
  link_->Publish(hidden);
  EXPECT_EQ(service_.Hear().report().sequence(), 5u);
}

// The view in between may be gone before the link's thread runs.
TEST_F(LinkTest, SaysAgainWhatIsAskedForAgain) {
  Open();
  View view = AView(5);
  link_->Publish(view);
  EXPECT_TRUE(service_.Hear().has_hello());
  view.asked_again = 1;
  link_->Publish(view);
  EXPECT_EQ(service_.Hear().report().sequence(), 5u);
}

TEST_F(LinkTest, OpensANewStreamAndRepeatsWhatIsNotAcknowledged) {
  Service::Script breaks;
  breaks.hear = 2;
  breaks.end = grpc::Status(grpc::StatusCode::UNAVAILABLE, "going");
  service_.Play(breaks);
  Open();
  link_->Publish(AView(5));
  EXPECT_TRUE(service_.Hear().has_hello());
  const v1::ConnectRequest again = service_.Hear();
  ASSERT_TRUE(again.has_hello());
  EXPECT_EQ(again.hello().update().sequence(), 5u);
}

TEST_F(LinkTest, ComesBackAfterAnotherAgentTookItsPlace) {
  Service::Script replaced;
  replaced.hear = 1;
  replaced.end = ToGrpc(ErrorWithReason(absl::StatusCode::kAborted,
                                        "STREAM_REPLACED", "another one"));
  service_.Play(replaced);
  Open();
  link_->Publish(AView(0));
  EXPECT_TRUE(service_.Hear().has_hello());
  EXPECT_TRUE(service_.Hear().has_hello());
}

TEST_F(LinkTest, HandsOnOrdersAndAcknowledgements) {
  Service::Script script;
  script.words.resize(4);
  v1::Order& start = *script.words[0].mutable_order();
  start.set_kind(v1::ORDER_KIND_START);
  start.set_epoch(4);
  start.set_attempt(8);
  start.set_rollout("rollouts/r");
  start.mutable_driver()->set_name("drivers/a/versions/1");
  start.mutable_deadlines()->mutable_save()->set_seconds(3);
  // Of a later release: handed on, so that it is answered.
  script.words[1].mutable_order()->set_kind(static_cast<v1::OrderKind>(99));
  script.words[1].mutable_order()->set_attempt(9);
  v1::Order& cancel = *script.words[2].mutable_order();
  cancel.set_kind(v1::ORDER_KIND_CANCEL);
  cancel.set_attempt(8);
  script.words[3].mutable_ack()->set_attempt(7);
  script.words[3].mutable_ack()->set_sequence(5);
  service_.Play(script);
  Open();
  link_->Publish(AView(5));
  EXPECT_EQ(News().kind, FromService::Kind::kWelcome);
  const FromService started = News();
  EXPECT_EQ(started.kind, FromService::Kind::kStart);
  EXPECT_EQ(started.epoch, 4u);
  EXPECT_EQ(started.order.attempt, 8u);
  EXPECT_EQ(started.order.driver, "drivers/a/versions/1");
  EXPECT_EQ(started.order.deadlines.save, absl::Seconds(3));
  EXPECT_EQ(started.order.unknown, "");
  EXPECT_EQ(started.not_after, absl::InfiniteDuration());
  const FromService unknown = News();
  EXPECT_EQ(unknown.order.attempt, 9u);
  EXPECT_NE(unknown.order.unknown, "");
  EXPECT_EQ(News().kind, FromService::Kind::kCancel);
  const FromService acknowledged = News();
  EXPECT_EQ(acknowledged.kind, FromService::Kind::kAck);
  EXPECT_EQ(acknowledged.attempt, 7u);
  EXPECT_EQ(acknowledged.sequence, 5u);
}

TEST_F(LinkTest, TellsWhenAnOrderExpiresOnItsOwnClock) {
  Service::Script script;
  script.words.resize(1);
  v1::Order& start = *script.words[0].mutable_order();
  start.set_kind(v1::ORDER_KIND_START);
  start.set_attempt(8);
  start.mutable_not_after()->set_seconds(Service::kTold + 60);
  service_.Play(script);
  const absl::Duration before = RealClock().Monotonic();
  Open();
  link_->Publish(AView(5));
  EXPECT_EQ(News().kind, FromService::Kind::kWelcome);
  const FromService started = News();
  EXPECT_GE(started.not_after, before + absl::Seconds(60));
  EXPECT_LE(started.not_after, RealClock().Monotonic() + absl::Seconds(60));
}

// By its time each order would be too late.
TEST_F(LinkTest, RegressionTakesNoWelcomeThatCameTooLate) {
  Service::Script late;
  late.before = [this] { clock_.Stop(100); };
  late.words.resize(1);
  late.words[0].mutable_order()->set_kind(v1::ORDER_KIND_START);
  late.words[0].mutable_order()->set_attempt(7);
  Service::Script soon = late;
  soon.before = [] {};
  soon.words[0].mutable_order()->set_attempt(8);
  service_.Play(late);
  service_.Play(soon);
  Open();
  link_->Publish(AView(0));
  EXPECT_EQ(News().kind, FromService::Kind::kWelcome);
  EXPECT_EQ(News().order.attempt, 8u);
}

TEST_F(LinkTest, StaysAwayAsLongAsItIsToldTo) {
  Service::Script away;
  away.words.resize(1);
  away.words[0].mutable_wait()->mutable_wait()->set_nanos(30'000'000);
  away.hear = 1;
  away.end = ToGrpc(ErrorWithReason(absl::StatusCode::kResourceExhausted,
                                    "TOO_MANY_AGENTS", "later"));
  service_.Play(away);
  Open();
  const absl::Duration before = RealClock().Monotonic();
  link_->Publish(AView(0));
  EXPECT_TRUE(service_.Hear().has_hello());
  EXPECT_TRUE(service_.Hear().has_hello());
  EXPECT_GE(RealClock().Monotonic() - before, absl::Milliseconds(30));
}

// What the service has already is named, and not told again.
TEST_F(LinkTest, NamesItsInventoryOnTheNextStream) {
  Service::Script breaks;
  breaks.hear = 2;
  service_.Play(breaks);
  Open();
  link_->Publish(AView(0));
  const v1::AgentHello first = service_.Hear().hello();
  EXPECT_TRUE(first.has_inventory());
  const v1::AgentHello second = service_.Hear().hello();
  EXPECT_FALSE(second.has_inventory());
  EXPECT_EQ(second.inventory_digest(), first.inventory_digest());
}

TEST_F(LinkTest, BreaksTheStreamWhenNobodyTakesTheNews) {
  Service::Script flood;
  flood.words.resize(100);
  for (v1::ConnectResponse& word : flood.words) {
    word.mutable_ack()->set_attempt(1);
  }
  service_.Play(flood);
  Open();
  link_->Publish(AView(0));
  EXPECT_TRUE(service_.Hear().has_hello());
  // A second one follows, though the service never ended the first.
  EXPECT_TRUE(service_.Hear().has_hello());
}

TEST_F(LinkTest, EndsAtOnceWithoutAService) {
  server_->Shutdown();
  Open();
  link_->Publish(AView(0));
  link_.reset();
  EXPECT_EQ(link_, nullptr);
}

}  // namespace
}  // namespace baton::agent
