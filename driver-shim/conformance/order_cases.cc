#include "absl/strings/str_cat.h"
#include "driver-shim/conformance/check.h"

// Every (state, verb) pair to which legal steps lead.

namespace baton::conformance {
namespace {

// What is under way in `state`, once a step of `attempt` led there.
uint64_t UnderWay(v1::AdapterState state, uint64_t attempt) {
  return state == v1::ADAPTER_STATE_RUNNING ? 0 : attempt;
}

void IsDone(Session& session, Check& check, v1::AdapterState state, Verb verb) {
  if (!check.Ok(session.Reach(state),
                absl::StrCat("on the way to ", Name(state)))) {
    return;
  }
  const std::string step = absl::StrCat(Name(verb), " in ", Name(state));
  if (!check.Done(session.Take(verb), step)) return;
  check.Stands(session, After(verb), UnderWay(After(verb), session.attempt()),
               absl::StrCat("after ", step));
}

void IsRepeated(Session& session, Check& check, v1::AdapterState state,
                Verb verb) {
  if (!check.Ok(session.Reach(state),
                absl::StrCat("on the way to ", Name(state)))) {
    return;
  }
  const std::string step = absl::StrCat(Name(verb), " again in ", Name(state));
  const Answer first = session.Recorded(verb);
  const Answer again = session.Take(verb);
  if (!check.Repeats(again, first, step)) return;
  check.Stands(session, state, session.attempt(), absl::StrCat("after ", step));
}

void IsRefused(Session& session, Check& check, v1::AdapterState state,
               Verb verb) {
  if (!check.Ok(session.Reach(state),
                absl::StrCat("on the way to ", Name(state)))) {
    return;
  }
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  const std::string step = absl::StrCat(Name(verb), " in ", Name(state));
  check.Refused(session.Take(verb), absl::StatusCode::kFailedPrecondition,
                "STEP_OUT_OF_ORDER", step);
  const auto after = session.Inspect();
  if (!check.Ok(after.status(), "Inspect")) return;
  check.That(after->SerializeAsString() == before->SerializeAsString(),
             absl::StrCat("after ", step, ": Inspect says {",
                          after->ShortDebugString(), "}, want {",
                          before->ShortDebugString(), "} as before"));
}

Case CaseOf(v1::AdapterState state, Verb verb) {
  const std::string pair = absl::StrCat(Name(verb), " in ", Name(state));
  Case made = {.name = absl::StrCat("order/", Name(state), "/", Name(verb))};
  switch (Expect(state, verb)) {
    case Expected::kDone:
      made.promise = absl::StrCat(pair, " is carried out");
      made.fix = "let the step through: it is its turn";
      made.run = [state, verb](Session& session, Check& check) {
        IsDone(session, check, state, verb);
      };
      return made;
    case Expected::kRepeated:
      made.promise = absl::StrCat(pair, " returns the recorded result");
      made.fix =
          "record each step's result with its attempt, and answer a "
          "repeat of the step that led here from the record";
      made.leaves = Leaves::kAsItWas;
      made.run = [state, verb](Session& session, Check& check) {
        IsRepeated(session, check, state, verb);
      };
      return made;
    case Expected::kRefused:
      made.promise = absl::StrCat(pair, " is refused and changes nothing");
      made.fix =
          "answer FAILED_PRECONDITION with reason STEP_OUT_OF_ORDER "
          "before anything is touched";
      made.leaves = Leaves::kAsItWas;
      made.run = [state, verb](Session& session, Check& check) {
        IsRefused(session, check, state, verb);
      };
      return made;
  }
  return made;
}

}  // namespace

// What leaves the adapter as it was comes first, so that one way there serves
// all of it.
std::vector<Case> OrderCases() {
  std::vector<Case> cases;
  for (const v1::AdapterState state : kStates) {
    for (const Leaves leaves : {Leaves::kAsItWas, Leaves::kAnywhere}) {
      for (const Verb verb : kVerbs) {
        Case made = CaseOf(state, verb);
        if (made.leaves == leaves) cases.push_back(std::move(made));
      }
    }
  }
  return cases;
}

}  // namespace baton::conformance
