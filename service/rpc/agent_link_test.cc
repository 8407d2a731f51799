#include "service/rpc/agent_link.h"

#include <future>
#include <memory>
#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"
#include "service/core/update.h"
#include "service/rpc/testing/service_fixture.h"

namespace baton::rpc {
namespace {

class AgentLinkTest : public ServiceFixture {
 protected:
  static v1::UpdateReport ReportOf(const v1::Order& order) {
    v1::UpdateReport report;
    report.set_rollout(order.rollout());
    report.set_attempt(order.attempt());
    report.set_state(v1::UPDATE_STATE_RUNNING);
    return report;
  }
  const core::Update& UpdateIn(const core::Fleet& fleet) {
    return fleet.rollouts.at("rollouts/r").updates.at("hosts/h");
  }
};

TEST_F(AgentLinkTest, WelcomesAHostOnceItIsKnown) {
  FakeAgent agent(*agents_, "hosts/h");
  ASSERT_TRUE(agent.Say(agent.hello));
  v1::ConnectResponse response;
  ASSERT_TRUE(agent.Next(response));
  EXPECT_EQ(response.welcome().epoch(), Snapshot().epoch);
  EXPECT_EQ(response.welcome().heartbeat().seconds(), 5);
  EXPECT_EQ(disk_.tables[store::Table::kHosts].count("hosts/h"), 1u);
}

TEST_F(AgentLinkTest, TakesAHostThroughAWholeUpdate) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/r");
  const v1::Order order = agent->NextOrder();
  EXPECT_EQ(order.kind(), v1::ORDER_KIND_START);
  EXPECT_EQ(order.epoch(), Snapshot().epoch);
  EXPECT_EQ(order.rollout(), "rollouts/r");
  EXPECT_EQ(order.attempt(), 1u);
  const core::Driver driver =
      Snapshot().drivers.at("drivers/softgpu/versions/2.0");
  EXPECT_EQ(order.driver().name(), driver.name);
  EXPECT_EQ(order.driver().digest(), driver.digest);
  EXPECT_EQ(order.driver().size_bytes(), driver.size_bytes);
  EXPECT_EQ(order.deadlines().prepare().seconds(), 300);
  EXPECT_EQ(order.deadlines().confirm().seconds(), 5);

  v1::UpdateReport report = ReportOf(order);
  report.set_step(v1::STEP_PAUSE);
  v1::StepRecord& step = *report.add_steps();
  step.set_step(v1::STEP_PAUSE);
  step.mutable_start_time()->set_seconds(1'700'000'000);
  step.mutable_elapsed()->set_nanos(2'000'000);
  agent->Report(report);
  EXPECT_EQ(UpdateIn(Snapshot()).step, core::Step::kPause);
  EXPECT_EQ(UpdateIn(Snapshot()).steps.at(0).elapsed, absl::Milliseconds(2));

  report.set_step(v1::STEP_REOPEN_GATE);
  report.set_state(v1::UPDATE_STATE_DONE);
  report.set_past_no_return(true);
  report.mutable_saved()->set_blocks(3);
  v1::VirtualGpuResult& vgpu = *report.add_vgpus();
  vgpu.set_partition_id(1);
  vgpu.set_preserved(true);
  vgpu.mutable_blackout()->set_nanos(7'000'000);
  agent->Report(report);

  const core::Fleet fleet = Snapshot();
  EXPECT_EQ(UpdateIn(fleet).state, core::UpdateState::kDone);
  EXPECT_EQ(UpdateIn(fleet).saved->blocks, 3u);
  EXPECT_EQ(UpdateIn(fleet).vgpus.at(0).blackout, absl::Milliseconds(7));
  EXPECT_EQ(fleet.hosts.at("hosts/h").rollout, "");
  Await([](const core::Fleet& now) {
    return now.rollouts.at("rollouts/r").state ==
           core::RolloutState::kSucceeded;
  });
}

TEST_F(AgentLinkTest, ARepeatedReportIsAcknowledgedAndChangesNothing) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/r");
  v1::UpdateReport report = ReportOf(agent->NextOrder());
  report.set_step(v1::STEP_PREPARE);
  agent->Report(report);
  const core::Update before = UpdateIn(Snapshot());
  v1::ConnectRequest again;
  *again.mutable_report() = report;
  again.mutable_report()->set_sequence(1);
  ASSERT_TRUE(agent->Say(again));
  v1::ConnectResponse response;
  ASSERT_TRUE(agent->Next(response));
  EXPECT_EQ(response.ack().sequence(), 1u);
  EXPECT_EQ(UpdateIn(Snapshot()), before);
}

TEST_F(AgentLinkTest, AReportThatCanNeverCountIsLeftAsideAndTheStreamStays) {
  const auto agent = Connected("hosts/h");
  v1::UpdateReport report;
  report.set_rollout("rollouts/none");
  report.set_state(v1::UPDATE_STATE_RUNNING);
  agent->Report(report);
  v1::ConnectRequest heartbeat;
  heartbeat.mutable_heartbeat();
  EXPECT_TRUE(agent->Say(heartbeat));
  EXPECT_TRUE(Snapshot().hosts.at("hosts/h").connected());
}

// Its hello tells more than the report: that the store is older.
TEST_F(AgentLinkTest, AReportOfAnAttemptNobodyGaveOutWantsAHello) {
  const auto agent = Connected("hosts/h");
  v1::ConnectRequest word;
  v1::UpdateReport& report = *word.mutable_report();
  report.set_rollout("rollouts/none");
  report.set_attempt(7);
  report.set_sequence(1);
  report.set_state(v1::UPDATE_STATE_RUNNING);
  ASSERT_TRUE(agent->Say(word));
  EXPECT_EQ(Reason(agent->End()), "ATTEMPT_UNKNOWN");

  FakeAgent again(*agents_, "hosts/h");
  *again.hello.mutable_hello()->mutable_update() = report;
  again.Connect();
  const core::Fleet fleet = Snapshot();
  EXPECT_TRUE(fleet.emergency_stop.has_value());
  EXPECT_EQ(fleet.hosts.at("hosts/h").quarantine->reason, "STORE_IS_OLDER");
  EXPECT_EQ(fleet.hosts.at("hosts/h").attempt, 7u);
}

TEST_F(AgentLinkTest, AnAgentThatComesBackIsToldAgainAndItsReportCounts) {
  Push("2.0");
  auto agent = Connected("hosts/h");
  Start("rollouts/r");
  const v1::Order order = agent->NextOrder();
  agent->Cancel();
  Await([](const core::Fleet& fleet) {
    return !fleet.hosts.at("hosts/h").connected();
  });

  FakeAgent again(*agents_, "hosts/h");
  v1::UpdateReport report = ReportOf(order);
  report.set_sequence(4);
  report.set_step(v1::STEP_SAVE);
  *again.hello.mutable_hello()->mutable_update() = report;
  again.Connect();
  v1::ConnectResponse response;
  bool acknowledged = false;
  bool ordered = false;
  while (!acknowledged || !ordered) {
    ASSERT_TRUE(again.Next(response));
    if (response.has_ack()) {
      EXPECT_EQ(response.ack().sequence(), 4u);
      acknowledged = true;
    }
    if (response.has_order()) {
      EXPECT_EQ(response.order().attempt(), order.attempt());
      ordered = true;
    }
  }
  EXPECT_EQ(UpdateIn(Snapshot()).step, core::Step::kSave);
}

TEST_F(AgentLinkTest, ASecondStreamEndsTheFirst) {
  const auto first = Connected("hosts/h");
  const auto second = Connected("hosts/h");
  const absl::Status end = first->End();
  EXPECT_EQ(end.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Reason(end), "STREAM_REPLACED");
  EXPECT_TRUE(Snapshot().hosts.at("hosts/h").connected());
  v1::ConnectRequest heartbeat;
  heartbeat.mutable_heartbeat();
  EXPECT_TRUE(second->Say(heartbeat));
}

TEST_F(AgentLinkTest, AHeartbeatMayCarryANewInventory) {
  const auto agent = Connected("hosts/h");
  v1::ConnectRequest heartbeat;
  v1::Inventory& inventory =
      *heartbeat.mutable_heartbeat()->mutable_inventory();
  inventory = agent->hello.hello().inventory();
  inventory.set_fault("the shim does not answer");
  ASSERT_TRUE(agent->Say(heartbeat));
  Await([](const core::Fleet& fleet) {
    return fleet.hosts.at("hosts/h").inventory.fault ==
           "the shim does not answer";
  });
  EXPECT_EQ(core::StateOf(Snapshot().hosts.at("hosts/h")),
            core::HostState::kUnhealthy);
}

TEST_F(AgentLinkTest, ACancelOrderFollowsAnAbort) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/r");
  const v1::Order start = agent->NextOrder();
  v1::AbortRolloutRequest request;
  request.set_name("rollouts/r");
  request.set_reason("not today");
  v1::AbortRolloutResponse response;
  ASSERT_TRUE(Call(*rollouts_, &v1::RolloutService::Stub::AbortRollout, request,
                   &response)
                  .ok());
  const v1::Order cancel = agent->NextOrder();
  EXPECT_EQ(cancel.kind(), v1::ORDER_KIND_CANCEL);
  EXPECT_EQ(cancel.attempt(), start.attempt());
  v1::UpdateReport report = ReportOf(start);
  report.set_state(v1::UPDATE_STATE_CANCELLED);
  report.set_reason("CANCELLED_BY_ORDER");
  agent->Report(report);
  Await([](const core::Fleet& fleet) {
    return fleet.rollouts.at("rollouts/r").state ==
           core::RolloutState::kAborted;
  });
}

TEST_F(AgentLinkTest, RefusesWhatIsNotSaidInOrder) {
  v1::ConnectRequest heartbeat;
  heartbeat.mutable_heartbeat();
  v1::ConnectRequest report;
  report.mutable_report()->set_attempt(1);
  v1::ConnectRequest nameless;
  nameless.mutable_hello()->set_host("h");
  v1::ConnectRequest unknown;
  unknown.mutable_hello()->set_host("hosts/h");
  unknown.mutable_hello()->mutable_update()->set_state(
      static_cast<v1::UpdateState>(99));
  v1::ConnectRequest large;
  large.mutable_hello()->set_host(std::string(5 << 20, 'h'));
  const struct {
    const v1::ConnectRequest* said;
    const char* reason;
  } kCases[] = {{&heartbeat, "HELLO_MISSING"},
                {&report, "HELLO_MISSING"},
                {&nameless, "BAD_NAME"},
                {&unknown, "BAD_REPORT"},
                {&large, "FIELD_TOO_LONG"}};
  for (const auto& c : kCases) {
    FakeAgent agent(*agents_, "hosts/h");
    agent.Say(*c.said);
    const absl::Status end = agent.End();
    EXPECT_EQ(end.code(), absl::StatusCode::kInvalidArgument) << end;
    EXPECT_EQ(Reason(end), c.reason);
  }
}

TEST_F(AgentLinkTest, RefusesASecondHello) {
  const auto agent = Connected("hosts/h");
  ASSERT_TRUE(agent->Say(agent->hello));
  EXPECT_EQ(Reason(agent->End()), "HELLO_REPEATED");
}

TEST_F(AgentLinkTest, TakesAHostInThatObeyedALaterService) {
  FakeAgent agent(*agents_, "hosts/h");
  agent.hello.mutable_hello()->set_epoch(1000);
  ASSERT_TRUE(agent.Say(agent.hello));
  v1::ConnectResponse response;
  ASSERT_TRUE(agent.Next(response));
  EXPECT_EQ(response.welcome().epoch(), 1001u);
  EXPECT_TRUE(Snapshot().emergency_stop.has_value());
}

TEST_F(AgentLinkTest, HearsThatTheLastAttemptEndedQuarantined) {
  FakeAgent agent(*agents_, "hosts/h");
  agent.hello.mutable_hello()->set_finished_attempt(3);
  agent.hello.mutable_hello()->set_finished_state(v1::UPDATE_STATE_QUARANTINED);
  ASSERT_TRUE(agent.Say(agent.hello));
  v1::ConnectResponse response;
  ASSERT_TRUE(agent.Next(response));
  ASSERT_TRUE(Snapshot().hosts.at("hosts/h").quarantine.has_value());
}

TEST_F(AgentLinkTest, TellsItsTimeAndBoundsWhatMayBeBegun) {
  Push("2.0");
  FakeAgent agent(*agents_, "hosts/h");
  ASSERT_TRUE(agent.Say(agent.hello));
  v1::ConnectResponse response;
  ASSERT_TRUE(agent.Next(response));
  const int64_t told = response.welcome().service_time().seconds();
  EXPECT_GT(told, 0);
  Start("rollouts/r");
  const v1::Order order = agent.NextOrder();
  EXPECT_GE(order.not_after().seconds(), told + 59);
  ASSERT_EQ(order.steps_size(), 12);
  EXPECT_EQ(order.steps(0), v1::STEP_PREPARE);
  EXPECT_EQ(order.steps(11), v1::STEP_REOPEN_GATE);
}

TEST_F(AgentLinkTest, KnowsAnInventoryByItsName) {
  FakeAgent first(*agents_, "hosts/h");
  first.hello.mutable_hello()->set_inventory_digest("a");
  ASSERT_TRUE(first.Say(first.hello));
  v1::ConnectResponse response;
  ASSERT_TRUE(first.Next(response));
  EXPECT_EQ(response.welcome().inventory_digest(), "a");

  FakeAgent second(*agents_, "hosts/h");
  second.hello.mutable_hello()->set_inventory_digest("a");
  second.hello.mutable_hello()->clear_inventory();
  ASSERT_TRUE(second.Say(second.hello));
  ASSERT_TRUE(second.Next(response));
  EXPECT_EQ(response.welcome().inventory_digest(), "a");
  EXPECT_EQ(Snapshot().hosts.at("hosts/h").inventory.Get().adapters.size(), 1u);

  v1::ConnectRequest word;
  v1::InventoryChange& change = *word.mutable_heartbeat()->mutable_change();
  change.set_base("a");
  change.set_digest("b");
  change.mutable_rest()->set_fault("hot");
  ASSERT_TRUE(second.Say(word));
  Await([](const core::Fleet& fleet) {
    const core::Host& host = fleet.hosts.at("hosts/h");
    return host.inventory.fault == "hot" && host.inventory_digest == "b" &&
           host.inventory.Get().adapters.size() == 1;
  });
  // The same once more does not fit any longer.
  ASSERT_TRUE(second.Say(word));
  EXPECT_EQ(Reason(second.End()), "INVENTORY_UNKNOWN");
}

// An agent of the release before names no inventory: one that is not there is
// empty.
TEST_F(AgentLinkTest, TakesAHelloOfTheReleaseBefore) {
  const auto agent = Connected("hosts/h");
  EXPECT_EQ(Snapshot().hosts.at("hosts/h").inventory_digest, "");
  EXPECT_EQ(Snapshot().hosts.at("hosts/h").inventory.Get().adapters.size(), 1u);
}

TEST_F(AgentLinkTest, SendsAgentsAwayThatAreTooManyAndTellsThemHowLong) {
  AgentLink narrow(*loop_, streams_, {.per_second = 0.1, .burst = 1});
  grpc::ServerBuilder builder;
  builder.RegisterService(&narrow);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const auto stub = v1::AgentService::NewStub(
      server->InProcessChannel(grpc::ChannelArguments()));
  {
    FakeAgent first(*stub, "hosts/h-1");
    first.Connect();
    FakeAgent second(*stub, "hosts/h-2");
    ASSERT_TRUE(second.Say(second.hello));
    v1::ConnectResponse response;
    ASSERT_TRUE(second.Next(response));
    ASSERT_TRUE(response.has_wait());
    EXPECT_EQ(response.wait().wait().seconds(), 10);
    const absl::Status end = second.End();
    EXPECT_EQ(end.code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ(Reason(end), "TOO_MANY_AGENTS");
    EXPECT_EQ(Snapshot().hosts.count("hosts/h-2"), 0u);
    // Whose slot waits for its word is taken in all the same.
    FakeAgent busy(*stub, "hosts/h-3");
    v1::UpdateReport& report = *busy.hello.mutable_hello()->mutable_update();
    report.set_rollout("rollouts/r");
    report.set_attempt(1);
    report.set_sequence(1);
    report.set_state(v1::UPDATE_STATE_RUNNING);
    ASSERT_TRUE(busy.Say(busy.hello));
    ASSERT_TRUE(busy.Next(response));
    EXPECT_TRUE(response.has_welcome());
  }
  server->Shutdown();
}

TEST_F(AgentLinkTest, AHostIsOfflineOnceItsStreamEnded) {
  const auto agent = Connected("hosts/h");
  agent->Cancel();
  Await([](const core::Fleet& fleet) {
    return core::StateOf(fleet.hosts.at("hosts/h")) ==
           core::HostState::kOffline;
  });
  EXPECT_EQ(agent->End().code(), absl::StatusCode::kCancelled);
}

// The service's end of a stream, as the loop sees it.
class Direct final : public v1::AgentService::CallbackService {
 public:
  Direct(runtime::FleetLoop& loop, OpenStreams& streams)
      : loop_(loop), streams_(streams), doorway_({}, loop) {}
  grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* Connect(
      grpc::CallbackServerContext*) override {
    AgentStream* stream = AgentStream::Open(loop_, streams_, doorway_);
    opened_.set_value(stream->shared_from_this());
    return stream;
  }
  std::promise<std::shared_ptr<AgentStream>> opened_;

 private:
  runtime::FleetLoop& loop_;
  OpenStreams& streams_;
  Doorway doorway_;
};

TEST_F(AgentLinkTest, AnAgentThatReadsSlowlySkipsOrdersButNeverTheNewest) {
  Direct service(*loop_, streams_);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  const auto stub = v1::AgentService::NewStub(server->InProcessChannel({}));
  grpc::ClientContext context;
  const auto stream = stub->Connect(&context);
  const std::shared_ptr<AgentStream> link = service.opened_.get_future().get();
  constexpr uint64_t kLast = 20'000;
  for (uint64_t attempt = 1; attempt <= kLast; ++attempt) {
    link->Send({.host = "hosts/h", .attempt = attempt});
  }
  v1::ConnectResponse response;
  uint64_t seen = 0;
  uint64_t read = 0;
  while (seen < kLast) {
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_GT(response.order().attempt(), seen);
    seen = response.order().attempt();
    ++read;
  }
  EXPECT_LT(read, kLast);
  // Nothing that comes after the end does harm.
  link->Close(absl::AbortedError("over"));
  link->Send({.host = "hosts/h", .attempt = kLast + 1});
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(FromStub(stream->Finish()), absl::AbortedError("over"));
  server->Shutdown();
}

}  // namespace
}  // namespace baton::rpc
