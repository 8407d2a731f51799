// Each build that misbehaves, under a real host with guests at work: what it
// does is noticed, rule and entry point are named, the update ends as the table
// of faults.h says, and guests lose nothing that the device still has. As often
// as BATON_REPEATS says (1), and no time may cost more than the one before.

#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_replace.h"
#include "driver-shim/miniport/faults.h"
#include "driver-shim/miniport/testing/footprint.h"
#include "driver-shim/miniport/testing/live_host.h"
#include "gtest/gtest.h"

namespace baton::miniport {

void PrintTo(const FaultRow& row, std::ostream* os) { *os << row.name; }

namespace {

using State = port::AdapterState;

// Whether it takes from the device what guests have there.
bool Destroys(const FaultRow& row) {
  return row.fault == Fault::kStopResets || row.fault == Fault::kStartsFresh;
}

int Repeats() {
  // Nothing sets it. NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* const asked = std::getenv("BATON_REPEATS");
  if (asked == nullptr) return 1;
  int repeats = 0;
  EXPECT_TRUE(absl::SimpleAtoi(asked, &repeats) && repeats > 0) << asked;
  return repeats;
}

// Runs `once` so often. Nothing may become more but for what is allowed.
template <typename Once>
void Repeat(int repeats, const char* name, const Allowance& allowance,
            Once once) {
  std::vector<Footprint> after_each;
  after_each.reserve(static_cast<size_t>(repeats));  // not to grow itself
  for (int i = 0; i < repeats && !testing::Test::HasFailure(); ++i) {
    once();
    after_each.push_back(TakeFootprint(testing::TempDir()));
  }
  EXPECT_EQ(Growth(after_each, allowance), "");
  const std::string trend = Trend(after_each);
  if (trend != "") std::cout << name << ": " << trend << "\n";
}

class MisbehaviourTest : public testing::TestWithParam<FaultRow> {};

void ExpectGuestsLostNothing(LiveHost& host, const FaultRow& row) {
  host.AwaitProgress();
  for (const softgpu::Report& report : host.EndGuests()) {
    EXPECT_EQ(report.lost + report.duplicated + report.reordered + report.wrong,
              0u)
        << report.ToJson();
    EXPECT_GT(report.commands, 0u);
    // Only a driver answers; where none is left, nobody does.
    if (row.ending != Ending::kQuarantined) {
      EXPECT_TRUE(report.Clean()) << report.ToJson();
    }
  }
}

void MeetOnce(const FaultRow& row) {
  LiveHost host(OldOf(row));
  EXPECT_EQ(host.Update(NextOf(row), row), row.ending) << host.All();
  // What a driver leaves behind is seen when it goes.
  if (row.ending == Ending::kDone && !IsOld(row)) {
    EXPECT_EQ(host.Update(ImageOf("2_0"), row), Ending::kDone) << host.All();
  }
  EXPECT_TRUE(host.Told(row)) << host.All();
  switch (row.ending) {
    case Ending::kDone:
    case Ending::kCancelled:
    case Ending::kRolledBack:
      EXPECT_EQ(host.state(), State::kRunning);
      break;
    case Ending::kQuarantined:
      break;
  }
  if (!Destroys(row)) ExpectGuestsLostNothing(host, row);
}

TEST_P(MisbehaviourTest, IsNoticedAndEndsAsTheTableSays) {
  const Footprint before = TakeFootprint(testing::TempDir());
  Repeat(Repeats(), GetParam().name, {}, [&] {
    MeetOnce(GetParam());
    const Footprint after = TakeFootprint(testing::TempDir());
    EXPECT_EQ(after.descriptors, before.descriptors);
    EXPECT_EQ(after.files, before.files);
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a process was left";
  });
}

INSTANTIATE_TEST_SUITE_P(
    Faults, MisbehaviourTest, testing::ValuesIn(kFaults), [](const auto& test) {
      return absl::StrReplaceAll(test.param.name, {{"-", "_"}});
    });

// Whoever is left with the driver that was there meets the fault again.
class MetAgainTest : public testing::TestWithParam<FaultRow> {};

TEST_P(MetAgainTest, EndsTheSameOnOneHost) {
  const FaultRow row = GetParam();
  LiveHost host(OldOf(row));
  // Guests live in this process: their books grow, and they come to touch all
  // of their memory.
  constexpr Allowance kOfGuests = {.heap_bytes = 64 << 10,
                                   .resident_bytes = 4 << 20};
  Repeat(Repeats() + 1, row.name, kOfGuests, [&] {
    host.Forget();
    EXPECT_EQ(host.Update(NextOf(row), row), row.ending) << host.All();
    EXPECT_TRUE(host.Told(row)) << host.All();
    host.AwaitProgress();
    host.AwaitEndOfStandbys();
  });
  ExpectGuestsLostNothing(host, row);
}

std::vector<FaultRow> Survived() {
  std::vector<FaultRow> rows;
  for (const FaultRow& row : kFaults) {
    const bool hangs = std::string(row.reason) == "DRIVER_HUNG";
    if (!hangs && (row.ending == Ending::kCancelled ||
                   row.ending == Ending::kRolledBack)) {
      rows.push_back(row);
    }
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(
    Faults, MetAgainTest, testing::ValuesIn(Survived()), [](const auto& test) {
      return absl::StrReplaceAll(test.param.name, {{"-", "_"}});
    });

}  // namespace
}  // namespace baton::miniport
