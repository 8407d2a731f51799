#include "cli/render/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

absl::string_view Code(Ink ink) {
  switch (ink) {
    case Ink::kPlain:
      return "";
    case Ink::kGood:
      return "32";
    case Ink::kBusy:
      return "36";
    case Ink::kWarn:
      return "33";
    case Ink::kBad:
      return "31";
    case Ink::kDim:
      return "2";
    case Ink::kBold:
      return "1";
  }
  return "";
}

std::string Shown(const Cell& cell) {
  return cell.text.empty() ? "-" : Printable(cell.text);
}

std::string Line(const std::vector<Cell>& row, const std::vector<int>& widths,
                 Colour colour) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    const std::string text = Shown(row[i]);
    absl::StrAppend(&line, Paint(text, row[i].ink, colour));
    if (i + 1 < row.size()) {
      const int gap = widths[i] - Columns(text) + 2;
      line.append(static_cast<size_t>(gap), ' ');
    }
  }
  return line;
}

}  // namespace

std::string Paint(absl::string_view text, Ink ink, Colour colour) {
  if (colour == Colour::kNever || ink == Ink::kPlain) return std::string(text);
  return absl::StrCat("\x1b[", Code(ink), "m", text, "\x1b[0m");
}

std::vector<int> Table::Widths() const {
  std::vector<int> widths;
  for (const std::string& word : heading_) widths.push_back(Columns(word));
  for (const std::vector<Cell>& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()), 0);
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], Columns(Shown(row[i])));
    }
  }
  return widths;
}

std::string Table::ToString(Colour colour, absl::string_view indent) const {
  const std::vector<int> widths = Widths();
  std::string text;
  if (!heading_.empty()) {
    std::vector<Cell> cells;
    for (const std::string& word : heading_)
      cells.emplace_back(word, Ink::kDim);
    absl::StrAppend(&text, indent, Line(cells, widths, colour), "\n");
  }
  for (const std::vector<Cell>& row : rows_) {
    absl::StrAppend(&text, indent, Line(row, widths, colour), "\n");
  }
  return text;
}

}  // namespace baton::cli
