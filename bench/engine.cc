// What deciding and storing a rollout costs the service: the real loop over a
// SQLite store, with agents that report the end of an update as soon as they
// are told to begin. One rollout of 10,000 hosts and one of 100,000, each in a
// process of its own; then a third process opens what the second one stored.
// Prints a JSON object a process, and whether each goal is met.
//
//   engine [--hosts=N]   the larger of the two

#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "service/runtime/fleet_loop.h"
#include "service/store/sqlite_store.h"

namespace baton {
namespace {

using runtime::FleetLoop;

constexpr char kRollout[] = "rollouts/bench";
constexpr char kNewDriver[] = "drivers/softgpu/versions/2.0";
constexpr int kHostsOfARack = 20;
constexpr int kUnavailableMax = 1000;
constexpr int kVirtualGpus = 4;
constexpr int kConnectingMax = 1'000;
constexpr absl::Duration kBetweenCalls = absl::Milliseconds(5);

double CpuSeconds() {
  rusage usage = {};
  CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Bytes of memory of this process that are resident, once what is free was
// given back.
int64_t ResidentBytes() {
  malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0;
  int64_t resident = 0;
  statm >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

double LoadAverage() {
  double load = 0;
  CHECK(getloadavg(&load, 1) == 1);
  return load;
}

// One GPU with four vGPUs, each with names of the lengths that occur.
core::Inventory MakeInventory(int host, const std::string& version) {
  core::Adapter adapter;
  adapter.name = "gpu0";
  adapter.model = "Baton SoftGPU S1";
  adapter.pci_id = "1b70:0001";
  adapter.driver = "softgpu";
  adapter.driver_version = version;
  adapter.image_digest = Sha256Of(version);
  adapter.hot_update_capable = true;
  for (int i = 0; i < kVirtualGpus; ++i) {
    core::VirtualGpu vgpu;
    vgpu.partition_id = static_cast<uint32_t>(i + 1);
    vgpu.luid = absl::StrCat("0x", absl::Hex(host * kVirtualGpus + i));
    vgpu.profile = "S1-64";
    vgpu.guest = absl::StrCat("vm-", host, "-", i);
    vgpu.vram_bytes = 64 << 20;
    vgpu.guest_driver = "31.0.15";
    adapter.vgpus.push_back(vgpu);
  }
  core::Inventory inventory;
  inventory.adapters = {adapter};
  inventory.available_memory_bytes = uint64_t{64} << 30;
  return inventory;
}

core::Driver MakeDriver(const std::string& version) {
  core::Driver driver;
  driver.name = absl::StrCat("drivers/softgpu/versions/", version);
  driver.digest = Sha256Of(driver.name);
  driver.size_bytes = 4096;
  driver.manifest.driver = "softgpu";
  driver.manifest.version = version;
  driver.manifest.image = "miniport.so";
  driver.manifest.image_digest = Sha256Of(version);
  driver.manifest.pci_ids = {"1b70:0001"};
  driver.manifest.state_format_writes = 1;
  driver.manifest.state_format_reads = {1};
  return driver;
}

// Every step of an update that went well.
std::vector<core::StepRecord> MakeSteps(absl::Time start) {
  std::vector<core::StepRecord> steps;
  for (int i = 1; i <= 13; ++i) {
    core::StepRecord step;
    step.step = static_cast<core::Step>(i);
    if (step.step == core::Step::kCancel) continue;
    step.start_time = start + absl::Milliseconds(i);
    step.elapsed = absl::Microseconds(700 + i);
    steps.push_back(step);
  }
  return steps;
}

// The service under load.
class Bench {
 public:
  Bench(int hosts, const std::string& path) : hosts_(hosts) {
    auto store = store::OpenSqliteStore({path});
    CHECK(store.ok());
    store_ = *std::move(store);
    // Agents that report at once have nothing to say in between.
    FleetLoop::Options options;
    options.lost_after = absl::Hours(1);
    auto loop = FleetLoop::Create(options, {clock_, *store_});
    CHECK(loop.ok());
    loop_ = *std::move(loop);
    // Not the service's: made before its memory is looked at.
    for (int number = 0; number < hosts_; ++number) {
      agents_.emplace_back(*this, number);
    }
    thread_ = std::thread([this] { CHECK(loop_->Run().ok()); });
  }
  ~Bench() {
    loop_->Stop();
    thread_.join();
  }

  void Run();

 private:
  // An agent that is done as soon as it is told to begin.
  class Agent final : public runtime::Link {
   public:
    Agent(Bench& bench, int number) : bench_(bench), number_(number) {}
    void Send(const core::Order& order) override {
      bench_.Finish(number_, stream, order);
    }
    void Close(const absl::Status&) override {}

    uint64_t stream = 0;

   private:
    Bench& bench_;
    const int number_;
  };

  std::string HostName(int number) const {
    return absl::StrCat("hosts/host-", absl::Dec(number, absl::kZeroPad6));
  }

  // Posts, and waits for the answer; returns how long it took.
  absl::Duration Call(core::EventBody body);
  absl::Duration Read(FleetLoop::Done done);
  void Connect();
  void AwaitHosts(int hosts);
  void Finish(int number, uint64_t stream, const core::Order& order);
  // Posts a call every few milliseconds until the rollout has ended; each is
  // timed from when it was due.
  std::vector<double> CallUntilTheEnd();
  core::EventBody NextCall(int number) const;
  void WaitUntil(absl::Duration due);

  const int hosts_;
  const Clock& clock_ = RealClock();
  std::unique_ptr<runtime::Store> store_;
  std::unique_ptr<FleetLoop> loop_;
  std::deque<Agent> agents_;
  std::thread thread_;
  std::atomic<bool> ended_ = false;
};

absl::Duration Bench::Call(core::EventBody body) {
  const absl::Duration start = clock_.Monotonic();
  std::atomic<bool> answered = false;
  CHECK(loop_
            ->Post("alice", std::move(body),
                   [&](const absl::Status& status, const core::Fleet&) {
                     if (!status.ok()) {
                       std::fprintf(stderr, "%s\n", status.ToString().c_str());
                     }
                     CHECK(status.ok());
                     answered = true;
                     answered.notify_all();
                   })
            .ok());
  answered.wait(false);
  return clock_.Monotonic() - start;
}

absl::Duration Bench::Read(FleetLoop::Done done) {
  const absl::Duration start = clock_.Monotonic();
  std::atomic<bool> answered = false;
  CHECK(loop_
            ->Read([&](const absl::Status& status, const core::Fleet& fleet) {
              done(status, fleet);
              answered = true;
              answered.notify_all();
            })
            .ok());
  answered.wait(false);
  return clock_.Monotonic() - start;
}

void Bench::Connect() {
  for (int number = 0; number < hosts_; ++number) {
    core::HostConnected hello;
    hello.host = HostName(number);
    hello.stream = loop_->NewStream();
    hello.boot_id = absl::StrCat("8c7e7a1e-0000-4000-8000-",
                                 absl::Dec(number, absl::kZeroPad12));
    hello.agent_version = "0.1";
    hello.labels = {{"rack", absl::StrCat("r", number / kHostsOfARack)},
                    {"zone", absl::StrCat("z", number % 3)},
                    {"pool", "inference"}};
    hello.inventory = MakeInventory(number, "1.0");
    Agent& agent = agents_[static_cast<size_t>(number)];
    agent.stream = hello.stream;
    const std::shared_ptr<Agent> link(std::shared_ptr<void>(), &agent);
    CHECK(loop_->Connect(hello, link, nullptr).ok());
    if (number % kConnectingMax == 0) AwaitHosts(number - kConnectingMax);
  }
  AwaitHosts(hosts_);
}

void Bench::AwaitHosts(int hosts) {
  int known = 0;
  while (known < hosts) {
    (void)Read([&](const absl::Status&, const core::Fleet& fleet) {
      known = static_cast<int>(fleet.hosts.size());
    });
  }
}

void Bench::Finish(int number, uint64_t stream, const core::Order& order) {
  if (order.kind != core::OrderKind::kStart) return;
  core::HostHeard heard;
  heard.host = order.host;
  heard.stream = stream;
  heard.inventory = MakeInventory(number, "2.0");
  CHECK(loop_->Post("agent", std::move(heard), nullptr).ok());
  core::UpdateReported reported;
  reported.host = order.host;
  reported.stream = stream;
  core::UpdateReport& report = reported.report;
  report.rollout = order.rollout;
  report.attempt = order.attempt;
  report.sequence = 1;
  report.state = core::UpdateState::kDone;
  report.step = core::Step::kReopenGate;
  report.past_no_return = true;
  report.steps = MakeSteps(loop_->Now());
  for (int i = 0; i < kVirtualGpus; ++i) {
    report.vgpus.push_back({static_cast<uint32_t>(i + 1),
                            absl::StrCat("vm-", number, "-", i), true,
                            absl::Microseconds(9000 + number % 1000), ""});
  }
  report.saved = core::SavedState{kVirtualGpus, uint64_t{256} << 20};
  CHECK(loop_->Post("agent", std::move(reported), nullptr).ok());
}

core::EventBody Bench::NextCall(int number) const {
  switch (number % 4) {
    case 0:
      return core::HoldRollout{kRollout, "look"};
    case 1:
      return core::ResumeRollout{kRollout};
    case 2:
      return core::CordonHost{HostName(0), "disk"};
    default:
      return core::UncordonHost{HostName(0)};
  }
}

void Bench::WaitUntil(absl::Duration due) {
  Mutex mu;
  CondVar never;
  MutexLock lock(mu);
  absl::Duration left = due - clock_.Monotonic();
  while (left > absl::ZeroDuration()) {
    never.WaitFor(mu, std::max(left, absl::Milliseconds(1)));
    left = due - clock_.Monotonic();
  }
}

std::vector<double> Bench::CallUntilTheEnd() {
  struct Shared {
    Mutex mu;
    std::vector<double> milliseconds ABSL_GUARDED_BY(mu);
  };
  const auto shared = std::make_shared<Shared>();
  absl::Duration due = clock_.Monotonic();
  for (int number = 0; !ended_; ++number) {
    due += kBetweenCalls;
    WaitUntil(due);
    const auto done = [this, shared, due](const absl::Status&,
                                          const core::Fleet& fleet) {
      const double took = absl::ToDoubleMilliseconds(clock_.Monotonic() - due);
      MutexLock lock(shared->mu);
      shared->milliseconds.push_back(took);
      ended_ = core::IsFinished(fleet.rollouts.at(kRollout).state);
    };
    if (number % 5 == 4) {
      CHECK(loop_->Read(done).ok());
    } else {
      CHECK(loop_->Post("alice", NextCall(number / 5 * 4 + number % 5), done)
                .ok());
    }
  }
  MutexLock lock(shared->mu);
  return shared->milliseconds;
}

double PercentileOf(std::vector<double> values, double percent) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const auto rank =
      static_cast<size_t>(static_cast<double>(values.size()) * percent / 100);
  return values[std::min(rank, values.size() - 1)];
}

void Bench::Run() {
  const double load = LoadAverage();
  const int64_t resident = ResidentBytes();
  const double cpu = CpuSeconds();
  Connect();
  const double connect_cpu = CpuSeconds() - cpu;
  (void)Call(core::DriverStored{MakeDriver("1.0")});
  (void)Call(core::DriverStored{MakeDriver("2.0")});
  core::RolloutSpec spec;
  spec.driver = kNewDriver;
  spec.selector = "pool=inference";
  spec.waves = {{"canary", core::WaveSize::kHosts, 100},
                {"tenth", core::WaveSize::kPercent, 10},
                {"", core::WaveSize::kRest}};
  spec.limits.max_unavailable = kUnavailableMax;
  spec.limits.domains = {{"rack", 2}};
  (void)Call(core::CreateRollout{kRollout, spec});
  const double plan_cpu = CpuSeconds();
  const absl::Duration plan = Call(core::PlanRollout{kRollout});
  const double planned_cpu = CpuSeconds() - plan_cpu;
  std::string digest;
  (void)Read([&](const absl::Status&, const core::Fleet& fleet) {
    digest = fleet.rollouts.at(kRollout).plan->digest;
  });
  const absl::Duration run_start = clock_.Monotonic();
  const absl::Duration start = Call(core::StartRollout{kRollout, digest});
  const std::vector<double> calls = CallUntilTheEnd();
  const absl::Duration run = clock_.Monotonic() - run_start;
  const double total_cpu = CpuSeconds() - cpu;
  core::RolloutProgress progress;
  (void)Read([&](const absl::Status&, const core::Fleet& fleet) {
    progress = core::ProgressOf(fleet.rollouts.at(kRollout));
  });
  CHECK(progress.done == static_cast<uint32_t>(hosts_));
  const int64_t grown = ResidentBytes() - resident;
  std::printf(
      "{\"hosts\": %d, \"cpu_s\": %.2f, \"connect_cpu_s\": %.2f, "
      "\"plan_ms\": %.0f, \"plan_cpu_s\": %.2f, \"start_ms\": %.0f, "
      "\"run_s\": %.1f, \"bytes_per_host\": %lld, \"calls\": %zu, "
      "\"call_p50_ms\": %.2f, \"call_p99_ms\": %.2f, \"call_max_ms\": %.1f, "
      "\"load\": %.1f}\n",
      hosts_, total_cpu, connect_cpu, absl::ToDoubleMilliseconds(plan),
      planned_cpu, absl::ToDoubleMilliseconds(start),
      absl::ToDoubleSeconds(run), static_cast<long long>(grown / hosts_),
      calls.size(), PercentileOf(calls, 50), PercentileOf(calls, 99),
      PercentileOf(calls, 100), load);
}

// Deletes the rollout; returns how long nobody else was answered.
absl::Duration Delete(FleetLoop& loop) {
  const Clock& clock = RealClock();
  const absl::Duration start = clock.Monotonic();
  CHECK(loop.Post("alice", core::DeleteRollout{kRollout},
                  [](const absl::Status& status, const core::Fleet&) {
                    CHECK(status.ok());
                  })
            .ok());
  CHECK(loop.RunOnce(absl::ZeroDuration()).ok());
  return clock.Monotonic() - start;
}

// Opens a store, as a service does that starts, up to its first commit.
void Open(const std::string& path) {
  const Clock& clock = RealClock();
  const int64_t resident = ResidentBytes();
  const absl::Duration start = clock.Monotonic();
  auto store = store::OpenSqliteStore({path});
  CHECK(store.ok());
  auto loop = FleetLoop::Create({}, {clock, **store});
  CHECK(loop.ok());
  const absl::Duration opened = clock.Monotonic() - start;
  const size_t hosts = (*loop)->fleet().hosts.size();
  const int64_t grown = ResidentBytes() - resident;
  const absl::Duration deleted = Delete(**loop);
  std::printf(
      "{\"opened_hosts\": %zu, \"open_ms\": %.0f, \"bytes_per_host\": %lld, "
      "\"delete_ms\": %.0f, \"load\": %.1f}\n",
      hosts, absl::ToDoubleMilliseconds(opened),
      static_cast<long long>(grown / static_cast<int64_t>(hosts)),
      absl::ToDoubleMilliseconds(deleted), LoadAverage());
}

// Runs this program again with `argument`, and returns what it printed.
std::string InAProcess(const std::string& argument) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    execl("/proc/self/exe", "engine", argument.c_str(), nullptr);
    _exit(127);
  }
  close(ends[1]);
  std::string printed;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = read(ends[0], buffer, sizeof(buffer))) > 0) {
    printed.append(buffer, static_cast<size_t>(got));
  }
  close(ends[0]);
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  std::printf("%s", printed.c_str());
  return printed;
}

double NumberIn(const std::string& json, const std::string& field) {
  const std::string key = absl::StrCat("\"", field, "\": ");
  const size_t at = json.find(key);
  CHECK(at != std::string::npos);
  return std::strtod(json.c_str() + at + key.size(), nullptr);
}

void Judge(const char* what, double got, double limit, const char* unit) {
  std::printf("%-44s %10.2f of %8.2f %-8s %s\n", what, got, limit, unit,
              got <= limit ? "met" : "NOT MET");
}

void RunAll(int small, int large) {
  namespace fs = std::filesystem;
  const fs::path folder =
      fs::temp_directory_path() / absl::StrCat("baton-engine-", getpid());
  fs::create_directories(folder);
  const auto run = [&](int hosts) {
    return InAProcess(
        absl::StrCat("--run=", hosts, ":", folder.string(), "/", hosts, ".db"));
  };
  const std::string few = run(small);
  const std::string many = run(large);
  const std::string opened =
      InAProcess(absl::StrCat("--open=", folder.string(), "/", large, ".db"));
  fs::remove_all(folder);
  Judge("CPU of the large rollout", NumberIn(many, "cpu_s"), 60, "s");
  Judge("times the CPU of the small one",
        NumberIn(many, "cpu_s") / NumberIn(few, "cpu_s"), 12, "");
  Judge("memory, all connected, updates ended",
        NumberIn(many, "bytes_per_host"), 1536, "B/host");
  Judge("plan", NumberIn(many, "plan_ms") / 1000, 2, "s");
  Judge("an operator's call, p99", NumberIn(many, "call_p99_ms"), 50, "ms");
  Judge("from start to the first answer", NumberIn(opened, "open_ms") / 1000, 5,
        "s");
  Judge("deletion of the large rollout", NumberIn(opened, "delete_ms") / 1000,
        1, "s");
}

int Main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  absl::string_view argument = argc > 1 ? argv[1] : "";
  if (absl::ConsumePrefix(&argument, "--open=")) {
    Open(std::string(argument));
    return 0;
  }
  if (absl::ConsumePrefix(&argument, "--run=")) {
    const size_t colon = argument.find(':');
    int hosts = 0;
    CHECK(absl::SimpleAtoi(argument.substr(0, colon), &hosts));
    Bench(hosts, std::string(argument.substr(colon + 1))).Run();
    return 0;
  }
  int hosts = 100'000;
  if (absl::ConsumePrefix(&argument, "--hosts=")) {
    CHECK(absl::SimpleAtoi(argument, &hosts));
  }
  RunAll(hosts / 10, hosts);
  return 0;
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) { return baton::Main(argc, argv); }
