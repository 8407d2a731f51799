// Simulates fleets and says what broke, with the command that shows it again.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/log.h"
#include "tests/sim/runs.h"

namespace baton::sim {
namespace {

constexpr size_t kTraceLinesMax = 300;

struct Arguments {
  uint64_t seeds = 1000;
  uint64_t seed = 0;  // one alone; 0: all
  int hosts = 30;
  int faults = -1;           // combinations of up to so many; -1: seeds
  uint64_t combination = 0;  // one alone, from 1; 0: all
  uint64_t every = 1;        // of the combinations, one in so many
};

int Usage() {
  std::fputs(
      "usage: sim [--seeds N] [--hosts N] [--seed S]\n"
      "       sim --triples | --pairs [--combination N | --every N]\n",
      stderr);
  return 2;
}

bool Parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--triples") {
      arguments.faults = 3;
      continue;
    }
    if (flag == "--pairs") {
      arguments.faults = 2;
      continue;
    }
    if (++i == argc) return false;
    const std::string value = argv[i];
    const bool known =
        (flag == "--seeds" && absl::SimpleAtoi(value, &arguments.seeds)) ||
        (flag == "--seed" && absl::SimpleAtoi(value, &arguments.seed)) ||
        (flag == "--hosts" && absl::SimpleAtoi(value, &arguments.hosts)) ||
        (flag == "--every" && absl::SimpleAtoi(value, &arguments.every)) ||
        (flag == "--combination" &&
         absl::SimpleAtoi(value, &arguments.combination));
    if (!known) return false;
  }
  return arguments.every >= 1 && arguments.hosts >= 1 &&
         arguments.hosts <= 100'000;
}

void Print(const Verdict& verdict, const std::string& again) {
  const size_t lines = verdict.trace.size();
  for (size_t i = lines > kTraceLinesMax ? lines - kTraceLinesMax : 0;
       i < lines; ++i) {
    std::printf("  %s\n", verdict.trace[i].c_str());
  }
  std::printf("BROKEN: %s\nagain with: %s\n",
              std::string(verdict.status.message()).c_str(), again.c_str());
}

struct Tally {
  uint64_t runs = 0;
  uint64_t updates = 0;
};

int Finish(const Tally& tally, const char* what) {
  const double seconds = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  std::printf(
      "%llu %s, %llu host updates, no violation; %.1f CPU s, %.0f "
      "updates/s\n",
      static_cast<unsigned long long>(tally.runs), what,
      static_cast<unsigned long long>(tally.updates), seconds,
      static_cast<double>(tally.updates) / seconds);
  return 0;
}

int RunSeeds(const Arguments& arguments, const SimImages& images) {
  Tally tally;
  const uint64_t from = arguments.seed > 0 ? arguments.seed : 1;
  const uint64_t to = arguments.seed > 0 ? arguments.seed : arguments.seeds;
  for (uint64_t seed = from; seed <= to; ++seed) {
    const Verdict verdict =
        RunSeed(seed, arguments.hosts, images, Tracing::kOff);
    ++tally.runs;
    tally.updates += verdict.updates;
    if (verdict.status.ok()) continue;
    Print(
        RunSeed(seed, arguments.hosts, images, Tracing::kOn),
        absl::StrCat("./dev sim --hosts ", arguments.hosts, " --seed ", seed));
    return 1;
  }
  return Finish(tally, "seeds");
}

int RunCombinations(const Arguments& arguments, const SimImages& images) {
  Tally tally;
  const std::vector<std::vector<Planned>> all = Combinations(arguments.faults);
  for (uint64_t i = 1; i <= all.size(); i += arguments.every) {
    if (arguments.combination != 0 && arguments.combination != i) continue;
    const std::vector<Planned>& planned = all[i - 1];
    const Verdict verdict = RunPlanned(planned, 3, images, Tracing::kOff);
    ++tally.runs;
    tally.updates += verdict.updates;
    if (verdict.status.ok()) continue;
    Print(RunPlanned(planned, 3, images, Tracing::kOn),
          absl::StrCat("./dev sim ",
                       arguments.faults == 3 ? "--triples" : "--pairs",
                       " --combination ", i));
    for (const Planned& one : planned) {
      std::printf("  planned: %s\n", Name(one).c_str());
    }
    return 1;
  }
  return Finish(tally, "combinations of faults");
}

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, arguments)) return Usage();
  // What the cores say is not the trace.
  if (!StartLog("sim", "off").ok()) return 1;
  const ImageFiles files;
  return arguments.faults >= 0 ? RunCombinations(arguments, files.images())
                               : RunSeeds(arguments, files.images());
}

}  // namespace
}  // namespace baton::sim

int main(int argc, char** argv) { return baton::sim::Main(argc, argv); }
