#include "driver-shim/conformance/suite.h"

#include <sys/stat.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
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

// Has the suite look at an adapter through a real service.
std::vector<Finding> Examine(port::AdapterPort& adapter,
                             rpc::ShimWorker& worker,
                             const std::vector<Case>& cases) {
  const ScratchDirectory directory;
  worker.Run([&] { worker.Show(); });
  rpc::ShimService service(adapter, worker, {"0.1"});
  auto server = rpc::StartShimServer(directory.target(), service);
  CHECK(server.ok());
  auto client = ShimClient::Connect(directory.target(), kPatient);
  CHECK(client.ok());
  auto session =
      Session::Begin(**client, {.next = Image("2_0"), .deadline = kPatient});
  EXPECT_TRUE(session.ok()) << session.status();
  if (!session.ok()) return {};
  std::vector<Finding> findings = RunCases(cases, **session, RealClock());
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
    if (order.step == port::AdapterStep::kSave) {
      saved_ = port::SavedState{.blocks = 1, .bytes = 1};
      report.saved = *saved_;
    }
    if (order.step == port::AdapterStep::kRestore) image_ = order.image;
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
    records_[order.step] = report;
    return report;
  }

  const Flaw flaw_;
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
