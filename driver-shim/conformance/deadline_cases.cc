#include "absl/strings/str_cat.h"
#include "driver-shim/conformance/check.h"

// A step that has too little time: done or not, it says so in time, and does
// no lasting harm.

namespace baton::conformance {
namespace {

// Beyond its deadline a step may take what ending a driver takes.
constexpr absl::Duration kGrace = absl::Seconds(10);
constexpr int kDeadlineExceeded = 4;  // google.rpc.Code

// The state of a forward update in which it is the turn of `verb`.
v1::AdapterState TurnOf(Verb verb) {
  for (const v1::AdapterState state : kStates) {
    if (Expect(state, verb) == Expected::kDone &&
        (verb != Verb::kCancel || state == v1::ADAPTER_STATE_SAVED)) {
      return state;
    }
  }
  return v1::ADAPTER_STATE_RUNNING;
}

void TryHurried(Session& session, Check& check, Verb verb) {
  const v1::AdapterState from = TurnOf(verb);
  if (!check.Ok(session.Reach(from),
                absl::StrCat("on the way to ", Name(from)))) {
    return;
  }
  Call call = session.Draft(verb);
  call.order.mutable_deadline()->set_seconds(0);
  call.order.mutable_deadline()->set_nanos(1'000'000);
  const Answer answer = session.Make(call);
  const std::string step = absl::StrCat(Name(verb), " with 1 ms");
  if (!check.Ok(answer.status, step)) return;
  check.That(answer.waited <= kGrace,
             absl::StrCat(step, ": took ", absl::FormatDuration(answer.waited),
                          ", want at most ", absl::FormatDuration(kGrace)));
  const int code = answer.result.code();
  check.That(code == 0 || code == kDeadlineExceeded,
             absl::StrCat(step, ": got ", Describe(answer),
                          ", want it done or DEADLINE_EXCEEDED"));
  if (!check.Ok(session.GoHome(), absl::StrCat("home after ", step))) return;
  std::vector<Verb> whole = PathTo(v1::ADAPTER_STATE_CONFIRMED);
  whole.push_back(Verb::kCommit);
  check.Ok(session.Walk(whole), "a whole update after that");
}

}  // namespace

std::vector<Case> DeadlineCases() {
  std::vector<Case> cases;
  cases.reserve(kVerbs.size());
  for (const Verb verb : kVerbs) {
    cases.push_back(
        {.name = absl::StrCat("deadline/", Name(verb)),
         .promise = absl::StrCat(
             Name(verb), " with 1 ms answers in time, and harms nothing"),
         .fix = "bound every wait by the deadline, give DEADLINE_EXCEEDED as "
                "the result, and leave a state out of which a way leads",
         .run = [verb](Session& session, Check& check) {
           TryHurried(session, check, verb);
         }});
  }
  return cases;
}

}  // namespace baton::conformance
