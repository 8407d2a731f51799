// What does it cost to save a block of each form and to hand it over, beside
// what the machine's memory can do at all? Real driver hosts and a driver that
// does nothing else. All in one run, so that the ratios hold on a machine whose
// speed drifts.
//
// usage: save_restore [--json] [--most-mib=N] [--rounds=N]

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
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
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/driver_host.h"
#include "driver-shim/port/cores.h"
#include "driver-shim/port/piece_digest.h"
#include "driver-shim/port/testdata/fake_device.h"

namespace baton {
namespace {

using port::AdapterStep;
using port::StepReport;
using Digests = port::SavedStateStore::Digests;

constexpr absl::Duration kPatient = absl::Seconds(60);

struct Options {
  bool json = false;
  uint64_t most_bytes = uint64_t{1} << 30;
  int rounds = 5;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double MillisecondsOf(const std::function<void()>& work) {
  const absl::Duration begin = RealClock().Monotonic();
  work();
  return absl::ToDoubleMilliseconds(RealClock().Monotonic() - begin);
}

double GbPerSecond(uint64_t bytes, double milliseconds) {
  return static_cast<double>(bytes) / 1e6 / milliseconds;
}

// ---- the machine ----

// Mapped and touched, and unmapped at the end.
class Memory {
 public:
  explicit Memory(uint64_t bytes) : bytes_(bytes) {
    void* const data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(data != MAP_FAILED);
    data_ = static_cast<std::byte*>(data);
    std::memset(data_, 7, bytes);
  }
  ~Memory() { munmap(data_, bytes_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  std::byte* data() const { return data_; }

 private:
  const uint64_t bytes_;
  std::byte* data_ = nullptr;
};

#if defined(__x86_64__)
__attribute__((target("avx2"))) void NonTemporal(std::byte* to,
                                                 const std::byte* from,
                                                 uint64_t bytes) {
  for (uint64_t i = 0; i + 32 <= bytes; i += 32) {
    _mm256_stream_si256(
        reinterpret_cast<__m256i*>(to + i),
        _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i)));
  }
  _mm_sfence();
}
__attribute__((target("avx2"))) void Read(const std::byte* from,
                                          uint64_t bytes) {
  __m256i sum[4] = {};
  for (uint64_t i = 0; i + 128 <= bytes; i += 128) {
    for (uint64_t k = 0; k < 4; ++k) {
      sum[k] = _mm256_xor_si256(
          sum[k], _mm256_load_si256(
                      reinterpret_cast<const __m256i*>(from + i + k * 32)));
    }
  }
  // Keeps the sums, and so the reads.
  asm volatile("" : : "m"(sum) : "memory");
}
#else
void NonTemporal(std::byte* to, const std::byte* from, uint64_t bytes) {
  std::memcpy(to, from, bytes);
}
void Read(const std::byte* from, uint64_t bytes) { (void)Xxh3Of(from, bytes); }
#endif

struct Machine {
  double read = 0;
  double copy = 0;
  double non_temporal = 0;
  double digest = 0;
};

// GB/s on all cores, the best of the rounds: the machine's own limit.
Machine MeasureMachine(uint64_t bytes, int rounds) {
  const Memory from(bytes);
  const Memory to(bytes);
  port::Extents extents;
  extents.Add(from.data(), bytes);
  const uint64_t piece = std::min(bytes, port::kPieceBytes);
  const auto all = [&](const std::function<void(uint64_t at)>& work) {
    port::OnAllCores(bytes / piece, piece, [&](size_t i) { work(i * piece); });
  };
  Machine best;
  const auto note = [&](double& speed, const std::function<void()>& work) {
    speed = std::max(speed, GbPerSecond(bytes, MillisecondsOf(work)));
  };
  for (int i = 0; i < rounds; ++i) {
    note(best.read,
         [&] { all([&](uint64_t at) { Read(from.data() + at, piece); }); });
    note(best.copy, [&] {
      all([&](uint64_t at) {
        std::memcpy(to.data() + at, from.data() + at, piece);
      });
    });
    note(best.non_temporal, [&] {
      all([&](uint64_t at) {
        NonTemporal(to.data() + at, from.data() + at, piece);
      });
    });
    note(best.digest, [&] { (void)port::DigestsOf({extents}); });
  }
  return best;
}

// ---- save and restore ----

struct Block {
  const char* form = "";
  uint64_t bytes = 0;
  uint32_t runs = 1;
  Digests digests = Digests::kNone;
};

struct Times {
  double save_ms = 0;      // the step as the agent sees it, without the socket
  double callback_ms = 0;  // the driver's Save alone
  double restore_ms = 0;
  uint64_t page_faults = 0;  // shim and driver host, Pause to Resume
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
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): one thread is left
    }
    const double elapsed = absl::ToDoubleMilliseconds(report->elapsed);
    const bool black =
        step >= AdapterStep::kPause && step <= AdapterStep::kResume;
    if (black) times.page_faults += report->shim_faults + report->driver_faults;
    if (step == AdapterStep::kSave) {
      times.save_ms = elapsed;
      times.callback_ms = TimeOf(*report, "DxgkDdiSaveMemoryForHotUpdate");
    }
    if (step == AdapterStep::kRestore) times.restore_ms = elapsed;
  }
  return times;
}

Times Measure(const Block& block, const std::string& image, int rounds) {
  char directory[] = "/dev/shm/baton-bench-XXXXXX";
  CHECK(mkdtemp(directory) != nullptr);
  const std::string device_directory = absl::StrCat(directory, "/device");
  CHECK(mkdir(device_directory.c_str(), S_IRWXU) == 0);
  setenv("BATON_BENCH_BLOCK",  // NOLINT(concurrency-mt-unsafe): one thread
         absl::StrCat(block.form, " ", block.bytes, " ", block.runs).c_str(),
         1);
  const bool copied = std::strcmp(block.form, "data") == 0;
  std::vector<double> save, callback, restore, faults;
  {
    port::FakeDevice device(device_directory);
    device.enabled = 0;
    device.functions.clear();
    auto steps = port::UpdateSteps::Create(
        {.state_directory = directory,
         .memory_bytes = block.bytes * (copied ? 3 : 1) +
                         block.runs * uint64_t{4096} + (uint64_t{16} << 20),
         .digests = block.digests},
        device, RealClock());
    CHECK(steps.ok());
    port::DdiAdapter adapter("gpu0", device, RealClock(), *std::move(steps));
    const absl::Status started = adapter.Start(BenchImage(image), kPatient);
    if (!started.ok()) {
      std::fprintf(stderr, "%s\n", started.ToString().c_str());
      std::exit(1);  // NOLINT(concurrency-mt-unsafe): one thread is left
    }
    for (int i = 0; i < rounds; ++i) {
      const Times times =
          UpdateOnce(adapter, static_cast<uint64_t>(i) + 1, BenchImage(image));
      save.push_back(times.save_ms);
      callback.push_back(times.callback_ms);
      restore.push_back(times.restore_ms);
      faults.push_back(static_cast<double>(times.page_faults));
    }
    adapter.Stop(kPatient);
  }
  rmdir(device_directory.c_str());
  rmdir(directory);
  return {.save_ms = Median(save),
          .callback_ms = Median(callback),
          .restore_ms = Median(restore),
          .page_faults = static_cast<uint64_t>(Median(faults))};
}

std::string SizeName(uint64_t bytes) {
  if (bytes >= uint64_t{1} << 30) return absl::StrCat(bytes >> 30, " GiB");
  if (bytes >= uint64_t{1} << 20) return absl::StrCat(bytes >> 20, " MiB");
  return absl::StrCat(bytes >> 10, " KiB");
}

std::vector<Block> Blocks(uint64_t most) {
  std::vector<Block> blocks;
  for (const char* const form : {"ranges", "mdl", "data"}) {
    for (uint64_t bytes = 4096; bytes <= most; bytes *= 64) {
      blocks.push_back({.form = form, .bytes = bytes});
    }
    if (blocks.back().bytes != most) {
      blocks.push_back({.form = form, .bytes = most});
    }
  }
  // What grows is the number of runs, and not of bytes.
  for (const char* const form : {"ranges", "mdl"}) {
    for (const uint32_t runs : {16u, 256u, 4096u}) {
      blocks.push_back({.form = form, .bytes = most, .runs = runs});
    }
  }
  blocks.push_back(
      {.form = "ranges", .bytes = most, .digests = Digests::kTaken});
  blocks.push_back({.form = "mdl", .bytes = most, .digests = Digests::kTaken});
  blocks.push_back({.form = "data", .bytes = most, .digests = Digests::kTaken});
  return blocks;
}

void PrintMachine(const Machine& machine, const Options& options) {
  std::printf(
      options.json
          ? "{\"machine_gbps\": {\"read\": %.1f, \"memcpy\": %.1f, "
            "\"non_temporal_copy\": %.1f, \"digest\": %.1f},\n \"blocks\": [\n"
          : "GB/s, all cores: read %.1f, memcpy %.1f, non-temporal copy %.1f, "
            "digest %.1f\n\n",
      machine.read, machine.copy, machine.non_temporal, machine.digest);
  if (options.json) return;
  std::printf("digest of read: %.2f (want 0.85)\n\n",
              machine.digest / machine.read);
  std::printf("%-7s %8s %6s %-8s %9s %9s %9s %9s %7s\n", "form", "size", "runs",
              "digests", "save ms", "driver ms", "save GB/s", "rest. ms",
              "faults");
}

void PrintBlock(const Block& block, const Times& times,
                const Options& options) {
  const bool digests = block.digests == Digests::kTaken;
  const double speed = GbPerSecond(block.bytes, times.callback_ms);
  if (options.json) {
    std::printf(
        "  {\"form\": \"%s\", \"bytes\": %llu, \"runs\": %u, \"digests\": %s, "
        "\"save_ms\": %.3f, \"driver_save_ms\": %.3f, \"restore_ms\": %.3f, "
        "\"page_faults\": %llu}",
        block.form, static_cast<unsigned long long>(block.bytes), block.runs,
        digests ? "true" : "false", times.save_ms, times.callback_ms,
        times.restore_ms, static_cast<unsigned long long>(times.page_faults));
    return;
  }
  std::printf("%-7s %8s %6u %-8s %9.3f %9.3f %9.1f %9.3f %7llu\n", block.form,
              SizeName(block.bytes).c_str(), block.runs, digests ? "yes" : "no",
              times.save_ms, times.callback_ms, speed, times.restore_ms,
              static_cast<unsigned long long>(times.page_faults));
}

int Run(const Options& options, const std::string& image) {
  const Machine machine = MeasureMachine(options.most_bytes, options.rounds);
  PrintMachine(machine, options);
  bool first = true;
  for (const Block& block : Blocks(options.most_bytes)) {
    const Times times = Measure(block, image, options.rounds);
    if (options.json && !first) std::printf(",\n");
    first = false;
    PrintBlock(block, times, options);
    std::fflush(stdout);
  }
  if (options.json) std::printf("\n ]}\n");
  return 0;
}

int Main(int argc, char** argv) {
  CHECK(StartLog("save_restore", "warning").ok());
  Options options;
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    uint64_t number = 0;
    if (argument == "--json") {
      options.json = true;
    } else if (absl::ConsumePrefix(&argument, "--most-mib=") &&
               absl::SimpleAtoi(argument, &number) && number > 0) {
      options.most_bytes = number << 20;
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
