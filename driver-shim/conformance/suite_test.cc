#include "driver-shim/conformance/suite.h"

#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/reason.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/order.h"
#include "driver-shim/port/update_steps.h"
#include "driver-shim/rpc/shim_server.h"
#include "driver-shim/softgpu/board.h"
#include "driver-shim/softgpu/device_control.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"

namespace baton::conformance {
namespace {

using verify::Finding;
using verify::Outcome;

constexpr absl::Duration kPatient = absl::Seconds(20);
constexpr uint64_t kMebibyte = 1 << 20;

v1::DriverImage Image(const std::string& version) {
  v1::DriverImage image;
  image.set_path(absl::StrCat("/proc/self/cwd/driver-shim/miniport/softgpu_",
                              version, ".so"));
  image.set_digest(*Sha256OfFile(image.path()));
  image.set_version(version);
  return image;
}

// A directory with a short name, for a socket's name has at most 107 bytes.
class ScratchDirectory {
 public:
  ScratchDirectory() { CHECK(mkdtemp(path_.data()) != nullptr); }
  ~ScratchDirectory() {
    unlink(absl::StrCat(path_, "/s").c_str());
    rmdir(path_.c_str());
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string target() const { return absl::StrCat("unix:", path_, "/s"); }

 private:
  std::string path_ = "/dev/shm/conformance-XXXXXX";
};

// Has the suite look at whoever answers at `target`.
std::vector<Finding> ExamineAt(const std::string& target,
                               const std::vector<Case>& cases) {
  auto client = ShimClient::Connect(target, kPatient);
  CHECK(client.ok());
  auto session =
      Session::Begin(**client, {.next = Image("2_0"), .deadline = kPatient});
  EXPECT_TRUE(session.ok()) << session.status();
  if (!session.ok()) return {};
  return RunCases(cases, **session, RealClock());
}

// Stands between the suite and a service.
using Between = std::function<std::vector<Finding>(
    const std::string& target, const std::vector<Case>& cases)>;

// Has the suite look at an adapter through a real service.
std::vector<Finding> Examine(port::AdapterPort& adapter,
                             rpc::ShimWorker& worker,
                             const std::vector<Case>& cases,
                             const Between& between = &ExamineAt) {
  const ScratchDirectory directory;
  worker.Run([&] { worker.Show(); });
  rpc::ShimService service(adapter, worker, {"0.1"});
  auto server = rpc::StartShimServer(directory.target(), service);
  CHECK(server.ok());
  std::vector<Finding> findings = between(directory.target(), cases);
  (*server)->Shutdown();
  return findings;
}

TEST(ConformanceTest, OursKeepsEveryPromise) {
  const ScratchDirectory directory;
  auto board = softgpu::Board::Create(
      {.directory = absl::StrCat(directory.path(), "/gpu"),
       .functions = 2,
       .vram_bytes = 8 * kMebibyte});
  ASSERT_TRUE(board.ok()) << board.status();
  auto device =
      softgpu::DeviceControl::Open(absl::StrCat(directory.path(), "/gpu"));
  ASSERT_TRUE(device.ok()) << device.status();
  auto steps = port::UpdateSteps::Create(
      {.executable = "driver-shim/port/testdata/driver_host",
       .state_directory = directory.path(),
       .tenants = {{"red", "S1-4"}, {"blue", "S1-4"}}},
      **device, RealClock());
  ASSERT_TRUE(steps.ok()) << steps.status();
  port::DdiAdapter adapter("gpu0", **device, RealClock(), *std::move(steps));
  rpc::ShimWorker worker(adapter);
  const v1::DriverImage found = Image("1_0");
  worker.Run([&] {
    const absl::Status started =
        adapter.Start({.path = found.path(), .version = "1.0"}, kPatient);
    EXPECT_TRUE(started.ok()) << started;
    worker.Show();
  });
  for (const Finding& finding : Examine(adapter, worker, AllCases())) {
    EXPECT_EQ(finding.outcome, Outcome::kPass)
        << finding.name << ": " << finding.detail;
  }
  EXPECT_EQ(worker.Last().state, port::AdapterState::kRunning);
  EXPECT_EQ(worker.Last().image.digest, found.digest());
  worker.Run([&] { adapter.Stop(kPatient); });
}

// ---- the suite finds what is wrong ----

enum class Flaw {
  kNone,
  kTakesAnything,     // out of order too
  kForgetsResults,    // a repeat is out of order
  kTakesStale,        // any attempt will do
  kKeepsSavedSecret,  // Inspect never speaks of blocks
  kLosesVgpu,         // one is gone after an update
};

// An adapter without a device: goes through the states as it should, but for
// one flaw.
class FlawedAdapter final : public port::AdapterPort {
 public:
  explicit FlawedAdapter(Flaw flaw) : flaw_(flaw) {}

  port::AdapterReport Inspect() override {
    port::AdapterReport report = {.name = "gpu0",
                                  .model = "none",
                                  .pci_id = "0000:0000",
                                  .hot_update_capable = true,
                                  .vgpus = vgpus_,
                                  .state = state_,
                                  .attempt = attempt_};
    if (state_ != port::AdapterState::kUnloaded) report.image = image_;
    if (flaw_ != Flaw::kKeepsSavedSecret) report.saved = saved_;
    return report;
  }

  absl::StatusOr<port::StepReport> Take(const port::StepOrder& order) override {
    const bool stale =
        attempt_ != 0 ? order.attempt != attempt_ : order.attempt <= finished_;
    const auto recorded = records_.find(order.step);
    const bool repeat = (attempt_ == 0 ? order.attempt == finished_ : !stale) &&
                        port::After(order.step) == state_ &&
                        recorded != records_.end();
    if (stale && !repeat && flaw_ != Flaw::kTakesStale) {
      return ErrorWithReason(absl::StatusCode::kAborted, "STALE_ATTEMPT", "");
    }
    const auto verdict = port::Judge(state_, order.step);
    if (verdict != port::OrderVerdict::kCarryOut && repeat &&
        flaw_ != Flaw::kForgetsResults) {
      return recorded->second;
    }
    if (verdict != port::OrderVerdict::kCarryOut &&
        flaw_ != Flaw::kTakesAnything) {
      return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                             "STEP_OUT_OF_ORDER", "");
    }
    return Do(order);
  }

  void Watch() override {}

 private:
  port::StepReport Do(const port::StepOrder& order) {
    port::StepReport report;
    if (order.step == port::AdapterStep::kPrepare) attempt_ = order.attempt;
    // What its digest says is all that it knows of an image.
    if (order.step == port::AdapterStep::kRestore &&
        order.image.digest == Sha256Of("another driver")) {
      report.status =
          ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                          "IMAGE_DIGEST_MISMATCH", "it is another driver");
      return report;
    }
    if (order.step == port::AdapterStep::kSave) {
      saved_ = port::SavedState{.blocks = 1, .bytes = 1};
      report.saved = *saved_;
    }
    if (order.step == port::AdapterStep::kRestore) image_ = order.image;
    const bool stood = state_ == port::AdapterState::kPaused ||
                       state_ == port::AdapterState::kSaved;
    if (order.step == port::AdapterStep::kCancel && stood) {
      report.vgpus = {{.guest = "red",
                       .preserved = true,
                       .blackout = absl::Milliseconds(1)}};
    }
    state_ = port::After(order.step);
    if (state_ == port::AdapterState::kRunning) {
      if (order.step == port::AdapterStep::kCommit &&
          flaw_ == Flaw::kLosesVgpu) {
        vgpus_.clear();
      }
      saved_.reset();
      if (attempt_ != 0) finished_ = attempt_;
      attempt_ = 0;
    }
    // No two are alike, so that one answer is not taken for another's.
    report.elapsed = absl::Nanoseconds(++taken_);
    records_[order.step] = report;
    return report;
  }

  const Flaw flaw_;
  int taken_ = 0;
  port::AdapterState state_ = port::AdapterState::kRunning;
  uint64_t attempt_ = 0;
  uint64_t finished_ = 0;
  port::DriverImage image_ = {.path = "/old.so", .digest = Sha256Of("old")};
  std::vector<port::VirtualGpu> vgpus_ = {
      {.luid = "1", .profile = "S1-4", .guest = "red", .vram_bytes = 1}};
  std::optional<port::SavedState> saved_ = std::nullopt;
  std::map<port::AdapterStep, port::StepReport> records_;
};

std::set<std::string> Failing(Flaw flaw, const std::vector<Case>& cases) {
  FlawedAdapter adapter(flaw);
  rpc::ShimWorker worker(adapter);
  std::set<std::string> failing;
  for (const Finding& finding : Examine(adapter, worker, cases)) {
    if (finding.outcome == Outcome::kFail) failing.insert(finding.name);
  }
  return failing;
}

// Of the cases of the order, those whose pair has this answer.
std::set<std::string> Pairs(Expected expected) {
  std::set<std::string> names;
  for (const v1::AdapterState state : kStates) {
    for (const Verb verb : kVerbs) {
      if (Expect(state, verb) != expected) continue;
      names.insert(absl::StrCat("order/", Name(state), "/", Name(verb)));
    }
  }
  return names;
}

TEST(ConformanceTest, OrderWithoutAFlawPasses) {
  EXPECT_EQ(Failing(Flaw::kNone, OrderCases()), std::set<std::string>());
}

TEST(ConformanceTest, StepsOutOfOrderAreFound) {
  const std::set<std::string> failing =
      Failing(Flaw::kTakesAnything, OrderCases());
  for (const std::string& name : Pairs(Expected::kRefused)) {
    EXPECT_TRUE(failing.contains(name)) << name;
  }
}

TEST(ConformanceTest, ForgottenResultsAreFoundAndNothingElse) {
  EXPECT_EQ(Failing(Flaw::kForgetsResults, OrderCases()),
            Pairs(Expected::kRepeated));
}

TEST(ConformanceTest, StaleAttemptsAreFound) {
  const std::set<std::string> failing =
      Failing(Flaw::kTakesStale, AttemptCases());
  EXPECT_TRUE(failing.contains("attempt/others-during-one"));
  EXPECT_TRUE(failing.contains("attempt/after-commit"));
}

TEST(ConformanceTest, WhatInspectHidesIsFound) {
  EXPECT_TRUE(Failing(Flaw::kKeepsSavedSecret, TruthCases())
                  .contains("inspect/after-each-step"));
}

TEST(ConformanceTest, LostVgpuIsFound) {
  EXPECT_TRUE(
      Failing(Flaw::kLosesVgpu, UpdateCases()).contains("update/forward"));
}

// ---- what a service makes of steps ahead ----

// What is done to what passes by.
struct Meddling {
  std::function<void(v1::StepOrder& order)> order = [](v1::StepOrder&) {};
  std::function<void(google::protobuf::RepeatedPtrField<v1::StepTaken>& ahead)>
      told = [](auto&) {};
  std::function<void(v1::StepResult& result, bool ahead)> result =
      [](v1::StepResult&, bool) {};
};

// Passes calls on to a service, and meddles with them.
class Meddler final : public v1::ShimService::Service {
 public:
  Meddler(const std::string& target, Meddling meddling)
      : meddling_(std::move(meddling)),
        stub_(v1::ShimService::NewStub(
            grpc::CreateChannel(target, grpc::InsecureChannelCredentials()))) {}

  template <typename Request, typename Response>
  using Method = grpc::Status (v1::ShimService::Stub::*)(grpc::ClientContext*,
                                                         const Request&,
                                                         Response*);
  template <typename Request, typename Response>
  grpc::Status Pass(Method<Request, Response> method, const Request& request,
                    Response& response) {
    Request changed = request;
    bool ahead = false;
    if constexpr (requires { changed.mutable_order(); }) {
      ahead = changed.order().ahead_size() > 0;
      if (changed.has_order()) meddling_.order(*changed.mutable_order());
    }
    grpc::ClientContext context;
    grpc::Status status = (*stub_.*method)(&context, changed, &response);
    if constexpr (requires { response.mutable_result(); }) {
      if (status.ok()) meddling_.result(*response.mutable_result(), ahead);
    }
    if constexpr (requires { response.mutable_ahead(); }) {
      meddling_.told(*response.mutable_ahead());
    }
    return status;
  }

  using Stub = v1::ShimService::Stub;
  using Context = grpc::ServerContext;
  using Status = grpc::Status;
  Status Inspect(Context*, const v1::InspectRequest* request,
                 v1::InspectResponse* response) override {
    return Pass(&Stub::Inspect, *request, *response);
  }
  Status Prepare(Context*, const v1::PrepareRequest* request,
                 v1::PrepareResponse* response) override {
    return Pass(&Stub::Prepare, *request, *response);
  }
  Status Pause(Context*, const v1::PauseRequest* request,
               v1::PauseResponse* response) override {
    return Pass(&Stub::Pause, *request, *response);
  }
  Status Save(Context*, const v1::SaveRequest* request,
              v1::SaveResponse* response) override {
    return Pass(&Stub::Save, *request, *response);
  }
  Status Cancel(Context*, const v1::CancelRequest* request,
                v1::CancelResponse* response) override {
    return Pass(&Stub::Cancel, *request, *response);
  }
  Status Unload(Context*, const v1::UnloadRequest* request,
                v1::UnloadResponse* response) override {
    return Pass(&Stub::Unload, *request, *response);
  }
  Status Restore(Context*, const v1::RestoreRequest* request,
                 v1::RestoreResponse* response) override {
    return Pass(&Stub::Restore, *request, *response);
  }
  Status Verify(Context*, const v1::VerifyRequest* request,
                v1::VerifyResponse* response) override {
    return Pass(&Stub::Verify, *request, *response);
  }
  Status Resume(Context*, const v1::ResumeRequest* request,
                v1::ResumeResponse* response) override {
    return Pass(&Stub::Resume, *request, *response);
  }
  Status Confirm(Context*, const v1::ConfirmRequest* request,
                 v1::ConfirmResponse* response) override {
    return Pass(&Stub::Confirm, *request, *response);
  }
  Status Commit(Context*, const v1::CommitRequest* request,
                v1::CommitResponse* response) override {
    return Pass(&Stub::Commit, *request, *response);
  }

 private:
  const Meddling meddling_;
  const std::unique_ptr<Stub> stub_;
};

// Names of the cases of steps ahead, by how they end.
std::map<Outcome, std::set<std::string>> AheadWith(const Meddling& meddling) {
  FlawedAdapter adapter(Flaw::kNone);
  rpc::ShimWorker worker(adapter);
  std::map<Outcome, std::set<std::string>> by_outcome;
  const auto meddle = [&](const std::string& target,
                          const std::vector<Case>& cases) {
    const ScratchDirectory directory;
    Meddler meddler(target, meddling);
    const auto server = grpc::ServerBuilder()
                            .AddListeningPort(directory.target(),
                                              grpc::InsecureServerCredentials())
                            .RegisterService(&meddler)
                            .BuildAndStart();
    CHECK(server != nullptr);
    std::vector<Finding> findings = ExamineAt(directory.target(), cases);
    server->Shutdown();
    return findings;
  };
  for (const Finding& finding :
       Examine(adapter, worker, AheadCases(), meddle)) {
    by_outcome[finding.outcome].insert(finding.name);
  }
  return by_outcome;
}

TEST(ConformanceTest, AServiceNeedNotKnowStepsAheadNorTellOfThem) {
  const size_t all = AheadCases().size();
  EXPECT_EQ(AheadWith({})[Outcome::kPass].size(), all);
  const auto silent = AheadWith({.told = [](auto& ahead) { ahead.Clear(); }});
  EXPECT_EQ(silent.at(Outcome::kPass).size(), all);
  auto unknowing =
      AheadWith({.order = [](v1::StepOrder& order) { order.clear_ahead(); }});
  EXPECT_EQ(
      unknowing[Outcome::kNotApplicable],
      (std::set<std::string>{"ahead/last-alone", "ahead/cancelled-too-late"}));
  EXPECT_EQ(unknowing[Outcome::kPass].size(), all - 2);
}

TEST(ConformanceTest, StepsAheadThatAreToldWronglyAreFound) {
  struct Row {
    const char* what;
    Meddling meddling;
    std::vector<std::string> found;
  };
  const std::string whole = "ahead/from-Pause-to-Resume";
  int calls = 0;
  for (const Row& row : std::vector<Row>{
           {"out of order",
            {.told =
                 [](auto&ahead) {
                   if (ahead.size() > 1) ahead.SwapElements(0, 1);
                 }},
            {whole, "ahead/way-back"}},
           {"one too many",
            {.told =
                 [](auto&ahead) {
                   if (!ahead.empty()) *ahead.Add() = ahead.Get(0);
                 }},
            {whole, "ahead/from-Pause-to-Save"}},
           {"a failure as done",
            {.told =
                 [](auto&ahead) {
                   for (auto& step : ahead) step.mutable_result()->clear_code();
                 }},
            {"ahead/stops-at-a-failure"}},
           {"another answer to its own call",
            {.result =
                 [&calls](v1::StepResult&result, bool ahead) {
                   if (!ahead) result.set_shim_page_faults(++calls);
                 }},
            {whole, "ahead/last-alone", "ahead/repeat-of-Resume"}},
           {"another answer when it is asked again",
            {.result =
                 [&calls](v1::StepResult&result, bool ahead) {
                   if (ahead) result.set_shim_page_faults(++calls);
                 }},
            {"ahead/lost-answer"}},
           {"less than was taken",
            {.order =
                 [](v1::StepOrder&order) {
                   if (order.ahead_size() > 1) {
                     order.mutable_ahead()->RemoveLast();
                   }
                 }},
            {whole, "ahead/lost-answer"}},
       }) {
    const std::set<std::string> failing =
        AheadWith(row.meddling)[Outcome::kFail];
    for (const std::string& name : row.found) {
      EXPECT_TRUE(failing.contains(name)) << row.what << ": " << name;
    }
  }
}

TEST(ConformanceTest, NamesAreUnique) {
  std::set<std::string> names;
  for (const Case& each : AllCases()) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name;
    EXPECT_FALSE(each.promise.empty()) << each.name;
    EXPECT_FALSE(each.fix.empty()) << each.name;
  }
}

}  // namespace
}  // namespace baton::conformance
