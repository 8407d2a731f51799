#ifndef CLI_RENDER_TABLE_H_
#define CLI_RENDER_TABLE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace baton::cli {

// How a word is to look.
enum class Ink { kPlain, kGood, kBusy, kWarn, kBad, kDim, kBold };

// Whether escape sequences may be written.
enum class Colour { kNever, kAlways };

// How much a table shows.
enum class Detail { kTable, kWide };

// What renderers are told about where their text goes.
struct Look {
  Detail detail = Detail::kTable;
  Colour colour = Colour::kNever;
};

// Returns `text`, in the ink's colour if colours are wanted.
std::string Paint(absl::string_view text, Ink ink, Colour colour);

// One field of a table; control characters are made harmless.
struct Cell {
  Cell(std::string cell_text)  // NOLINT(google-explicit-constructor)
      : text(std::move(cell_text)) {}
  Cell(const char* cell_text)  // NOLINT(google-explicit-constructor)
      : text(cell_text) {}
  Cell(std::string cell_text, Ink cell_ink)
      : text(std::move(cell_text)), ink(cell_ink) {}

  std::string text = "";
  Ink ink = Ink::kPlain;
};

// Lines up cells in columns, two spaces apart, without a space at a line's end.
// An empty cell shows as "-".
class Table {
 public:
  // `heading`  one word a column; empty: no heading line
  explicit Table(std::vector<std::string> heading)
      : heading_(std::move(heading)) {}

  void Add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }

  bool empty() const { return rows_.empty(); }

  // Returns every line, each begun with `indent` and ended with a newline.
  std::string ToString(Colour colour, absl::string_view indent = "") const;

 private:
  std::vector<int> Widths() const;

  const std::vector<std::string> heading_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace baton::cli

#endif  // CLI_RENDER_TABLE_H_
