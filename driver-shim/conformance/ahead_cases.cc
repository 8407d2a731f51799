#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "driver-shim/conformance/check.h"

// Steps that are ordered at once (StepOrder.ahead). A service need not know the
// field, nor tell of what it took in the answer: what it must do is the same
// for whoever then makes each step's own call.

namespace baton::conformance {
namespace {

using V = Verb;

struct Step {
  V verb = V::kPause;
  v1::Step wire = v1::STEP_PAUSE;
};
constexpr Step kSteps[] = {
    {V::kPause, v1::STEP_PAUSE},   {V::kSave, v1::STEP_SAVE},
    {V::kUnload, v1::STEP_UNLOAD}, {V::kRestore, v1::STEP_RESTORE},
    {V::kVerify, v1::STEP_VERIFY}, {V::kResume, v1::STEP_RESUME}};

constexpr char kFix[] =
    "go on with each step of `ahead` while the one before succeeds; keep what "
    "each did, tell all of it in the answer, and answer each one's own call "
    "from there";

// Those after `first`, up to and including `last`.
std::vector<Step> Between(V first, V last) {
  std::vector<Step> between;
  for (const Step& step : kSteps) {
    if (step.verb > first && step.verb <= last) between.push_back(step);
  }
  return between;
}

// `first`, with all up to `last` ahead.
Call Chain(const Session& session, V first, V last,
           const v1::DriverImage& image) {
  Call call = session.Draft(first);
  call.image = image;
  for (const Step& step : Between(first, last)) {
    v1::NextStep& next = *call.order.add_ahead();
    next.set_step(step.wire);
    *next.mutable_deadline() = call.order.deadline();
    if (step.verb == V::kRestore) *next.mutable_image() = image;
  }
  return call;
}

// One order of several steps, and what came of it.
struct Run {
  V first = V::kPause;
  V last = V::kResume;
  v1::DriverImage image = {};
  // Where it stands when all was taken that can be.
  v1::AdapterState ends = v1::ADAPTER_STATE_RESUMED;
  Answer answer = {};
  bool took = false;  // more than the first
};

bool IsOf(V verb, const v1::StepTaken& told, const Answer& own) {
  const bool saved = verb == V::kSave;
  const bool vgpus = verb == V::kVerify || verb == V::kResume;
  if (told.has_saved() != saved || (!vgpus && told.vgpus_size() != 0)) {
    return false;
  }
  if (saved &&
      told.saved().SerializeAsString() != own.saved.SerializeAsString()) {
    return false;
  }
  v1::StepTaken wanted;
  *wanted.mutable_vgpus() = {own.vgpus.begin(), own.vgpus.end()};
  *wanted.mutable_result() = own.result;
  v1::StepTaken got;
  *got.mutable_vgpus() = told.vgpus();
  *got.mutable_result() = told.result();
  return got.SerializeAsString() == wanted.SerializeAsString();
}

// All that is told is what was ordered, in order, and at most the last failed.
void ToldInOrder(Check& check, const Run& run) {
  const std::vector<Step> ordered = Between(run.first, run.last);
  const std::vector<v1::StepTaken>& told = run.answer.ahead;
  if (!check.That(
          told.size() <= ordered.size(),
          absl::StrCat("it tells of ", told.size(), " steps ahead, but ",
                       ordered.size(), " were ordered"))) {
    return;
  }
  for (size_t i = 0; i < told.size(); ++i) {
    check.That(told[i].step() == ordered[i].wire,
               absl::StrCat("step ", i + 1, " that it tells of is ",
                            v1::Step_Name(told[i].step()), ", want ",
                            v1::Step_Name(ordered[i].wire)));
    check.That(told[i].result().code() == 0 || i + 1 == told.size(),
               absl::StrCat("it went on after ", Name(ordered[i].verb),
                            ", which had failed"));
  }
}

// Makes the order; afterwards all of it was taken, or its first step alone.
std::optional<Run> Begin(Session& session, Check& check, Run run) {
  const V first = run.first;
  run.answer = session.Make(Chain(session, first, run.last, run.image));
  const std::string what =
      absl::StrCat(Name(first), " with all up to ", Name(run.last), " ahead");
  if (!check.Done(run.answer, what)) return std::nullopt;
  ToldInOrder(check, run);
  const auto seen = session.Inspect();
  if (!check.Ok(seen.status(), "Inspect")) return std::nullopt;
  run.took = seen->state() != After(first);
  check.That(!run.took || seen->state() == run.ends,
             absl::StrCat("after ", what, ": Inspect says ",
                          Name(seen->state()), ", want ", Name(run.ends),
                          " or, ", "of a service that does not know `ahead`, ",
                          Name(After(first))));
  check.That(
      run.took || run.answer.ahead.empty(),
      absl::StrCat("after ", what, ": it tells of ", run.answer.ahead.size(),
                   " steps ahead, and Inspect says that it took none"));
  return run;
}

// The own call of a step that was ordered ahead: says what was told, if
// anything was, and moves nothing that was taken.
bool Hear(Session& session, Check& check, const Run& run, V verb) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return false;
  const Answer own = session.Take(verb, run.image);
  const std::string step = absl::StrCat(Name(verb), "'s own call");
  if (!check.Ok(own.status, step)) return false;
  const size_t at = Between(run.first, verb).size() - 1;
  if (at < run.answer.ahead.size()) {
    const v1::StepTaken& told = run.answer.ahead[at];
    check.That(IsOf(verb, told, own),
               absl::StrCat(step, ": got ", own.result.ShortDebugString(),
                            ", want what was told of it: {",
                            told.ShortDebugString(), "}"));
  }
  if (!run.took) return true;
  return check.Stands(session, before->state(), session.attempt(), step);
}

bool HearAll(Session& session, Check& check, const Run& run) {
  for (const Step& step : Between(run.first, run.last)) {
    if (!Hear(session, check, run, step.verb)) return false;
  }
  return true;
}

// A forward update up to where it is the turn of `first`, and its order.
std::optional<Run> Forward(Session& session, Check& check, V first, V last) {
  v1::AdapterState turn = v1::ADAPTER_STATE_PREPARED;
  for (const Step& step : kSteps) {
    if (step.verb < first) turn = After(step.verb);
  }
  if (!check.Ok(session.Reach(turn), absl::StrCat("to ", Name(turn)))) {
    return std::nullopt;
  }
  return Begin(session, check,
               {.first = first,
                .last = last,
                .image = session.next(),
                .ends = After(last)});
}

constexpr char kKnowsNothing[] = "it takes each step when its call comes";

// ---- cases ----

void TryChain(Session& session, Check& check, V first, V last) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  const auto run = Forward(session, check, first, last);
  if (!run.has_value() || !HearAll(session, check, *run)) return;
  for (const Step& step : kSteps) {
    if (step.verb <= last) continue;
    if (!check.Done(session.Take(step.verb), Name(step.verb))) return;
  }
  if (!check.Ok(session.Walk({V::kConfirm, V::kCommit}), "after Resume")) {
    return;
  }
  check.Serves(session, session.next(), *before);
}

void TryLastAlone(Session& session, Check& check) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  const auto run = Forward(session, check, V::kPause, V::kResume);
  if (!run.has_value()) return;
  if (!run->took) return check.NotApplicable(kKnowsNothing);
  // Inspect has said of all of them how they went.
  if (!Hear(session, check, *run, V::kResume)) return;
  if (!check.Ok(session.Walk({V::kConfirm, V::kCommit}), "after Resume")) {
    return;
  }
  check.Serves(session, session.next(), *before);
}

void TryLostAnswer(Session& session, Check& check) {
  const auto run = Forward(session, check, V::kPause, V::kResume);
  if (!run.has_value()) return;
  const auto again = Begin(session, check, {.image = session.next()});
  if (!again.has_value()) return;
  const auto text = [](const Answer& answer) {
    v1::PauseResponse whole;
    *whole.mutable_result() = answer.result;
    *whole.mutable_census() = {answer.census.begin(), answer.census.end()};
    *whole.mutable_ahead() = {answer.ahead.begin(), answer.ahead.end()};
    return whole.SerializeAsString();
  };
  check.That(
      run->took == again->took && text(run->answer) == text(again->answer),
      "Pause, asked again: got another answer, want the same one: what "
      "was not heard yet is told again");
  if (!HearAll(session, check, *again)) return;
  check.Done(session.Take(V::kConfirm), "Confirm");
}

void TryRepeat(Session& session, Check& check, V last) {
  const auto run = Forward(session, check, V::kPause, last);
  if (!run.has_value() || !HearAll(session, check, *run)) return;
  const Answer first = session.Recorded(last);
  const Answer again = session.Take(last);
  const std::string step = absl::StrCat(Name(last), " again");
  if (!check.Repeats(again, first, step)) return;
  check.Stands(session, After(last), session.attempt(), step);
}

// Restore fails: of an image that is not the one that its digest says.
void TryFailure(Session& session, Check& check) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  if (!check.Done(session.Take(V::kPrepare), "Prepare")) return;
  v1::DriverImage wrong = session.next();
  wrong.set_digest(Sha256Of("another driver"));
  const auto run = Begin(session, check,
                         {.image = wrong, .ends = v1::ADAPTER_STATE_UNLOADED});
  if (!run.has_value()) return;
  for (const V verb : {V::kSave, V::kUnload}) {
    if (!Hear(session, check, *run, verb)) return;
  }
  const std::vector<v1::StepTaken>& told = run->answer.ahead;
  check.That(told.empty() || (told.back().step() == v1::STEP_RESTORE &&
                              told.back().result().code() != 0),
             "the last step that it tells of is not the Restore that failed");
  if (!Hear(session, check, *run, V::kRestore)) return;
  check.Stands(session, v1::ADAPTER_STATE_UNLOADED, session.attempt(),
               "after Restore");
  check.Refused(session.Take(V::kVerify), absl::StatusCode::kFailedPrecondition,
                "STEP_OUT_OF_ORDER", "Verify after a Restore that failed");
  // It was heard: a step of that name is a new one.
  if (!check.Ok(session.Walk({V::kRestore, V::kVerify, V::kResume, V::kConfirm,
                              V::kCommit},
                             session.found()),
                "with the driver that was found")) {
    return;
  }
  check.Serves(session, session.found(), *before);
}

void TryCancel(Session& session, Check& check, bool heard) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  const auto run = Forward(session, check, V::kPause, V::kSave);
  if (!run.has_value()) return;
  if (heard && !HearAll(session, check, *run)) return;
  const Answer cancelled = session.Take(V::kCancel);
  if (!check.Done(cancelled, "Cancel")) return;
  check.That(
      cancelled.vgpus.size() ==
          static_cast<size_t>(before->adapter().vgpus_size()),
      absl::StrCat("Cancel: tells of ", cancelled.vgpus.size(),
                   " vGPUs that stood, want ", before->adapter().vgpus_size()));
  check.Serves(session, session.found(), *before);
}

void TryLateCancel(Session& session, Check& check) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  const auto run = Forward(session, check, V::kPause, V::kResume);
  if (!run.has_value()) return;
  if (!run->took) return check.NotApplicable(kKnowsNothing);
  check.Refused(session.Take(V::kCancel), absl::StatusCode::kFailedPrecondition,
                "STEP_OUT_OF_ORDER", "Cancel once engines run again");
  check.Stands(session, v1::ADAPTER_STATE_RESUMED, session.attempt(),
               "after Cancel");
  if (!check.Ok(session.Walk({V::kConfirm, V::kCommit}), "after that")) return;
  check.Serves(session, session.next(), *before);
}

// Its steps have the names of those before, and lead elsewhere.
void TryWayBack(Session& session, Check& check) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  const auto run = Forward(session, check, V::kPause, V::kResume);
  if (!run.has_value() || !HearAll(session, check, *run)) return;
  const auto back = Begin(session, check, {.image = session.found()});
  if (!back.has_value() || !HearAll(session, check, *back)) return;
  if (!check.Ok(session.Walk({V::kConfirm, V::kCommit}), "after Resume")) {
    return;
  }
  check.Serves(session, session.found(), *before);
}

Case Named(const std::string& name, const std::string& promise,
           std::function<void(Session& session, Check& check)> run) {
  return {.name = absl::StrCat("ahead/", name),
          .promise = promise,
          .fix = kFix,
          .run = std::move(run)};
}

Case ChainCase(V first, V last) {
  return Named(absl::StrCat("from-", Name(first), "-to-", Name(last)),
               absl::StrCat("a ", Name(first), " that says to go on up to ",
                            Name(last), " is followed by all of it in order, ",
                            "each told once and again by its own call"),
               [first, last](Session& session, Check& check) {
                 TryChain(session, check, first, last);
               });
}

}  // namespace

std::vector<Case> AheadCases() {
  std::vector<Case> cases;
  for (const Step& step : kSteps) {
    if (step.verb != V::kPause)
      cases.push_back(ChainCase(V::kPause, step.verb));
  }
  for (const V first : {V::kSave, V::kUnload, V::kRestore, V::kVerify}) {
    cases.push_back(ChainCase(first, V::kResume));
  }
  cases.push_back(Named("last-alone",
                        "of what was told, the own calls of all but the last "
                        "may be left out",
                        &TryLastAlone));
  cases.push_back(Named("lost-answer",
                        "what was not heard yet is told again, and done once",
                        &TryLostAnswer));
  for (const V last : {V::kSave, V::kResume}) {
    cases.push_back(Named(absl::StrCat("repeat-of-", Name(last)),
                          absl::StrCat("a ", Name(last),
                                       " that was taken ahead and heard "
                                       "returns the recorded result"),
                          [last](Session& session, Check& check) {
                            TryRepeat(session, check, last);
                          }));
  }
  cases.push_back(Named("stops-at-a-failure",
                        "nothing is taken after a step that failed, and once "
                        "that was heard a step of its name is a new one",
                        &TryFailure));
  cases.push_back(Named(
      "cancelled", "a Save that was taken ahead can be cancelled",
      [](Session& session, Check& check) { TryCancel(session, check, true); }));
  cases.push_back(Named("cancelled-unheard",
                        "a Save that was taken ahead can be cancelled before "
                        "its own call",
                        [](Session& session, Check& check) {
                          TryCancel(session, check, false);
                        }));
  cases.push_back(Named("cancelled-too-late",
                        "Cancel is answered by what was taken ahead",
                        &TryLateCancel));
  cases.push_back(Named("way-back",
                        "a way back is not answered with the way forward",
                        &TryWayBack));
  return cases;
}

}  // namespace baton::conformance
