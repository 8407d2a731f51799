// What does it cost to save a block of each form and to hand it over, beside
// what the machine's memory can do at all? Real driver hosts and a driver that
// does nothing else. All in one run, so that the ratios hold on a machine whose
// speed drifts.
//
// usage: save_restore [--json] [--most-mib=N] [--rounds=N]

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "bench/machine.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/driver_host.h"
#include "driver-shim/port/testdata/fake_device.h"

namespace baton {
namespace {

using port::AdapterStep;
using port::StepReport;
using Digests = port::SavedStateStore::Digests;

constexpr absl::Duration kPatient = absl::Seconds(60);
constexpr uint64_t kKiB = uint64_t{1} << 10;
constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;
// The least that is called 4 GiB here: a list can describe at most 4 GiB - 1.
constexpr uint64_t k4GiB = 4 * kGiB - 256 * kKiB;
// Smaller ones lie in the caches, and are not measured against the memory.
constexpr uint64_t kJudgedBytes = 256 * kMiB;

// What is wanted: of 1 GiB without digests, each way; of the machine's copy
// past the caches; of the machine's read.
constexpr double kInPlaceMs = 2.0;
constexpr double kCopyShare = 0.8;
constexpr double kDigestShare = 0.85;

struct Options {
  bool json = false;
  uint64_t most_bytes = kGiB;
  int rounds = 5;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// ---- save and restore ----

struct Block {
  const char* form = "";
  uint64_t bytes = 0;
  uint32_t runs = 1;
  uint32_t blocks = 1;  // of so many bytes altogether
  Digests digests = Digests::kNone;

  bool copied() const { return std::strcmp(form, "data") == 0; }
  bool digested() const { return digests == Digests::kTaken; }
};

struct Times {
  double save_ms = 0;      // the step as the agent sees it, without the socket
  double callback_ms = 0;  // the driver's Save alone
  double restore_ms = 0;
  // Of the machine's speed in the same round: what the driver's Save copies;
  // what the shim digests as it saves, and as it hands over. 0: nothing.
  double copy_share = 0;
  double save_share = 0;
  double check_share = 0;
  // Pause to Resume.
  double shim_faults = 0;
  double driver_faults = 0;
};

port::DriverImage BenchImage(const std::string& path) {
  return {.path = path,
          .digest = *Sha256OfFile(path),
          .driver = "bench",
          .version = "1"};
}

double TimeOf(const StepReport& report, const std::string& entry_point) {
  for (const port::EntryPointCall& call : report.calls) {
    if (call.entry_point == entry_point) {
      return absl::ToDoubleMilliseconds(call.elapsed);
    }
  }
  return 0;
}

Times UpdateOnce(port::DdiAdapter& adapter, uint64_t attempt,
                 const port::DriverImage& image) {
  Times times;
  for (const AdapterStep step :
       {AdapterStep::kPrepare, AdapterStep::kPause, AdapterStep::kSave,
        AdapterStep::kUnload, AdapterStep::kRestore, AdapterStep::kVerify,
        AdapterStep::kResume, AdapterStep::kConfirm, AdapterStep::kCommit}) {
    const auto report = adapter.Take({.step = step,
                                      .attempt = attempt,
                                      .deadline = kPatient,
                                      .image = image});
    if (!report.ok() || !report->status.ok()) {
      std::fprintf(
          stderr, "step failed: %s\n",
          (report.ok() ? report->status : report.status()).ToString().c_str());
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): the others only wait
    }
    const double elapsed = absl::ToDoubleMilliseconds(report->elapsed);
    const bool black =
        step >= AdapterStep::kPause && step <= AdapterStep::kResume;
    if (black) {
      times.shim_faults += static_cast<double>(report->shim_faults);
      times.driver_faults += static_cast<double>(report->driver_faults);
    }
    if (step == AdapterStep::kSave) {
      times.save_ms = elapsed;
      times.callback_ms = TimeOf(*report, "DxgkDdiSaveMemoryForHotUpdate");
    }
    if (step == AdapterStep::kRestore) times.restore_ms = elapsed;
  }
  return times;
}

// What was measured, beside what the machine did just before.
void Compare(const Block& block, const Machine& machine, Times& times) {
  if (block.bytes < kJudgedBytes) return;
  if (block.copied()) {
    times.copy_share =
        GbPerSecond(block.bytes, times.callback_ms) / machine.NonTemporal();
  } else if (block.digested()) {
    times.save_share = GbPerSecond(block.bytes, times.save_ms) / machine.Read();
  }
  if (block.digested()) {
    times.check_share =
        GbPerSecond(block.bytes, times.restore_ms) / machine.Read();
  }
}

double MedianOf(const std::vector<Times>& rounds, double Times::*field) {
  std::vector<double> values;
  values.reserve(rounds.size());
  for (const Times& times : rounds) values.push_back(times.*field);
  return Median(std::move(values));
}

Times MedianOf(const std::vector<Times>& rounds) {
  Times median;
  for (double Times::*field :
       {&Times::save_ms, &Times::callback_ms, &Times::restore_ms,
        &Times::copy_share, &Times::save_share, &Times::check_share,
        &Times::shim_faults, &Times::driver_faults}) {
    median.*field = MedianOf(rounds, field);
  }
  return median;
}

Times Measure(const Block& block, const Machine& machine,
              const std::string& image, int rounds) {
  char directory[] = "/dev/shm/baton-bench-XXXXXX";
  CHECK(mkdtemp(directory) != nullptr);
  const std::string device_directory = absl::StrCat(directory, "/device");
  CHECK(mkdir(device_directory.c_str(), S_IRWXU) == 0);
  setenv("BATON_BENCH_BLOCK",  // NOLINT(concurrency-mt-unsafe): the others only
                               // wait
         absl::StrCat(block.form, " ", block.bytes, " ", block.runs, " ",
                      block.blocks)
             .c_str(),
         1);
  std::vector<Times> all;
  {
    port::FakeDevice device(device_directory);
    device.enabled = 0;
    device.functions.clear();
    auto steps = port::UpdateSteps::Create(
        {.state_directory = directory,
         .memory_bytes = block.bytes * (block.copied() ? 2 : 1) +
                         block.runs * (4 * kKiB) + 16 * kMiB,
         .digests = block.digests},
        device, RealClock());
    CHECK(steps.ok());
    port::DdiAdapter adapter("gpu0", device, RealClock(), *std::move(steps));
    const absl::Status started = adapter.Start(BenchImage(image), kPatient);
    if (!started.ok()) {
      std::fprintf(stderr, "%s\n", started.ToString().c_str());
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): the others only wait
    }
    for (int i = 0; i < rounds; ++i) {
      all.push_back(
          UpdateOnce(adapter, static_cast<uint64_t>(i) + 1, BenchImage(image)));
      Compare(block, machine, all.back());
    }
    adapter.Stop(kPatient);
  }
  std::filesystem::remove_all(directory);
  return MedianOf(all);
}

std::string SizeName(uint64_t bytes) {
  if (bytes == k4GiB) return "4 GiB";
  if (bytes >= kGiB) return absl::StrCat(bytes / kGiB, " GiB");
  if (bytes >= kMiB) return absl::StrCat(bytes / kMiB, " MiB");
  return absl::StrCat(bytes / kKiB, " KiB");
}

std::vector<Block> Blocks(uint64_t most) {
  std::vector<Block> blocks;
  const auto add = [&](const Block& block) {
    if (block.bytes <= most) blocks.push_back(block);
  };
  for (const char* const form : {"ranges", "mdl", "data"}) {
    for (const uint64_t bytes :
         {4 * kKiB, 64 * kKiB, kMiB, 16 * kMiB, 256 * kMiB, kGiB, k4GiB}) {
      // Data is digested as it is copied, so the check belongs to it too.
      const bool copied = std::strcmp(form, "data") == 0;
      add({.form = form,
           .bytes = bytes,
           .digests = copied ? Digests::kTaken : Digests::kNone});
    }
  }
  // What grows is the number of runs, and not of bytes.
  for (const char* const form : {"ranges", "mdl"}) {
    for (const uint32_t runs : {64u, 4096u}) {
      add({.form = form, .bytes = 64 * kMiB, .runs = runs});
      add({.form = form, .bytes = kGiB, .runs = runs});
    }
  }
  for (const uint32_t count : {64u, 4096u}) {
    add({.form = "data",
         .bytes = 16 * kMiB,
         .blocks = count,
         .digests = Digests::kTaken});
  }
  for (const char* const form : {"ranges", "mdl"}) {
    for (const uint64_t bytes : {16 * kMiB, kGiB}) {
      add({.form = form, .bytes = bytes, .digests = Digests::kTaken});
    }
  }
  return blocks;
}

// Whether what was measured is what is wanted; "" where nothing is.
const char* JudgementOf(const Block& block, const Times& times) {
  bool met = true;
  if (block.bytes < kJudgedBytes) return "";
  if (block.copied()) {
    met = times.copy_share >= kCopyShare && times.check_share >= kDigestShare;
  } else if (block.digested()) {
    met = times.save_share >= kDigestShare && times.check_share >= kDigestShare;
  } else if (block.bytes == kGiB && block.runs == 1) {
    met = times.save_ms < kInPlaceMs && times.restore_ms < kInPlaceMs;
  } else {
    return "";
  }
  return met ? "met" : "not met";
}

void PrintMachine(const Machine& machine, const Options& options) {
  std::vector<double> read, copy, non_temporal, digest, share;
  for (int i = 0; i < options.rounds; ++i) {
    read.push_back(machine.Read());
    digest.push_back(machine.Digest());
    share.push_back(digest.back() / read.back());
    copy.push_back(machine.Copy());
    non_temporal.push_back(machine.NonTemporal());
  }
  const double median = Median(share);
  const char* const judgement = median >= kDigestShare ? "met" : "not met";
  std::printf(
      options.json
          ? "{\"machine_gbps\": {\"read\": %.1f, \"memcpy\": %.1f, "
            "\"non_temporal_copy\": %.1f, \"digest\": %.1f, "
            "\"digest_of_read\": %.2f, \"wanted\": %.2f, "
            "\"judgement\": \"%s\"},\n \"blocks\": [\n"
          : "GB/s, all cores, medians: read %.1f, memcpy %.1f, non-temporal "
            "copy %.1f, digest %.1f\n"
            "digest of read: %.2f, want %.2f: %s\n\n",
      Median(read), Median(copy), Median(non_temporal), Median(digest), median,
      kDigestShare, judgement);
  if (options.json) return;
  std::printf(
      "in place, 1 GiB without digests: want save and restore under %.1f ms "
      "each\n"
      "copied: want %.2f of the machine's non-temporal copy, digest included\n"
      "digested: want %.2f of the machine's read; all in the same round\n\n",
      kInPlaceMs, kCopyShare, kDigestShare);
  std::printf("%-7s %8s %5s %6s %-7s %8s %8s %8s %8s %5s %5s %5s %5s %6s\n",
              "form", "size", "runs", "blocks", "digests", "save ms", "driver",
              "GB/s", "rest. ms", "copy", "save", "check", "shim", "driver");
  std::printf("%70s %17s %12s\n", "", "of the machine", "page faults");
}

void PrintBlock(const Block& block, const Times& times,
                const Options& options) {
  const double speed = GbPerSecond(block.bytes, times.callback_ms);
  const char* const judgement = JudgementOf(block, times);
  if (options.json) {
    std::printf(
        "  {\"form\": \"%s\", \"bytes\": %llu, \"runs\": %u, \"blocks\": %u, "
        "\"digests\": %s, \"save_ms\": %.3f, \"driver_save_ms\": %.3f, "
        "\"restore_ms\": %.3f, \"copy_of_machine\": %.2f, "
        "\"save_of_machine\": %.2f, \"check_of_machine\": %.2f, "
        "\"shim_page_faults\": %.0f, \"driver_page_faults\": %.0f, "
        "\"judgement\": \"%s\"}",
        block.form, static_cast<unsigned long long>(block.bytes), block.runs,
        block.blocks, block.digested() ? "true" : "false", times.save_ms,
        times.callback_ms, times.restore_ms, times.copy_share, times.save_share,
        times.check_share, times.shim_faults, times.driver_faults, judgement);
    return;
  }
  std::printf(
      "%-7s %8s %5u %6u %-7s %8.3f %8.3f %8.1f %8.3f %5.2f %5.2f %5.2f %5.0f "
      "%6.0f  %s\n",
      block.form, SizeName(block.bytes).c_str(), block.runs, block.blocks,
      block.digested() ? "yes" : "no", times.save_ms, times.callback_ms, speed,
      times.restore_ms, times.copy_share, times.save_share, times.check_share,
      times.shim_faults, times.driver_faults, judgement);
}

int Run(const Options& options, const std::string& image) {
  const Machine machine(std::clamp(options.most_bytes, kJudgedBytes, kGiB));
  PrintMachine(machine, options);
  bool first = true;
  for (const Block& block : Blocks(options.most_bytes)) {
    const Times times = Measure(block, machine, image, options.rounds);
    if (options.json && !first) std::printf(",\n");
    first = false;
    PrintBlock(block, times, options);
    std::fflush(stdout);
  }
  if (options.json) std::printf("\n ]}\n");
  return 0;
}

// Whether there are two blocks of 4 GiB, the machine's own memory and the rest.
bool HasRoomFor4GiB() {
  std::ifstream info("/proc/meminfo");
  std::string name;
  uint64_t kib = 0;
  while (info >> name >> kib && name != "MemAvailable:") {
    info.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return kib * kKiB > 14 * kGiB;
}

int Main(int argc, char** argv) {
  CHECK(StartLog("save_restore", "warning").ok());
  Options options;
  if (HasRoomFor4GiB()) options.most_bytes = 4 * kGiB;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    uint64_t number = 0;
    if (argument == "--json") {
      options.json = true;
    } else if (absl::ConsumePrefix(&argument, "--most-mib=") &&
               absl::SimpleAtoi(argument, &number) && number > 0) {
      options.most_bytes = number * kMiB;
    } else if (absl::ConsumePrefix(&argument, "--rounds=") &&
               absl::SimpleAtoi(argument, &number) && number > 0) {
      options.rounds = static_cast<int>(number);
    } else {
      std::fprintf(
          stderr, "usage: save_restore [--json] [--most-mib=N] [--rounds=N]\n");
      return 2;
    }
  }
  return Run(options, "bench/libbench_miniport.so");
}

}  // namespace
}  // namespace baton

int main(int argc, char** argv) {
  if (baton::port::IsDriverHost(argc, argv)) {
    return baton::port::RunDriverHost();
  }
  return baton::Main(argc, argv);
}
