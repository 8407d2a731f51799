#include "cli/render/live_view.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/names.h"
#include "cli/render/rollout.h"
#include "cli/render/update.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

// Rows of cells that one wave may take.
constexpr size_t kCellRowsMax = 3;

// Joins cells, a space between, and cuts what does not fit.
std::string Fit(const std::vector<Cell>& parts, const Canvas& canvas) {
  std::string line;
  int left = canvas.columns;
  for (const Cell& part : parts) {
    if (left <= 0) break;
    const std::string text = Cut(Printable(part.text), left);
    absl::StrAppend(&line, Paint(text, part.ink, canvas.colour));
    left -= Columns(text);
    if (left > 0 && &part != &parts.back()) {
      line.push_back(' ');
      --left;
    }
  }
  return line;
}

absl::Time ToAbsl(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) +
         absl::Nanoseconds(time.nanos());
}

// Whole seconds, minutes or hours; never negative, whatever the clocks say.
std::string Elapsed(absl::Duration elapsed) {
  const int64_t s = std::max<int64_t>(absl::ToInt64Seconds(elapsed), 0);
  if (s < 60) return absl::StrCat(s, "s");
  if (s < 3600) return absl::StrFormat("%dm%02ds", s / 60, s % 60);
  return absl::StrFormat("%dh%02dm", s / 3600, s / 60 % 60);
}

std::string RolloutElapsed(const v1::Rollout& rollout, absl::Time now) {
  if (!rollout.has_start_time()) return "not started";
  const absl::Time end =
      rollout.has_end_time() ? ToAbsl(rollout.end_time()) : now;
  return Elapsed(end - ToAbsl(rollout.start_time()));
}

std::string Bar(const v1::RolloutProgress& progress, const Canvas& canvas) {
  const bool unicode = canvas.glyphs == Glyphs::kUnicode;
  const int width = std::clamp(canvas.columns / 4, 8, 40);
  const uint32_t ended = progress.done() + progress.cancelled() +
                         progress.rolled_back() + progress.quarantined() +
                         progress.skipped();
  const int full =
      progress.total() == 0
          ? 0
          : static_cast<int>(uint64_t{ended} * static_cast<uint64_t>(width) /
                             progress.total());
  std::string bar = "[";
  for (int i = 0; i < width; ++i) {
    const bool filled = i < full;
    absl::StrAppend(&bar,
                    unicode ? (filled ? "█" : "░") : (filled ? "#" : "-"));
  }
  return bar + "]";
}

const char* Glyph(v1::UpdateState state, Glyphs glyphs) {
  const bool unicode = glyphs == Glyphs::kUnicode;
  if (state == v1::UPDATE_STATE_RUNNING) return unicode ? "▶" : ">";
  if (state == v1::UPDATE_STATE_DONE) return unicode ? "■" : "#";
  if (state == v1::UPDATE_STATE_CANCELLED) return unicode ? "○" : "c";
  if (state == v1::UPDATE_STATE_ROLLED_BACK) return unicode ? "↺" : "r";
  if (state == v1::UPDATE_STATE_QUARANTINED) return unicode ? "✖" : "Q";
  if (state == v1::UPDATE_STATE_SKIPPED) return unicode ? "–" : "-";
  return unicode ? "·" : ".";
}

v1::UpdateState StateOf(const WatchModel& model, const std::string& host) {
  const auto found = model.updates().find(ShortName(host));
  return found == model.updates().end() ? v1::UPDATE_STATE_PENDING
                                        : found->second.state();
}

void AddHead(const WatchModel& model, absl::Time now, const Canvas& canvas,
             std::vector<std::string>& lines) {
  const v1::Rollout& rollout = model.rollout();
  const v1::RolloutProgress& progress = rollout.progress();
  lines.push_back(Fit({{"rollout " + ShortName(rollout.name()), Ink::kBold},
                       {Word(rollout.state()), InkOf(rollout.state())},
                       ShortName(rollout.spec().driver()),
                       {RolloutElapsed(rollout, now), Ink::kDim}},
                      canvas));
  if (const std::string because = BecauseText(rollout); !because.empty()) {
    lines.push_back(Fit({{because, InkOf(rollout.state())}}, canvas));
  }
  lines.push_back(Fit({Bar(progress, canvas), ProgressText(progress)}, canvas));
  lines.push_back(Fit(
      {absl::StrCat("vGPUs kept ", progress.vgpus_preserved(), " of ",
                    progress.vgpus(), "   blackout ", BlackoutText(progress))},
      canvas));
}

// One wave: its name, then a cell a host.
void AddWave(const v1::PlannedWave& wave, int name_columns,
             const WatchModel& model, const Canvas& canvas,
             std::vector<std::string>& lines) {
  const auto room =
      static_cast<size_t>(std::max(canvas.columns - name_columns - 10, 8));
  std::string name = Cut(Printable(wave.name()), name_columns);
  const int gap = name_columns - Columns(name);
  name.append(static_cast<size_t>(gap), ' ');
  std::string line = absl::StrFormat("%s %5d  ", name, wave.hosts_size());
  size_t cells = 0;
  size_t rows = 1;
  for (const v1::PlannedHost& host : wave.hosts()) {
    if (cells == room) {
      lines.push_back(line);
      line.assign(static_cast<size_t>(name_columns) + 8, ' ');
      cells = 0;
      if (++rows > kCellRowsMax) {
        line += "...";
        break;
      }
    }
    const v1::UpdateState state = StateOf(model, host.host());
    absl::StrAppend(
        &line, Paint(Glyph(state, canvas.glyphs), InkOf(state), canvas.colour));
    ++cells;
  }
  lines.push_back(line);
}

void AddWaves(const WatchModel& model, const Canvas& canvas,
              std::vector<std::string>& lines) {
  int name_columns = 4;
  for (const v1::PlannedWave& wave : model.rollout().plan().waves()) {
    name_columns = std::max(name_columns, Columns(wave.name()));
  }
  name_columns = std::min(name_columns, canvas.columns / 3);
  for (const v1::PlannedWave& wave : model.rollout().plan().waves()) {
    AddWave(wave, name_columns, model, canvas, lines);
  }
}

std::string StepWords(const v1::Update& update) {
  std::string words = update.step() == v1::STEP_UNSPECIFIED
                          ? "starting"
                          : absl::StrCat("after ", Word(update.step()));
  if (update.past_no_return()) words += ", past the point of no return";
  if (update.cancel_requested()) words += ", asked to cancel";
  return words;
}

bool EndedBadly(v1::UpdateState state) {
  return state == v1::UPDATE_STATE_CANCELLED ||
         state == v1::UPDATE_STATE_ROLLED_BACK ||
         state == v1::UPDATE_STATE_QUARANTINED;
}

std::string Padded(std::string text, int columns) {
  const int missing = columns - Columns(text);
  if (missing > 0) text.append(static_cast<size_t>(missing), ' ');
  return text;
}

// Who runs, then who ended other than DONE.
void AddHosts(const WatchModel& model, absl::Time now, const Canvas& canvas,
              std::vector<std::string>& lines) {
  int name_columns = 0;
  for (const auto& [host, update] : model.updates()) {
    if (update.state() == v1::UPDATE_STATE_RUNNING ||
        EndedBadly(update.state())) {
      name_columns = std::max(name_columns, Columns(host));
    }
  }
  std::vector<std::string> ended;
  for (const auto& [host, update] : model.updates()) {
    const v1::UpdateState state = update.state();
    const Cell name(Padded(host, name_columns), Ink::kPlain);
    const Cell word(Padded(Word(state), 11), InkOf(state));
    if (state == v1::UPDATE_STATE_RUNNING) {
      const absl::Time start = ToAbsl(update.start_time());
      const std::string since =
          update.has_start_time() ? Elapsed(now - start) : "";
      lines.push_back(
          Fit({name, word, StepWords(update), {since, Ink::kDim}}, canvas));
    } else if (EndedBadly(state)) {
      // The code first: a line that is too long loses its end.
      const std::string colon = update.reason().empty() ? "" : ":";
      ended.push_back(
          Fit({name, word, update.reason() + colon, update.message()}, canvas));
    }
  }
  lines.insert(lines.end(), ended.begin(), ended.end());
}

// Leaves one row for the cursor.
void FitRows(const Canvas& canvas, size_t reserved,
             std::vector<std::string>& lines) {
  const size_t most = static_cast<size_t>(canvas.rows) - 1 - reserved;
  if (lines.size() <= most) return;
  const size_t hidden = lines.size() - most + 1;
  lines.resize(most - 1);
  lines.push_back(
      Fit({{absl::StrCat("... ", hidden, " more lines"), Ink::kDim}}, canvas));
}

}  // namespace

std::vector<std::string> LiveFrame(const WatchModel& model, absl::Time now,
                                   const std::string& notice,
                                   const Canvas& canvas) {
  std::vector<std::string> lines;
  AddHead(model, now, canvas, lines);
  AddWaves(model, canvas, lines);
  AddHosts(model, now, canvas, lines);
  FitRows(canvas, notice.empty() ? 0 : 1, lines);
  if (!notice.empty()) lines.push_back(Fit({{notice, Ink::kWarn}}, canvas));
  return lines;
}

std::string Redraw::Over(const std::vector<std::string>& lines) {
  std::string text;
  if (lines_before_ > 0) absl::StrAppend(&text, "\x1b[", lines_before_, "A");
  for (const std::string& line : lines) {
    absl::StrAppend(&text, line, "\x1b[K\n");
  }
  absl::StrAppend(&text, "\x1b[J");
  lines_before_ = lines.size();
  return text;
}

}  // namespace baton::cli
