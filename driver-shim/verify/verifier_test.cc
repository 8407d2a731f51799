#include "driver-shim/verify/verifier.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/digest.h"
#include "base/reason.h"
#include "driver-shim/miniport/faults.h"
#include "gtest/gtest.h"

namespace baton::verify {
namespace {

using miniport::Fault;

port::DriverImage Image(const std::string& name) {
  const std::string path =
      absl::StrCat("driver-shim/miniport/softgpu_", name, ".so");
  return {.path = path, .digest = *Sha256OfFile(path), .version = name};
}

VerifyOptions OptionsFor(const std::string& name) {
  return {.subject = Image(name),
          .effort = Effort::kQuick,
          .hot_updates = 10,
          .executable = "driver-shim/port/testdata/driver_host"};
}

std::set<std::string> Failing(const Findings& findings) {
  std::set<std::string> names;
  for (const Finding& finding : findings.findings) {
    if (finding.outcome == Outcome::kFail) names.insert(finding.name);
  }
  return names;
}

TEST(VerifierTest, ReferenceKeepsEveryRule) {
  VerifyOptions options = OptionsFor("2_0");
  options.against = Image("1_0");
  const auto findings = Verify(options);
  ASSERT_TRUE(findings.ok()) << findings.status();
  for (const Finding& finding : findings->findings) {
    EXPECT_EQ(finding.outcome, Outcome::kPass)
        << finding.name << ": " << finding.detail;
  }
  EXPECT_EQ(findings->findings.size(), static_cast<size_t>(kRules) + 1);
}

// All that a vendor is promised.
TEST(VerifierTest, TriesAllThatIsPromised) {
  VerifyOptions options = OptionsFor("2_0");
  options.against = Image("1_0");
  options.effort = Effort::kThorough;
  const std::vector<std::string> all = ListSequences(options);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), all.size());
  // Both pairs', and three other numbers of vGPUs.
  const size_t legal = 5 * LegalSequences().size();
  EXPECT_GE(all.size(), legal + 80);
  const std::string text = absl::StrJoin(all, "\n");
  for (const char* const promised :
       {"cancel after PREPARE", "cancel after PAUSE", "cancel after SAVE",
        "no memory at each allocation of SAVE",
        "no memory at each allocation of RESTORE", "no memory in CANCEL",
        "blocks restored in reverse", "block 8 with flipped bits",
        "block 0 lost", "update and back, 0 vGPUs", "update and back, 1 vGPUs",
        "update and back, 8 vGPUs", "save, then 8 vGPUs, then update",
        "save, then 4 vGPUs, then update", "way back after VERIFY",
        "reverse update after CONFIRM", "10 hot updates in a row",
        "to itself: update and back"}) {
    EXPECT_TRUE(absl::StrContains(text, promised)) << promised;
  }
}

TEST(VerifierTest, StopsWhereItIsInterrupted) {
  VerifyOptions options = OptionsFor("1_0");
  int asked = 0;
  options.interrupted = [&asked] { return ++asked > 2; };
  EXPECT_EQ(Reason(Verify(options).status()), "VERIFY_INTERRUPTED");
}

// ---- each misbehaving build fails its own rule, and no other ----

struct FaultCase {
  Fault fault = Fault::kNone;
  const char* rule = "";
};

// Where faults.h names a rule, it is that one.
constexpr FaultCase kOwnRules[] = {
    {Fault::kSaveFails, "R1"},       {Fault::kStartFails, "R13"},
    {Fault::kStartCrashes, "R13"},   {Fault::kLosesVgpu, "R5"},
    {Fault::kWrongState, "R5"},      {Fault::kRestoreFails, "R5"},
    {Fault::kSaveCrashes, "R1"},     {Fault::kSaveAborts, "R1"},
    {Fault::kStopCrashes, "R13"},    {Fault::kFirmwareMismatch, "R13"},
    {Fault::kScribbles, "R13"},      {Fault::kRestoreWildWrite, "R5"},
    {Fault::kKeepsNothing, "R5"},    {Fault::kMixesBlocks, "R5"},
    {Fault::kSwapsVgpus, "R5"},      {Fault::kFormatSkew, "R5"},
    {Fault::kSkipsUnlabelled, "R1"},
};

std::string RuleOf(const miniport::FaultRow& row) {
  if (std::string(row.rule) != "") return row.rule;
  for (const FaultCase& each : kOwnRules) {
    if (each.fault == row.fault) return each.rule;
  }
  return "";
}

class MisbehavingTest : public testing::TestWithParam<miniport::FaultRow> {};

TEST_P(MisbehavingTest, FailsItsOwnRuleAlone) {
  const miniport::FaultRow& row = GetParam();
  const bool first = row.acts_in == 1;
  VerifyOptions options = OptionsFor(absl::StrCat(
      row.acts_in, "_0_", absl::StrReplaceAll(row.name, {{"-", "_"}})));
  options.against = Image(first ? "2_0" : "1_0");
  options.failures_max = 1;
  options.deadline = absl::Seconds(2);
  const auto findings = Verify(options);
  ASSERT_TRUE(findings.ok()) << findings.status();
  EXPECT_EQ(Failing(*findings), std::set<std::string>{RuleOf(row)})
      << Render(*findings, Format::kText);
}

INSTANTIATE_TEST_SUITE_P(
    All, MisbehavingTest, testing::ValuesIn(miniport::kFaults),
    [](const auto& test) {
      return absl::StrReplaceAll(test.param.name, {{"-", "_"}});
    });

}  // namespace
}  // namespace baton::verify
