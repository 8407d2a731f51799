#include "driver-shim/vfio/core/acts.h"

#include <map>
#include <set>
#include <utility>

#include "gtest/gtest.h"

namespace baton::vfio::core {
namespace {

using P = Phase;
using G = Goal;

// What one vGPU in a phase is given to do for a goal, with the module that is
// wanted already there.
const std::map<std::pair<G, P>, Act>& Table() {
  static const auto& table = *new std::map<std::pair<G, P>, Act>{
      {{G::kStopped, P::kRuns}, Act::kStop},
      {{G::kStopped, P::kStopping}, Act::kStop},
      {{G::kStopped, P::kResuming}, Act::kStop},
      {{G::kSaved, P::kStopped}, Act::kSave},
      {{G::kSaved, P::kSaving}, Act::kStop},
      {{G::kUnloaded, P::kSaved}, Act::kRelease},
      {{G::kUnloaded, P::kRestoring}, Act::kRelease},
      {{G::kUnloaded, P::kRestored}, Act::kRelease},
      {{G::kRestored, P::kSaved}, Act::kRelease},
      {{G::kRestored, P::kReleased}, Act::kRestore},
      {{G::kRestored, P::kRestoring}, Act::kRelease},
      {{G::kProven, P::kRestored}, Act::kProve},
      {{G::kRunning, P::kStopping}, Act::kResume},
      {{G::kRunning, P::kStopped}, Act::kResume},
      {{G::kRunning, P::kSaving}, Act::kResume},
      {{G::kRunning, P::kSaved}, Act::kResume},
      {{G::kRunning, P::kRestored}, Act::kResume},
      {{G::kRunning, P::kResuming}, Act::kResume},
  };
  return table;
}

TEST(ActsTest, EveryPairOfGoalAndPhase) {
  for (const G goal : kGoals) {
    for (const P phase : kPhases) {
      const Sight sight = {
          .vgpus = {{.phase = phase}}, .loaded = "new", .wanted = "new"};
      const auto row = Table().find({goal, phase});
      std::optional<Next> want;
      if (row != Table().end()) want = Next{row->second, 0};
      if (!want.has_value() && goal == G::kUnloaded) {
        want = Next{Act::kUnloadModule};
      }
      EXPECT_EQ(NextAct(goal, sight), want)
          << "goal " << static_cast<int>(goal) << ", " << Name(phase);
    }
  }
}

// Carries out what is said until the goal is reached.
std::vector<std::pair<Act, size_t>> Reach(Goal goal, Sight& sight) {
  std::vector<std::pair<Act, size_t>> done;
  while (const auto next = NextAct(goal, sight)) {
    done.emplace_back(next->act, next->vgpu);
    if (done.size() > 50) break;
    if (next->act == Act::kUnloadModule) {
      sight.loaded = "";
    } else if (next->act == Act::kLoadModule) {
      sight.loaded = sight.wanted;
    } else if (next->act == Act::kProve) {
      sight.vgpus[next->vgpu].proven = true;
    } else {
      P& phase = sight.vgpus[next->vgpu].phase;
      phase = After(next->act, During(next->act, phase));
    }
  }
  return done;
}

TEST(ActsTest, AllVgpusGoTogetherThroughAWholeUpdate) {
  Sight sight = {.vgpus = {{}, {}}, .loaded = "old", .wanted = "new"};
  std::vector<std::pair<Act, size_t>> done;
  for (const G goal : kGoals) {
    const auto some = Reach(goal, sight);
    done.insert(done.end(), some.begin(), some.end());
  }
  const std::vector<std::pair<Act, size_t>> want = {
      {Act::kStop, 0},         {Act::kStop, 1},       {Act::kSave, 0},
      {Act::kSave, 1},         {Act::kRelease, 0},    {Act::kRelease, 1},
      {Act::kUnloadModule, 0}, {Act::kLoadModule, 0}, {Act::kRestore, 0},
      {Act::kRestore, 1},      {Act::kProve, 0},      {Act::kProve, 1},
      {Act::kResume, 0},       {Act::kResume, 1}};
  EXPECT_EQ(done, want);
}

Phase Done(Act act, Phase before) { return After(act, During(act, before)); }

// Every act may be cut off while it is under way: whoever starts again with
// what was durable then reaches the goal all the same, and in no more acts than
// the one that was cut off and what undoes it.
TEST(ActsTest, ReachesTheGoalFromWhereverItWasCutOff) {
  const std::map<G, P> starts = {{G::kStopped, P::kRuns},
                                 {G::kSaved, P::kStopped},
                                 {G::kUnloaded, P::kSaved},
                                 {G::kRestored, P::kReleased},
                                 {G::kRunning, P::kRestored}};
  const std::map<G, P> ends = {{G::kStopped, P::kStopped},
                               {G::kSaved, P::kSaved},
                               {G::kUnloaded, P::kReleased},
                               {G::kRestored, P::kRestored},
                               {G::kRunning, P::kRuns}};
  for (const auto& [goal, start] : starts) {
    for (int cut = 0; cut < 4; ++cut) {
      Sight sight = {
          .vgpus = {{start}, {start}}, .loaded = "old", .wanted = "new"};
      int acts = 0;
      while (const auto next = NextAct(goal, sight)) {
        ASSERT_LE(acts, 12) << static_cast<int>(goal) << " cut " << cut;
        const bool cut_off = acts++ == cut;
        P& phase = sight.vgpus[next->vgpu].phase;
        if (next->act == Act::kUnloadModule) {
          if (!cut_off) sight.loaded = "";
        } else if (next->act == Act::kLoadModule) {
          if (!cut_off) sight.loaded = "new";
        } else {
          phase = cut_off ? During(next->act, phase) : Done(next->act, phase);
        }
      }
      for (const Sight::Vgpu& vgpu : sight.vgpus) {
        EXPECT_EQ(vgpu.phase, ends.at(goal)) << static_cast<int>(goal);
      }
    }
  }
}

// What was saved is of use as long as nobody ran since; from the instant at
// which somebody may, only saving anew leads on.
TEST(ActsTest, NobodyIsRestoredFromAStreamThatMayBeStale) {
  for (const G goal : {G::kUnloaded, G::kRestored}) {
    const Sight sight = {.vgpus = {{P::kResuming}, {P::kRuns}},
                         .loaded = "old",
                         .wanted = "old"};
    const auto next = NextAct(goal, sight);
    if (!next.has_value()) continue;
    EXPECT_EQ(next->act, Act::kUnloadModule);
  }
}

TEST(ActsTest, OneRefusalSendsAllBack) {
  // The second refused: the first is taken out of the new module again.
  Sight sight = {.vgpus = {{P::kRestored}, {P::kReleased}},
                 .loaded = "new",
                 .wanted = "old"};
  const std::vector<std::pair<Act, size_t>> want = {{Act::kRelease, 0},
                                                    {Act::kUnloadModule, 0},
                                                    {Act::kLoadModule, 0},
                                                    {Act::kRestore, 0},
                                                    {Act::kRestore, 1}};
  EXPECT_EQ(Reach(G::kRestored, sight), want);
}

TEST(ActsTest, NobodyRunsWhileOthersAreOnTheirWay) {
  for (const P phase : kPhases) {
    Sight sight = {.vgpus = {{phase}}, .loaded = "old", .wanted = "new"};
    for (const auto& [act, vgpu] : Reach(G::kRestored, sight)) {
      EXPECT_NE(act, Act::kResume) << Name(phase);
    }
  }
}

TEST(ActsTest, ModuleGoesOnlyOnceNobodyOfOursHoldsIt) {
  for (const P a : {P::kSaved, P::kReleased, P::kRestoring, P::kRestored}) {
    for (const P b : {P::kSaved, P::kReleased, P::kRestoring, P::kRestored}) {
      const Sight sight = {
          .vgpus = {{a}, {b}}, .loaded = "old", .wanted = "new"};
      const auto next = NextAct(G::kUnloaded, sight);
      ASSERT_TRUE(next.has_value());
      const bool held = a != P::kReleased || b != P::kReleased;
      EXPECT_EQ(next->act, held ? Act::kRelease : Act::kUnloadModule);
    }
  }
}

TEST(ActsTest, NamesArePhasesAgain) {
  for (const P phase : kPhases) EXPECT_EQ(PhaseFrom(Name(phase)), phase);
  EXPECT_EQ(PhaseFrom("NONE"), std::nullopt);
}

}  // namespace
}  // namespace baton::vfio::core
