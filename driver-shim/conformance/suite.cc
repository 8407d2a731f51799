#include "driver-shim/conformance/suite.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace baton::conformance {
namespace {

using verify::Finding;
using verify::Outcome;

Finding RunCase(const Case& tried, Session& session, absl::Status& home) {
  Finding finding = {.name = tried.name,
                     .promise = tried.promise,
                     .outcome = Outcome::kPass,
                     .fix = tried.fix};
  Check check;
  tried.run(session, check);
  const bool stays =
      tried.leaves == Leaves::kAsItWas && check.failures().empty();
  if (!stays) home = session.GoHome();
  check.Ok(home, "on the way home");
  if (!check.failures().empty()) {
    finding.outcome = Outcome::kFail;
    finding.detail = absl::StrJoin(check.failures(), "\n");
  } else if (!check.not_applicable().empty()) {
    finding.outcome = Outcome::kNotApplicable;
    finding.detail = check.not_applicable();
  }
  return finding;
}

}  // namespace

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (std::vector<Case> some :
       {TruthCases(), UpdateCases(), AheadCases(), OrderCases(), RequestCases(),
        AttemptCases(), DeadlineCases()}) {
    cases.insert(cases.end(), std::make_move_iterator(some.begin()),
                 std::make_move_iterator(some.end()));
  }
  return cases;
}

std::vector<Finding> RunCases(const std::vector<Case>& cases, Session& session,
                              const Clock& clock) {
  std::vector<Finding> findings;
  absl::Status home;
  for (const Case& tried : cases) {
    if (!home.ok()) {
      findings.push_back(
          {.name = tried.name,
           .promise = tried.promise,
           .detail = "not tried: the adapter could not be led home"});
      continue;
    }
    const absl::Duration begin = clock.Monotonic();
    findings.push_back(RunCase(tried, session, home));
    findings.back().elapsed = clock.Monotonic() - begin;
  }
  // The last one may have left it where it was.
  if (home.ok()) home = session.GoHome();
  if (!home.ok() && !findings.empty() &&
      findings.back().outcome == Outcome::kPass) {
    findings.back().outcome = Outcome::kFail;
    findings.back().detail = absl::StrCat("on the way home: ", home.message());
  }
  return findings;
}

}  // namespace baton::conformance
