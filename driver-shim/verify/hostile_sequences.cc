#include "absl/strings/str_cat.h"
#include "driver-shim/verify/trial.h"

namespace baton::verify {
namespace {

using port::AdapterStep;
using port::Hostility;
using Step = AdapterStep;
using Damage = Hostility::Damage;

// More allocations than any save or restore of a stand's few vGPUs has.
constexpr uint32_t kAllocationsMax = 200;

constexpr std::array kDamages = {
    Damage::kLost,
    Damage::kBytesFlipped,
    Damage::kBytesCut,
    Damage::kMetadataFlipped,
    Damage::kMetadataCut,
    Damage::kMetadataGone,
    Damage::kMetadataOfAnother,
};

std::string Name(Damage damage) {
  switch (damage) {
    case Damage::kNone:
      return "nothing";
    case Damage::kLost:
      return "lost";
    case Damage::kBytesFlipped:
      return "with flipped bits";
    case Damage::kBytesCut:
      return "cut short";
    case Damage::kMetadataFlipped:
      return "with flipped bits in its metadata";
    case Damage::kMetadataCut:
      return "with its metadata cut short";
    case Damage::kMetadataGone:
      return "without its metadata";
    case Damage::kMetadataOfAnother:
      return "with the metadata of another";
  }
  return "";
}

// The update goes on to its end with the next driver, then back to the old one.
bool Finish(Trial& trial, const std::vector<Step>& rest) {
  if (!trial.Do(rest)) return false;
  trial.stand().NewAttempt();
  return trial.Do(WholeUpdate(), trial.pair().old) && trial.Serves();
}

// ---- no memory ----

// Fails the n-th allocation of Save. Returns whether there is an n + 1st.
bool StarveSave(Trial& trial, uint32_t n) {
  if (!trial.Do({Step::kPrepare, Step::kPause})) return false;
  const Trial::Survived save =
      trial.Survive(Step::kSave, {.failing_allocation = n}, 16);
  const bool more = trial.stand().allocations() >= n;
  if (!save.intact || !trial.Do({Step::kCancel}) || !trial.Serves()) {
    return false;
  }
  trial.stand().NewAttempt();
  if (more) trial.Credit(16);
  return more;
}

bool StarveRestore(Trial& trial, uint32_t n) {
  if (!trial.Do(ToUnload())) return false;
  const Trial::Survived restore =
      trial.Survive(Step::kRestore, {.failing_allocation = n}, 16);
  const bool more = trial.stand().allocations() >= n;
  if (!restore.intact) return false;
  // One that got by without that memory must have got all of it right.
  if (!restore.succeeded && !trial.Do({Step::kUnload, Step::kRestore})) {
    return false;
  }
  if (!Finish(trial,
              {Step::kVerify, Step::kResume, Step::kConfirm, Step::kCommit})) {
    return false;
  }
  trial.stand().NewAttempt();
  if (more) trial.Credit(16);
  return more;
}

Sequence Starve(const std::string& what, uint32_t step,
                bool (*one)(Trial& trial, uint32_t n)) {
  return {.name = absl::StrCat("no memory at each allocation of ", what),
          .run = [step, one](Trial& trial) {
            for (uint32_t n = 1; n <= kAllocationsMax; n += step) {
              if (!one(trial, n)) return;
            }
          }};
}

void StarveCancel(Trial& trial) {
  if (!trial.Do({Step::kPrepare, Step::kPause, Step::kSave})) return;
  trial.stand().hostility() = {.failing_allocation = 1};
  const bool cancelled = trial.Do({Step::kCancel});
  trial.stand().hostility() = {};
  if (cancelled) trial.Serves();
}

// ---- another order ----

Sequence InOrder(const std::string& name, const Hostility& hostility) {
  return {.name = absl::StrCat("blocks restored ", name),
          .run = [hostility](Trial& trial) {
            if (!trial.Do(ToUnload())) return;
            trial.stand().hostility() = hostility;
            const bool restored = trial.Do({Step::kRestore, Step::kVerify});
            trial.stand().hostility() = {};
            if (!restored) return;
            Finish(trial, {Step::kResume, Step::kConfirm, Step::kCommit});
          }};
}

// ---- damage ----

void Damaged(Trial& trial, const Hostility& hostility) {
  if (!trial.Do(ToUnload())) return;
  const uint32_t blocks = trial.saved().blocks;
  Hostility treated = hostility;
  if (blocks > 0) treated.damaged_block %= blocks;
  const Trial::Survived restore = trial.Survive(Step::kRestore, treated, 5);
  if (!restore.intact) return;
  if (restore.succeeded) {
    // Damage that changed nothing is no harm.
    if (!trial.Survive(Step::kVerify, {}, 5).intact) return;
    Finish(trial, {Step::kResume, Step::kConfirm, Step::kCommit});
    return;
  }
  trial.Credit(8);
  std::vector<Step> rest = {Step::kUnload};
  for (const Step step : FromRestore()) rest.push_back(step);
  Finish(trial, rest);
}

Sequence DamagedBlock(uint32_t block, Damage damage, uint32_t seed) {
  return {.name = absl::StrCat("block ", block, " ", Name(damage)),
          .run = [=](Trial& trial) {
            Damaged(trial,
                    {.damage = damage, .damaged_block = block, .seed = seed});
          }};
}

}  // namespace

std::vector<Sequence> HostileSequences(Effort effort, uint64_t seed) {
  const bool quick = effort == Effort::kQuick;
  const auto small = static_cast<uint32_t>(seed);
  std::vector<Sequence> sequences = {
      Starve("SAVE", quick ? 3 : 1, &StarveSave),
      Starve("RESTORE", quick ? 5 : 1, &StarveRestore),
      {.name = "no memory in CANCEL", .run = &StarveCancel},
      InOrder("in reverse", {.order = Hostility::Order::kReversed}),
  };
  for (uint32_t i = 0; i < (quick ? 2u : 10u); ++i) {
    sequences.push_back(
        InOrder(absl::StrCat("in random order ", i),
                {.order = Hostility::Order::kShuffled, .seed = small + i}));
  }
  for (uint32_t block = 0; block < (quick ? 3u : 9u); ++block) {
    for (const Damage damage : kDamages) {
      sequences.push_back(DamagedBlock(block, damage, small + block));
    }
  }
  return sequences;
}

}  // namespace baton::verify
