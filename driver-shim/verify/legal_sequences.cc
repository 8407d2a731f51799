#include "absl/strings/str_cat.h"
#include "driver-shim/port/order.h"
#include "driver-shim/verify/trial.h"

namespace baton::verify {
namespace {

using port::AdapterStep;
using Step = AdapterStep;

std::vector<Step> UpTo(Step last) {
  std::vector<Step> steps;
  for (const Step step : WholeUpdate()) {
    steps.push_back(step);
    if (step == last) break;
  }
  return steps;
}

// Brings a stand whose driver is the next one back to the old one.
bool Return(Trial& trial) {
  trial.stand().NewAttempt();
  return trial.Do(WholeUpdate(), trial.pair().old);
}

void Update(Trial& trial) {
  if (trial.Do(WholeUpdate()) && trial.Serves() && Return(trial)) {
    trial.Serves();
  }
}

void UpdateAndCancelTwice(Trial& trial) {
  for (int i = 0; i < 2; ++i) {
    if (!trial.Do(UpTo(Step::kSave)) || !trial.Do({Step::kCancel})) return;
    trial.stand().NewAttempt();
  }
  trial.Serves();
}

Sequence CancelAfter(Step last) {
  return {.name = absl::StrCat("cancel after ", port::Name(last)),
          .run = [last](Trial& trial) {
            if (trial.Do(UpTo(last)) && trial.Do({Step::kCancel})) {
              trial.Serves();
            }
          }};
}

// The old driver is given the very same blocks.
Sequence BackAfter(Step last) {
  return {.name = absl::StrCat("way back after ", port::Name(last)),
          .run = [last](Trial& trial) {
            if (!trial.Do(UpTo(last))) return;
            if (last != Step::kUnload && !trial.Do({Step::kUnload})) return;
            if (trial.Do(FromRestore(), trial.pair().old)) trial.Serves();
          }};
}

// A second hot update in the other direction, before the first is committed.
Sequence ReverseAfter(Step last) {
  return {.name = absl::StrCat("reverse update after ", port::Name(last)),
          .run = [last](Trial& trial) {
            if (!trial.Do(UpTo(last)) ||
                !trial.Do({Step::kPause, Step::kSave, Step::kUnload})) {
              return;
            }
            if (trial.Do(FromRestore(), trial.pair().old)) trial.Serves();
          }};
}

Sequence ReverseCancelledAfter(Step last) {
  return {
      .name = absl::StrCat("reverse update cancelled after ", port::Name(last)),
      .run = [last](Trial& trial) {
        if (!trial.Do(UpTo(Step::kConfirm)) || !trial.Do({Step::kPause})) {
          return;
        }
        if (last == Step::kSave && !trial.Do({Step::kSave})) return;
        if (!trial.Do({Step::kCancel}) || !trial.Do({Step::kCommit})) {
          return;
        }
        if (trial.Serves() && Return(trial)) trial.Serves();
      }};
}

}  // namespace

std::vector<Sequence> LegalSequences() {
  return {
      {.name = "update and back", .run = &Update},
      CancelAfter(Step::kPrepare),
      CancelAfter(Step::kPause),
      CancelAfter(Step::kSave),
      {.name = "cancel after SAVE, twice", .run = &UpdateAndCancelTwice},
      BackAfter(Step::kUnload),
      BackAfter(Step::kRestore),
      BackAfter(Step::kVerify),
      ReverseAfter(Step::kResume),
      ReverseAfter(Step::kConfirm),
      ReverseCancelledAfter(Step::kPause),
      ReverseCancelledAfter(Step::kSave),
  };
}

}  // namespace baton::verify
