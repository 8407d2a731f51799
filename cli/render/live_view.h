#ifndef CLI_RENDER_LIVE_VIEW_H_
#define CLI_RENDER_LIVE_VIEW_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/render/table.h"
#include "cli/render/watch_model.h"

namespace baton::cli {

// Which characters a terminal can show.
enum class Glyphs { kAscii, kUnicode };

// What the live view is drawn on.
struct Canvas {
  int columns = 80;  // at least 20
  int rows = 24;     // at least 5
  Glyphs glyphs = Glyphs::kAscii;
  Colour colour = Colour::kNever;
};

// Returns the view of a rollout as lines that fit the canvas, one row spare:
// state and time, progress, blackout, a cell a host in waves, what runs and
// what ended other than DONE. Pure.
//
// `now`     for how long it runs
// `notice`  one line about the connection; empty: none
std::vector<std::string> LiveFrame(const WatchModel& model, absl::Time now,
                                   const std::string& notice,
                                   const Canvas& canvas);

// Draws frames over each other: what to write so that `lines` stand where the
// frame before stood. Confined to one thread.
class Redraw {
 public:
  std::string Over(const std::vector<std::string>& lines);

 private:
  size_t lines_before_ = 0;
};

}  // namespace baton::cli

#endif  // CLI_RENDER_LIVE_VIEW_H_
