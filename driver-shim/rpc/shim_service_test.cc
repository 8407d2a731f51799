#include "driver-shim/rpc/shim_service.h"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/reason.h"
#include "driver-shim/rpc/shim_server.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "gtest/gtest.h"
#include "proto/status_codec.h"

namespace baton::rpc {
namespace {

// Notes the orders it gets, and answers what it was told.
class FakeAdapter final : public port::AdapterPort {
 public:
  port::AdapterReport Inspect() override {
    return {.name = "gpu0",
            .image = {.path = "/a.so", .driver = "softgpu", .version = "1.0"},
            .vgpus = {{.partition_id = 1, .luid = "2", .guest = guest}},
            .state = state,
            .attempt = orders.size(),
            .saved = port::SavedState{.blocks = 3, .bytes = 4},
            .incident = incident};
  }
  absl::StatusOr<port::StepReport> Take(const port::StepOrder& order) override {
    orders.push_back(order);
    return order.step == fails ? failure : answer;
  }
  void Watch() override { ++watched; }
  void Keep(const port::OrderedRun& run) override { kept = run; }
  port::OrderedRun Kept() override { return kept; }

  port::AdapterState state = port::AdapterState::kRunning;
  std::string guest = "red";
  std::shared_ptr<const port::Incident> incident = nullptr;
  std::vector<port::StepOrder> orders;
  port::OrderedRun kept;
  absl::StatusOr<port::StepReport> answer = port::StepReport();
  std::optional<port::AdapterStep> fails = std::nullopt;
  absl::StatusOr<port::StepReport> failure = port::StepReport();
  std::atomic<int> watched = 0;
};

template <typename Request>
Request With(Request request, uint64_t attempt, int64_t seconds) {
  request.mutable_order()->set_attempt(attempt);
  request.mutable_order()->mutable_deadline()->set_seconds(seconds);
  return request;
}

class ShimServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    // A short path: a socket's name has at most 107 bytes.
    char directory[] = "/tmp/shim_service_test.XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    const std::string listen = absl::StrCat("unix:", directory_, "/s");
    auto server = StartShimServer(listen, service_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = v1::ShimService::NewStub(
        grpc::CreateChannel(listen, grpc::InsecureChannelCredentials()));
  }
  void TearDown() override {
    server_->Shutdown();
    unlink((directory_ + "/s").c_str());
    rmdir(directory_.c_str());
  }

  FakeAdapter adapter_;
  ShimWorker worker_{adapter_};
  ShimService service_{adapter_, worker_, {"0.1", "00c0ffee00c0ffee"}};
  std::string directory_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::ShimService::Stub> stub_;
  grpc::ClientContext context_;
};

// A start that took longer than the watchdog waits was ended, each time anew.
TEST_F(ShimServiceTest, RegressionWhoeverWaitsForAJobSaysThatHeLives) {
  std::atomic<int> beats = 0;
  worker_.Run(
      [&] {
        while (beats < 2) std::this_thread::yield();
      },
      [&] { ++beats; });
  EXPECT_GE(beats, 2);
}

TEST_F(ShimServiceTest, InspectSaysWhatIs) {
  worker_.Run([] {});
  worker_.Run([this] { worker_.Show(); });
  v1::InspectResponse response;
  ASSERT_TRUE(stub_->Inspect(&context_, {}, &response).ok());
  EXPECT_EQ(response.adapter().name(), "gpu0");
  EXPECT_EQ(response.adapter().driver_version(), "1.0");
  ASSERT_EQ(response.adapter().vgpus_size(), 1);
  EXPECT_EQ(response.adapter().vgpus(0).guest(), "red");
  EXPECT_EQ(response.state(), v1::ADAPTER_STATE_RUNNING);
  EXPECT_EQ(response.image().path(), "/a.so");
  EXPECT_EQ(response.saved().blocks(), 3u);
  EXPECT_EQ(response.shim_version(), "0.1");
  EXPECT_EQ(response.shim_instance(), "00c0ffee00c0ffee");
}

// One byte that a driver had written over, and no agent could read any more
// what the shim said.
TEST_F(ShimServiceTest, RegressionWhatIsNoTextCanBeRead) {
  const std::string good = "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  // Cut, cut, too long, half of a pair, past the last.
  const std::string bad = "\xc3\xe2\x82\xc0\xaf\xed\xa0\x80\xf5\x80";
  worker_.Run([&] {
    adapter_.guest = good + bad + "x";
    worker_.Show();
  });
  v1::InspectResponse response;
  const grpc::Status status = stub_->Inspect(&context_, {}, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.adapter().vgpus(0).guest(),
            good + std::string(bad.size(), '?') + "x");
}

TEST_F(ShimServiceTest, WhatIsKeptOfAnIncidentIsSaidToWhoeverAsks) {
  worker_.Run([this] {
    port::Incident kept = {.attempt = 4, .driver_log = {"a\xff"}};
    kept.blocks.push_back({"LIST", 5, 6, Xxh3Of("x", 1)});
    kept.before = {
        {.vgpu = {.partition_id = 1, .guest = "red"}, .fence_value = 9}};
    adapter_.incident = std::make_shared<const port::Incident>(kept);
    worker_.Show();
  });
  v1::InspectResponse response;
  ASSERT_TRUE(stub_->Inspect(&context_, {}, &response).ok());
  EXPECT_FALSE(response.has_incident());
  v1::InspectRequest request;
  request.set_incident(true);
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->Inspect(&context, request, &response).ok());
  EXPECT_EQ(response.incident_attempt(), 4u);
  ASSERT_EQ(response.incident().blocks_size(), 1);
  EXPECT_EQ(response.incident().blocks(0).form(), "LIST");
  EXPECT_EQ(response.incident().blocks(0).size_bytes(), 5u);
  EXPECT_EQ(response.incident().blocks(0).metadata_bytes(), 6u);
  EXPECT_NE(response.incident().blocks(0).digest(), "");
  ASSERT_EQ(response.incident().before_size(), 1);
  EXPECT_EQ(response.incident().before(0).guest(), "red");
  EXPECT_EQ(response.incident().before(0).fence_value(), 9u);
  EXPECT_NE(response.incident().before(0).state_digest(), "");
  EXPECT_EQ(response.incident().driver_log(0), "a?");
}

TEST_F(ShimServiceTest, StepIsCarriedOutWithWhatWasOrdered) {
  auto request = With(v1::PrepareRequest(), 7, 2);
  request.mutable_image()->set_path("/next.so");
  request.mutable_image()->set_digest(Sha256Of("x"));
  request.mutable_image()->set_version("2.0");
  v1::PrepareResponse response;
  ASSERT_TRUE(stub_->Prepare(&context_, request, &response).ok());
  EXPECT_EQ(response.result().code(), 0);
  worker_.Run([this] {
    ASSERT_EQ(adapter_.orders.size(), 1u);
    EXPECT_EQ(adapter_.orders[0].step, port::AdapterStep::kPrepare);
    EXPECT_EQ(adapter_.orders[0].attempt, 7u);
    EXPECT_EQ(adapter_.orders[0].deadline, absl::Seconds(2));
    EXPECT_EQ(adapter_.orders[0].image.version, "2.0");
  });
}

TEST_F(ShimServiceTest, StateAfterAStepIsSeenByWhoeverWasTold) {
  worker_.Run([this] { adapter_.state = port::AdapterState::kSaved; });
  v1::UnloadResponse response;
  ASSERT_TRUE(
      stub_->Unload(&context_, With(v1::UnloadRequest(), 1, 1), &response)
          .ok());
  grpc::ClientContext context;
  v1::InspectResponse inspected;
  ASSERT_TRUE(stub_->Inspect(&context, {}, &inspected).ok());
  EXPECT_EQ(inspected.attempt(), 1u);
  EXPECT_EQ(inspected.state(), v1::ADAPTER_STATE_SAVED);
}

TEST_F(ShimServiceTest, FailedStepIsAResultAndNotAnError) {
  adapter_.answer = port::StepReport{
      .status = ErrorWithReason(absl::StatusCode::kDataLoss, "VGPU_MISSING",
                                "partition 1 ('red') is missing"),
      .nt_status = 0xc0000001,
      .elapsed = absl::Milliseconds(1500),
      .entry_point = "DxgkDdiStartDevice",
      .rule = "R4",
      .driver_log = {"caf\xc3 bar"},
      .calls = {{.entry_point = "DriverEntry", .elapsed = absl::Seconds(1)}},
      .vgpus = {{.partition_id = 1,
                 .guest = "red",
                 .blackout = absl::Nanoseconds(5),
                 .difference = "is missing"}},
  };
  v1::VerifyResponse response;
  ASSERT_TRUE(
      stub_->Verify(&context_, With(v1::VerifyRequest(), 1, 1), &response)
          .ok());
  const v1::StepResult& result = response.result();
  EXPECT_EQ(result.code(), 15);
  EXPECT_EQ(result.reason(), "VGPU_MISSING");
  EXPECT_EQ(result.message(), "partition 1 ('red') is missing");
  EXPECT_EQ(result.nt_status(), 0xc0000001);
  EXPECT_EQ(result.elapsed().seconds(), 1);
  EXPECT_EQ(result.elapsed().nanos(), 500'000'000);
  EXPECT_EQ(result.entry_point(), "DxgkDdiStartDevice");
  EXPECT_EQ(result.rule(), "R4");
  EXPECT_EQ(result.driver_log(0), "caf? bar");
  EXPECT_EQ(result.calls(0).entry_point(), "DriverEntry");
  ASSERT_EQ(response.vgpus_size(), 1);
  EXPECT_FALSE(response.vgpus(0).preserved());
  EXPECT_EQ(response.vgpus(0).blackout().nanos(), 5);
}

TEST_F(ShimServiceTest, StepThatWasNotTriedIsAnErrorWithItsReason) {
  adapter_.answer = ErrorWithReason(absl::StatusCode::kAborted, "STALE_ATTEMPT",
                                    "attempt 1 is stale");
  v1::CommitResponse response;
  const absl::Status status = FromGrpc(
      stub_->Commit(&context_, With(v1::CommitRequest(), 1, 1), &response));
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Reason(status), "STALE_ATTEMPT");
}

TEST_F(ShimServiceTest, BadOrdersNeverReachTheAdapter) {
  const auto pause = [this](const v1::PauseRequest& request) {
    grpc::ClientContext context;
    v1::PauseResponse response;
    return FromGrpc(stub_->Pause(&context, request, &response));
  };
  EXPECT_EQ(Reason(pause(v1::PauseRequest())), "BAD_ORDER");
  EXPECT_EQ(Reason(pause(With(v1::PauseRequest(), 0, 1))), "BAD_ORDER");
  EXPECT_EQ(Reason(pause(With(v1::PauseRequest(), 1, 0))), "BAD_ORDER");
  EXPECT_EQ(Reason(pause(With(v1::PauseRequest(), 1, 3601))), "BAD_ORDER");
  const auto restore = [this](const std::string& path,
                              const std::string& digest) {
    auto request = With(v1::RestoreRequest(), 1, 1);
    request.mutable_image()->set_path(path);
    request.mutable_image()->set_digest(digest);
    grpc::ClientContext context;
    v1::RestoreResponse response;
    return FromGrpc(stub_->Restore(&context, request, &response));
  };
  EXPECT_EQ(Reason(restore("", Sha256Of("x"))), "BAD_IMAGE");
  EXPECT_EQ(Reason(restore("relative.so", Sha256Of("x"))), "BAD_IMAGE");
  EXPECT_EQ(Reason(restore("/a.so", "md5:1")), "BAD_IMAGE");
  worker_.Run([this] { EXPECT_TRUE(adapter_.orders.empty()); });
}

void Add(v1::Step step, int64_t seconds, v1::StepOrder& order) {
  v1::NextStep& next = *order.add_ahead();
  next.set_step(step);
  next.mutable_deadline()->set_seconds(seconds);
  if (step != v1::STEP_RESTORE) return;
  next.mutable_image()->set_path("/next.so");
  next.mutable_image()->set_digest(Sha256Of("x"));
}

// From Pause to Resume; a second more for each.
v1::PauseRequest WholeWay() {
  auto pause = With(v1::PauseRequest(), 1, 1);
  Add(v1::STEP_SAVE, 2, *pause.mutable_order());
  Add(v1::STEP_UNLOAD, 3, *pause.mutable_order());
  Add(v1::STEP_RESTORE, 4, *pause.mutable_order());
  Add(v1::STEP_VERIFY, 5, *pause.mutable_order());
  Add(v1::STEP_RESUME, 6, *pause.mutable_order());
  return pause;
}

TEST_F(ShimServiceTest, RunsAheadWithEachStepsOwnDeadline) {
  using Step = port::AdapterStep;
  v1::PauseResponse paused;
  ASSERT_TRUE(stub_->Pause(&context_, WholeWay(), &paused).ok());
  const std::vector<Step> want = {Step::kPause,   Step::kSave,   Step::kUnload,
                                  Step::kRestore, Step::kVerify, Step::kResume};
  worker_.Run([&] {
    std::vector<Step> steps;
    for (const port::StepOrder& order : adapter_.orders) {
      steps.push_back(order.step);
      EXPECT_EQ(order.attempt, 1u);
      EXPECT_EQ(order.deadline, absl::Seconds(steps.size()));
      EXPECT_EQ(order.image.path,
                order.step == Step::kRestore ? "/next.so" : "");
    }
    EXPECT_EQ(steps, want);
  });
  // Each call gets what was done, and a repeat the same.
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    v1::SaveResponse saved;
    ASSERT_TRUE(
        stub_->Save(&context, With(v1::SaveRequest(), 1, 1), &saved).ok());
  }
  grpc::ClientContext context;
  v1::UnloadResponse unloaded;
  ASSERT_TRUE(
      stub_->Unload(&context, With(v1::UnloadRequest(), 1, 1), &unloaded).ok());
  worker_.Run([&] { EXPECT_EQ(adapter_.orders.size(), want.size()); });
  // Whoever looked meanwhile leaves out what he saw.
  grpc::ClientContext later;
  v1::VerifyResponse verified;
  ASSERT_TRUE(
      stub_->Verify(&later, With(v1::VerifyRequest(), 1, 1), &verified).ok());
  worker_.Run([&] { EXPECT_EQ(adapter_.orders.size(), want.size()); });
  // What is over is for the adapter to judge, and ends it.
  grpc::ClientContext other;
  v1::SaveResponse saved;
  ASSERT_TRUE(stub_->Save(&other, With(v1::SaveRequest(), 1, 1), &saved).ok());
  worker_.Run([&] { EXPECT_EQ(adapter_.orders.size(), want.size() + 1); });
}

TEST_F(ShimServiceTest, GoesOnWithWhatAShimBeforeItWasOrdered) {
  using Step = port::AdapterStep;
  worker_.Run([this] {
    for (const Step step : {Step::kPause, Step::kSave, Step::kUnload}) {
      adapter_.kept.orders.push_back(
          {.step = step, .attempt = 1, .deadline = absl::Seconds(1)});
    }
    adapter_.kept.reports = {{.entry_point = "of the one before"}};
    adapter_.kept.told = 1;
    service_.GoOn();
    ASSERT_EQ(adapter_.orders.size(), 2u);
    EXPECT_EQ(adapter_.orders[0].step, Step::kSave);
    EXPECT_EQ(adapter_.orders[1].step, Step::kUnload);
  });
  // A repeat gets what was answered, and what was lost is told.
  v1::PauseResponse paused;
  ASSERT_TRUE(
      stub_->Pause(&context_, With(v1::PauseRequest(), 1, 1), &paused).ok());
  EXPECT_EQ(paused.result().entry_point(), "of the one before");
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    v1::SaveResponse saved;
    ASSERT_TRUE(
        stub_->Save(&context, With(v1::SaveRequest(), 1, 1), &saved).ok());
  }
  worker_.Run([this] {
    EXPECT_EQ(adapter_.orders.size(), 2u);
    EXPECT_EQ(adapter_.kept.told, 2u);
  });
}

TEST_F(ShimServiceTest, GoesOnWithNothingAfterAStepThatFailed) {
  worker_.Run([this] {
    adapter_.kept.orders = {{.step = port::AdapterStep::kPause, .attempt = 1},
                            {.step = port::AdapterStep::kSave, .attempt = 1}};
    adapter_.kept.reports = {{.status = absl::InternalError("no")}};
    service_.GoOn();
    EXPECT_TRUE(adapter_.orders.empty());
  });
}

// What it made ready stayed so for ever: its agent had ended the update.
TEST_F(ShimServiceTest, GoesOnWithNoPrepareThatNobodyWaitsFor) {
  worker_.Run([this] {
    adapter_.kept.orders = {
        {.step = port::AdapterStep::kPrepare, .attempt = 1}};
    service_.GoOn();
    EXPECT_TRUE(adapter_.orders.empty());
  });
}

TEST_F(ShimServiceTest, ARestoreOfAnotherImageIsNotWhatWasTakenAhead) {
  auto unload = With(v1::UnloadRequest(), 1, 1);
  Add(v1::STEP_RESTORE, 1, *unload.mutable_order());
  v1::UnloadResponse unloaded;
  ASSERT_TRUE(stub_->Unload(&context_, unload, &unloaded).ok());
  auto restore = With(v1::RestoreRequest(), 1, 1);
  restore.mutable_image()->set_path("/other.so");
  restore.mutable_image()->set_digest(Sha256Of("y"));
  grpc::ClientContext context;
  v1::RestoreResponse restored;
  ASSERT_TRUE(stub_->Restore(&context, restore, &restored).ok());
  worker_.Run([&] {
    ASSERT_EQ(adapter_.orders.size(), 3u);
    EXPECT_EQ(adapter_.orders[2].image.path, "/other.so");
  });
}

TEST_F(ShimServiceTest, AStepThatFailedAheadIsNotTakenTwice) {
  worker_.Run([this] {
    adapter_.fails = port::AdapterStep::kSave;
    adapter_.failure =
        port::StepReport{.status = ErrorWithReason(absl::StatusCode::kInternal,
                                                   "DRIVER_REFUSED", "no")};
  });
  v1::PauseResponse paused;
  ASSERT_TRUE(stub_->Pause(&context_, WholeWay(), &paused).ok());
  EXPECT_EQ(paused.result().code(), 0);
  grpc::ClientContext context;
  v1::SaveResponse saved;
  ASSERT_TRUE(
      stub_->Save(&context, With(v1::SaveRequest(), 1, 1), &saved).ok());
  EXPECT_EQ(saved.result().reason(), "DRIVER_REFUSED");
  worker_.Run([this] { EXPECT_EQ(adapter_.orders.size(), 2u); });
  // Asked for once more, it is tried again.
  grpc::ClientContext again;
  ASSERT_TRUE(stub_->Save(&again, With(v1::SaveRequest(), 1, 1), &saved).ok());
  worker_.Run([this] { EXPECT_EQ(adapter_.orders.size(), 3u); });
}

TEST_F(ShimServiceTest, SaysAtOnceWhatAllDidThatWereTakenAhead) {
  worker_.Run([this] {
    port::StepReport done;
    done.saved = {.blocks = 3, .bytes = 4};
    done.vgpus = {{.partition_id = 1, .preserved = true}};
    adapter_.answer = done;
    adapter_.fails = port::AdapterStep::kVerify;
    adapter_.failure =
        port::StepReport{.status = ErrorWithReason(absl::StatusCode::kDataLoss,
                                                   "VGPU_CHANGED", "no")};
  });
  // An answer that was lost is given again.
  for (int i = 0; i < 2; ++i) {
    grpc::ClientContext context;
    v1::PauseResponse paused;
    ASSERT_TRUE(stub_->Pause(&context, WholeWay(), &paused).ok());
    ASSERT_EQ(paused.ahead_size(), 4);
    EXPECT_EQ(paused.ahead(0).step(), v1::STEP_SAVE);
    EXPECT_EQ(paused.ahead(0).saved().blocks(), 3u);
    EXPECT_EQ(paused.ahead(0).result().code(), 0);
    EXPECT_EQ(paused.ahead(1).step(), v1::STEP_UNLOAD);
    EXPECT_FALSE(paused.ahead(1).has_saved());
    EXPECT_EQ(paused.ahead(2).step(), v1::STEP_RESTORE);
    EXPECT_EQ(paused.ahead(2).vgpus(0).partition_id(), 1u);
    EXPECT_EQ(paused.ahead(3).step(), v1::STEP_VERIFY);
    EXPECT_EQ(paused.ahead(3).result().reason(), "VGPU_CHANGED");
  }
  // The call of the last one says that all was heard.
  grpc::ClientContext context;
  v1::VerifyResponse verified;
  ASSERT_TRUE(
      stub_->Verify(&context, With(v1::VerifyRequest(), 1, 1), &verified).ok());
  EXPECT_EQ(verified.result().reason(), "VGPU_CHANGED");
  EXPECT_EQ(verified.ahead_size(), 0);
  worker_.Run([this] { EXPECT_EQ(adapter_.orders.size(), 5u); });
  // The way back: not the one that was taken ahead.
  grpc::ClientContext back;
  v1::UnloadResponse unloaded;
  ASSERT_TRUE(
      stub_->Unload(&back, With(v1::UnloadRequest(), 1, 1), &unloaded).ok());
  worker_.Run([this] { EXPECT_EQ(adapter_.orders.size(), 6u); });
}

// A late order of an earlier attempt had the shim forget what it had taken
// ahead: the own calls of that were out of order.
TEST_F(ShimServiceTest, RegressionARefusedOrderTakesNothingOfARunAway) {
  worker_.Run([this] {
    adapter_.fails = port::AdapterStep::kCommit;
    adapter_.failure = ErrorWithReason(absl::StatusCode::kAborted,
                                       "STALE_ATTEMPT", "it has ended");
  });
  v1::PauseResponse paused;
  ASSERT_TRUE(stub_->Pause(&context_, WholeWay(), &paused).ok());
  grpc::ClientContext late;
  v1::CommitResponse committed;
  EXPECT_EQ(Reason(FromGrpc(stub_->Commit(
                &late, With(v1::CommitRequest(), 1, 1), &committed))),
            "STALE_ATTEMPT");
  grpc::ClientContext context;
  v1::SaveResponse saved;
  ASSERT_TRUE(
      stub_->Save(&context, With(v1::SaveRequest(), 1, 1), &saved).ok());
  worker_.Run([this] {
    EXPECT_EQ(adapter_.orders.size(), 7u);
    EXPECT_EQ(adapter_.kept.told, 2u);
  });
}

// Whose call of the last step, by which all was heard, never came.
TEST_F(ShimServiceTest, RegressionAWayBackIsNotAnsweredWithTheWayForward) {
  const auto leads_back = [](v1::StepOrder& order) {
    for (v1::NextStep& next : *order.mutable_ahead()) {
      if (next.has_image()) next.mutable_image()->set_path("/previous.so");
    }
  };
  v1::PauseResponse paused;
  ASSERT_TRUE(stub_->Pause(&context_, WholeWay(), &paused).ok());
  worker_.Run([this] { EXPECT_EQ(adapter_.orders.size(), 6u); });
  auto with_same_blocks = With(v1::UnloadRequest(), 1, 1);
  Add(v1::STEP_RESTORE, 4, *with_same_blocks.mutable_order());
  Add(v1::STEP_VERIFY, 5, *with_same_blocks.mutable_order());
  leads_back(*with_same_blocks.mutable_order());
  grpc::ClientContext context;
  v1::UnloadResponse unloaded;
  ASSERT_TRUE(stub_->Unload(&context, with_same_blocks, &unloaded).ok());
  worker_.Run([this] {
    ASSERT_EQ(adapter_.orders.size(), 9u);
    EXPECT_EQ(adapter_.orders[6].step, port::AdapterStep::kUnload);
    EXPECT_EQ(adapter_.orders[7].image.path, "/previous.so");
  });
  // Nor one that begins with another pause.
  for (const bool back : {false, true}) {
    v1::PauseRequest request = WholeWay();
    if (back) leads_back(*request.mutable_order());
    grpc::ClientContext again;
    ASSERT_TRUE(stub_->Pause(&again, request, &paused).ok());
  }
  worker_.Run([this] { EXPECT_EQ(adapter_.orders.size(), 21u); });
}

TEST_F(ShimServiceTest, StepsAheadThatDoNotFollowAreRefused) {
  const auto reason = [this](void (*spoil)(v1::StepOrder & order)) {
    v1::PauseRequest request = WholeWay();
    spoil(*request.mutable_order());
    grpc::ClientContext context;
    v1::PauseResponse response;
    return Reason(FromGrpc(stub_->Pause(&context, request, &response)));
  };
  EXPECT_EQ(reason([](auto& o) { o.mutable_ahead()->DeleteSubrange(0, 1); }),
            "BAD_ORDER");
  EXPECT_EQ(reason([](auto& o) { Add(v1::STEP_CONFIRM, 1, o); }), "BAD_ORDER");
  EXPECT_EQ(reason([](auto& o) { o.mutable_ahead(1)->clear_step(); }),
            "BAD_ORDER");
  EXPECT_EQ(reason([](auto& o) { o.mutable_ahead(4)->clear_deadline(); }),
            "BAD_ORDER");
  EXPECT_EQ(reason([](auto& o) {
              o.mutable_ahead(0)->mutable_deadline()->set_seconds(3601);
            }),
            "BAD_ORDER");
  EXPECT_EQ(reason([](auto& o) { o.mutable_ahead(2)->clear_image(); }),
            "BAD_IMAGE");
  EXPECT_EQ(reason([](auto& o) { o.mutable_ahead(3)->mutable_image(); }),
            "BAD_ORDER");
  worker_.Run([this] { EXPECT_TRUE(adapter_.orders.empty()); });
}

TEST(ShimServerTest, ListensOnUnixSocketsAlone) {
  FakeAdapter adapter;
  ShimWorker worker(adapter);
  ShimService service(adapter, worker, {"0.1", "00c0ffee00c0ffee"});
  EXPECT_EQ(Reason(StartShimServer("127.0.0.1:0", service).status()),
            "BAD_LISTEN");
  EXPECT_EQ(Reason(StartShimServer("unix:/nowhere/at/all", service).status()),
            "LISTEN_FAILED");
}

}  // namespace
}  // namespace baton::rpc
