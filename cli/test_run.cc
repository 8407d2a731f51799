#include "cli/test_run.h"

#include <sstream>

#include "cli/app.h"

namespace baton::cli {
namespace {

// Draws the same each time: no wait, and ids of one form.
class FixedRandom final : public Random {
 public:
  double Uniform() override { return 0; }
  uint64_t Bits() override { return 0xabc; }
};

// Walls stand still, so that lines can be compared; waits are real.
class HalfFrozenClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::FromUnixSeconds(1715938332); }
  absl::Duration Monotonic() const override { return RealClock().Monotonic(); }
};

}  // namespace

Ran TestRun::Run(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  FixedRandom random;
  const HalfFrozenClock clock;
  Surroundings surroundings;
  surroundings.out = &out;
  surroundings.err = &err;
  surroundings.sink = sink;
  surroundings.environment = environment;
  surroundings.login = "tester";
  if (!answer.empty()) {
    surroundings.ask = [this](const std::string& question) {
      questions.push_back(question);
      return answer == "yes";
    };
  }
  surroundings.clock = &clock;
  surroundings.random = &random;
  surroundings.dial = [this](const std::string&) { return service_.Channel(); };
  surroundings.catch_interrupt = [this]() -> const std::atomic<bool>& {
    return interrupted;
  };
  Ran ran;
  ran.code = RunCli(arguments, surroundings);
  ran.out = out.str();
  ran.err = err.str();
  return ran;
}

}  // namespace baton::cli
