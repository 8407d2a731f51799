#include "cli/render/live_view.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/render/golden.h"
#include "cli/render/words.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1715938332);

WatchModel Model() {
  v1::WatchRolloutResponse message;
  *message.mutable_rollout() = Sample<v1::Rollout>("rollout.txtpb");
  *message.mutable_updates() =
      Sample<v1::ListUpdatesResponse>("updates.txtpb").updates();
  WatchModel model;
  model.Fold(message);
  return model;
}

// A rollout of one wave with `hosts` hosts, each of them running.
WatchModel Running(int hosts) {
  v1::WatchRolloutResponse message;
  message.mutable_rollout()->set_name("rollouts/big");
  v1::PlannedWave& wave =
      *message.mutable_rollout()->mutable_plan()->add_waves();
  wave.set_name("all");
  for (int i = 0; i < hosts; ++i) {
    wave.add_hosts()->set_host(absl::StrCat("hosts/h", i));
    v1::Update& update = *message.add_updates();
    update.set_name(absl::StrCat("rollouts/big/updates/h", i));
    update.set_state(v1::UPDATE_STATE_RUNNING);
  }
  WatchModel model;
  model.Fold(message);
  return model;
}

std::string Frame(const WatchModel& model, const Canvas& canvas) {
  return absl::StrJoin(LiveFrame(model, kNow, "", canvas), "\n") + "\n";
}

TEST(LiveViewTest, FrameIsAsReviewed) {
  ExpectGolden("live_ascii", Frame(Model(), {}));
  ExpectGolden("live_unicode",
               Frame(Model(), {.columns = 100, .glyphs = Glyphs::kUnicode}));
  ExpectGolden("live_colour", Frame(Model(), {.colour = Colour::kAlways}));
}

TEST(LiveViewTest, NoLineIsWiderThanTheCanvas) {
  for (int columns = 20; columns < 120; columns += 7) {
    for (const Glyphs glyphs : {Glyphs::kAscii, Glyphs::kUnicode}) {
      const Canvas canvas = {.columns = columns, .glyphs = glyphs};
      for (const WatchModel& model : {Model(), Running(300)}) {
        for (const std::string& line :
             LiveFrame(model, kNow, "the service is away", canvas)) {
          EXPECT_LE(Columns(line), columns) << line;
        }
      }
    }
  }
}

TEST(LiveViewTest, FrameLeavesARowForTheCursor) {
  for (int rows = 5; rows < 60; rows += 5) {
    const std::vector<std::string> lines =
        LiveFrame(Running(300), kNow, "the service is away", {.rows = rows});
    EXPECT_LE(static_cast<int>(lines.size()), rows - 1);
    EXPECT_EQ(lines.back(), "the service is away");
  }
}

TEST(LiveViewTest, AClockThatIsBehindShowsZero) {
  const std::vector<std::string> lines =
      LiveFrame(Model(), absl::UnixEpoch(), "", {});
  EXPECT_EQ(lines[0], "rollout r1 RUNNING softgpu/2.0 0s");
}

TEST(LiveViewTest, ADraftHasNoWaves) {
  v1::WatchRolloutResponse message;
  message.mutable_rollout()->set_name("rollouts/r2");
  message.mutable_rollout()->set_state(v1::ROLLOUT_STATE_DRAFT);
  WatchModel model;
  model.Fold(message);
  EXPECT_EQ(
      LiveFrame(model, kNow, "", {}),
      (std::vector<std::string>{"rollout r2 DRAFT  not started",
                                "[--------------------] 0 of 0 hosts done",
                                "vGPUs kept 0 of 0   blackout none yet"}));
}

TEST(RedrawTest, GoesBackOverTheFrameBefore) {
  Redraw redraw;
  EXPECT_EQ(redraw.Over({"a", "b"}), "a\x1b[K\nb\x1b[K\n\x1b[J");
  EXPECT_EQ(redraw.Over({"c"}), "\x1b[2Ac\x1b[K\n\x1b[J");
  EXPECT_EQ(redraw.Over({"d"}), "\x1b[1Ad\x1b[K\n\x1b[J");
}

}  // namespace
}  // namespace baton::cli
