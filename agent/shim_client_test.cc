#include "agent/shim_client.h"

#include <memory>
#include <string>

#include "agent/testing/socket.h"
#include "base/reason.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"
#include "proto/status_codec.h"

namespace baton::agent {
namespace {

using core::Step;
using grpc::ServerContext;
using grpc::Status;

// Answers as it is told to, and keeps what it was asked.
class ScriptedShim final : public v1::ShimService::Service {
 public:
  Status Inspect(ServerContext*, const v1::InspectRequest*,
                 v1::InspectResponse* response) override {
    *response = inspected;
    return error;
  }

#define BATON_SCRIPTED(Method)                                      \
  Status Method(ServerContext*, const v1::Method##Request* request, \
                v1::Method##Response* response) override {          \
    called = #Method;                                               \
    ++calls;                                                        \
    order = request->order();                                       \
    Fill(*response);                                                \
    return error;                                                   \
  }
  BATON_SCRIPTED(Prepare)
  BATON_SCRIPTED(Pause)
  BATON_SCRIPTED(Save)
  BATON_SCRIPTED(Cancel)
  BATON_SCRIPTED(Unload)
  BATON_SCRIPTED(Restore)
  BATON_SCRIPTED(Verify)
  BATON_SCRIPTED(Resume)
  BATON_SCRIPTED(Confirm)
  BATON_SCRIPTED(Commit)
#undef BATON_SCRIPTED

  template <typename Response>
  void Fill(Response& response) {
    *response.mutable_result() = result;
    if constexpr (requires { response.add_ahead(); }) {
      response.mutable_ahead()->Add(ahead.begin(), ahead.end());
    }
    if constexpr (requires { response.add_vgpus(); }) {
      *response.add_vgpus() = vgpu;
    }
    if constexpr (requires { response.mutable_saved(); }) {
      response.mutable_saved()->set_blocks(3);
    }
  }

  Status error = Status::OK;
  v1::InspectResponse inspected;
  v1::StepResult result;
  std::vector<v1::StepTaken> ahead;
  v1::VirtualGpuResult vgpu;
  std::string called;
  int calls = 0;
  v1::StepOrder order;
};

class ShimClientTest : public ::testing::Test {
 protected:
  ShimClientTest() : target_(testing::FreshAddress()) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(target_, grpc::InsecureServerCredentials());
    builder.RegisterService(&shim_);
    server_ = builder.BuildAndStart();
    client_ = std::make_unique<ShimClient>(ShimClient::Options{target_});
  }

  core::Outcome Run(Step step) {
    return client_->Run({step, 7, absl::Milliseconds(1500), {"/i", "d"}, {}});
  }

  const std::string target_;
  ScriptedShim shim_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ShimClient> client_;
};

TEST_F(ShimClientTest, CallsTheMethodOfEachStep) {
  const std::pair<Step, const char*> rows[] = {
      {Step::kPrepare, "Prepare"}, {Step::kPause, "Pause"},
      {Step::kSave, "Save"},       {Step::kCancel, "Cancel"},
      {Step::kUnload, "Unload"},   {Step::kRestore, "Restore"},
      {Step::kVerify, "Verify"},   {Step::kResume, "Resume"},
      {Step::kConfirm, "Confirm"}, {Step::kCommit, "Commit"}};
  shim_.vgpu.set_partition_id(2);
  shim_.vgpu.mutable_blackout()->set_nanos(5'000'000);
  for (const auto& [step, method] : rows) {
    SCOPED_TRACE(method);
    const core::Outcome outcome = Run(step);
    EXPECT_EQ(shim_.called, method);
    EXPECT_EQ(shim_.order.attempt(), 7u);
    EXPECT_EQ(shim_.order.deadline().seconds(), 1);
    EXPECT_EQ(shim_.order.deadline().nanos(), 500'000'000);
    EXPECT_EQ(outcome.record.code, absl::StatusCode::kOk);
    const bool vgpus = step == Step::kCancel || step == Step::kVerify ||
                       step == Step::kResume || step == Step::kConfirm;
    ASSERT_EQ(outcome.vgpus.size(), vgpus ? 1u : 0u);
    if (vgpus) {
      EXPECT_EQ(outcome.vgpus[0].blackout, absl::Milliseconds(5));
    }
    EXPECT_EQ(outcome.saved.has_value(), step == Step::kSave);
  }
}

TEST_F(ShimClientTest, SaysWhatTheShimIsToGoOnWith) {
  client_->Run({Step::kUnload,
                7,
                absl::Seconds(1),
                {},
                {{Step::kRestore, absl::Seconds(2), {"/i", "d"}},
                 {Step::kVerify, absl::Seconds(3), {}}}});
  ASSERT_EQ(shim_.order.ahead_size(), 2);
  EXPECT_EQ(shim_.order.ahead(0).step(), v1::STEP_RESTORE);
  EXPECT_EQ(shim_.order.ahead(0).deadline().seconds(), 2);
  EXPECT_EQ(shim_.order.ahead(0).image().path(), "/i");
  EXPECT_EQ(shim_.order.ahead(1).step(), v1::STEP_VERIFY);
  EXPECT_EQ(shim_.order.ahead(1).deadline().seconds(), 3);
  EXPECT_FALSE(shim_.order.ahead(1).has_image());
}

v1::StepTaken Told(v1::Step step) {
  v1::StepTaken taken;
  taken.set_step(step);
  return taken;
}

// From Unload to Resume.
ShimStep WithAhead() {
  return {Step::kUnload,
          7,
          absl::Seconds(1),
          {},
          {{Step::kRestore, absl::Seconds(2), {"/i", "d"}},
           {Step::kVerify, absl::Seconds(3), {}},
           {Step::kResume, absl::Seconds(4), {}}}};
}

TEST_F(ShimClientTest, AsksForTheLastAloneOfWhatItWasTold) {
  shim_.ahead = {Told(v1::STEP_RESTORE), Told(v1::STEP_VERIFY),
                 Told(v1::STEP_RESUME)};
  shim_.ahead[0].mutable_saved()->set_blocks(4);
  shim_.ahead[1].mutable_result()->mutable_elapsed()->set_seconds(9);
  shim_.ahead[1].add_vgpus()->set_partition_id(3);
  EXPECT_EQ(client_->Run(WithAhead()).record.code, absl::StatusCode::kOk);
  shim_.ahead.clear();
  EXPECT_EQ(Run(Step::kRestore).saved->blocks, 4u);
  const core::Outcome outcome = Run(Step::kVerify);
  EXPECT_EQ(outcome.trial, core::Trial::kTried);
  EXPECT_EQ(outcome.record.elapsed, absl::Seconds(9));
  ASSERT_EQ(outcome.vgpus.size(), 1u);
  EXPECT_EQ(outcome.vgpus[0].partition_id, 3u);
  EXPECT_EQ(shim_.calls, 1);
  Run(Step::kResume);
  EXPECT_EQ(shim_.calls, 2);
  EXPECT_EQ(shim_.called, "Resume");
}

TEST_F(ShimClientTest, ForgetsWhatItWasToldOnceAnythingElseIsToBeDone) {
  // Nobody ordered the second there.
  const std::vector<v1::StepTaken> ahead = {
      Told(v1::STEP_RESTORE), Told(v1::STEP_RESUME), Told(v1::STEP_VERIFY)};
  shim_.ahead = ahead;
  client_->Run(WithAhead());
  shim_.ahead.clear();
  Run(Step::kUnload);
  Run(Step::kRestore);
  EXPECT_EQ(shim_.calls, 3);
  // Of another attempt.
  shim_.ahead = ahead;
  client_->Run(WithAhead());
  client_->Run({Step::kRestore, 8, absl::Seconds(1), {"/i", "d"}, {}});
  EXPECT_EQ(shim_.calls, 5);
  // What did not follow.
  client_->Run(WithAhead());
  Run(Step::kRestore);
  EXPECT_EQ(shim_.calls, 6);
  Run(Step::kResume);
  EXPECT_EQ(shim_.calls, 7);
}

TEST_F(ShimClientTest, AFailedStepIsTried) {
  shim_.result.set_code(static_cast<int>(absl::StatusCode::kDataLoss));
  shim_.result.set_reason("BLOCK_DAMAGED");
  shim_.result.set_message("block 2");
  shim_.result.set_nt_status(0xC000009A);
  shim_.result.set_entry_point("DxgkDdiSaveMemoryForHotUpdate");
  shim_.result.set_rule("R4");
  const core::Outcome outcome = Run(Step::kSave);
  EXPECT_EQ(outcome.trial, core::Trial::kTried);
  EXPECT_EQ(outcome.record.code, absl::StatusCode::kDataLoss);
  EXPECT_EQ(outcome.record.reason, "BLOCK_DAMAGED");
  EXPECT_EQ(outcome.record.nt_status, 0xC000009Au);
  EXPECT_EQ(outcome.record.entry_point, "DxgkDdiSaveMemoryForHotUpdate");
  EXPECT_EQ(outcome.record.rule, "R4");
}

TEST_F(ShimClientTest, ARefusalWasNotTried) {
  shim_.error = ToGrpc(ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                                       "STEP_OUT_OF_ORDER", "not now"));
  const core::Outcome outcome = Run(Step::kUnload);
  EXPECT_EQ(outcome.trial, core::Trial::kRefused);
  EXPECT_EQ(outcome.record.reason, "STEP_OUT_OF_ORDER");
  EXPECT_EQ(outcome.record.message, "shim: not now");
}

TEST_F(ShimClientTest, ASilentShimLeavesTheOutcomeOpen) {
  server_->Shutdown();
  const core::Outcome outcome = Run(Step::kUnload);
  EXPECT_EQ(outcome.trial, core::Trial::kNoAnswer);
  EXPECT_EQ(outcome.record.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(outcome.record.reason, "SHIM_UNAVAILABLE");
  EXPECT_TRUE(absl::IsUnavailable(
      client_->Inspect(absl::Seconds(5), Depth::kPlain).status()));
}

TEST_F(ShimClientTest, SaysWhatIsThere) {
  shim_.inspected.mutable_adapter()->set_name("gpu0");
  shim_.inspected.set_state(v1::ADAPTER_STATE_SAVED);
  shim_.inspected.set_attempt(9);
  shim_.inspected.mutable_image()->set_path("/old.so");
  const absl::StatusOr<Sight> sight =
      client_->Inspect(absl::Seconds(10), Depth::kPlain);
  ASSERT_TRUE(sight.ok()) << sight.status();
  EXPECT_EQ(sight->adapter.name(), "gpu0");
  EXPECT_EQ(sight->state, core::AdapterState::kSaved);
  EXPECT_EQ(sight->attempt, 9u);
  EXPECT_EQ(sight->image->path, "/old.so");
  shim_.inspected.clear_image();
  EXPECT_EQ(client_->Inspect(absl::Seconds(10), Depth::kPlain)->image,
            std::nullopt);
}

}  // namespace
}  // namespace baton::agent
