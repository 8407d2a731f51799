#include "base/selector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton {
namespace {

constexpr size_t kNameBytesMax = 63;
constexpr size_t kPrefixBytesMax = 253;

bool IsNamePart(absl::string_view text) {
  if (text.empty() || text.size() > kNameBytesMax) return false;
  if (!absl::ascii_isalnum(text.front()) || !absl::ascii_isalnum(text.back())) {
    return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

bool IsDnsPrefix(absl::string_view text) {
  if (text.empty() || text.size() > kPrefixBytesMax) return false;
  for (absl::string_view label : absl::StrSplit(text, '.')) {
    if (!IsNamePart(label)) return false;
    if (std::any_of(label.begin(), label.end(), [](char c) {
          return absl::ascii_isupper(c) || c == '_';
        })) {
      return false;
    }
  }
  return true;
}

bool IsWordByte(char c) {
  return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
}

}  // namespace

bool IsLabelKey(absl::string_view key) {
  const size_t slash = key.find('/');
  if (slash == absl::string_view::npos) return IsNamePart(key);
  return IsDnsPrefix(key.substr(0, slash)) && IsNamePart(key.substr(slash + 1));
}

bool IsLabelValue(absl::string_view value) {
  return value.empty() || IsNamePart(value);
}

// Reads one selector from left to right.
class SelectorParser {
 public:
  explicit SelectorParser(absl::string_view text) : text_(text) {}

  absl::StatusOr<Selector> Parse() {
    Selector selector;
    if (absl::StripAsciiWhitespace(text_) == "*") return selector;
    while (true) {
      ASSIGN_OR_RETURN(Selector::Requirement requirement, ParseRequirement());
      selector.requirements_.push_back(std::move(requirement));
      SkipBlanks();
      if (at_ == text_.size()) return selector;
      if (!Take(",")) return Error("',' or the end");
    }
  }

 private:
  using Operator = Selector::Operator;
  using Requirement = Selector::Requirement;

  absl::StatusOr<Requirement> ParseRequirement() {
    Requirement requirement;
    SkipBlanks();
    const bool absent = Take("!");
    ASSIGN_OR_RETURN(requirement.key, ParseKey());
    requirement.op = absent ? Operator::kAbsent : Operator::kExists;
    SkipBlanks();
    if (absent || at_ == text_.size() || text_[at_] == ',') return requirement;
    if (Take("!=")) return ParseValue(Operator::kNotIn, std::move(requirement));
    if (Take("==") || Take("=")) {
      return ParseValue(Operator::kIn, std::move(requirement));
    }
    if (TakeWord("notin")) {
      return ParseSet(Operator::kNotIn, std::move(requirement));
    }
    if (TakeWord("in")) return ParseSet(Operator::kIn, std::move(requirement));
    return Error("one of =, ==, !=, in, notin, ',' or the end");
  }

  absl::StatusOr<std::string> ParseKey() {
    SkipBlanks();
    const size_t start = at_;
    std::string key = Word();
    if (IsLabelKey(key)) return key;
    at_ = start;
    return Error("a label key");
  }

  absl::StatusOr<Requirement> ParseValue(Operator op, Requirement requirement) {
    requirement.op = op;
    SkipBlanks();
    const size_t start = at_;
    std::string value = Word();
    if (!IsLabelValue(value)) {
      at_ = start;
      return Error("a label value");
    }
    requirement.values.insert(std::move(value));
    return requirement;
  }

  absl::StatusOr<Requirement> ParseSet(Operator op, Requirement requirement) {
    SkipBlanks();
    if (!Take("(")) return Error("'('");
    do {
      ASSIGN_OR_RETURN(requirement, ParseValue(op, std::move(requirement)));
      SkipBlanks();
    } while (Take(","));
    if (!Take(")")) return Error("',' or ')'");
    return requirement;
  }

  std::string Word() {
    const size_t start = at_;
    while (at_ < text_.size() && IsWordByte(text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  bool Take(absl::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }

  bool TakeWord(absl::string_view word) {
    const size_t start = at_;
    if (Word() == word) return true;
    at_ = start;
    return false;
  }

  void SkipBlanks() {
    while (at_ < text_.size() && absl::ascii_isspace(text_[at_])) ++at_;
  }

  // The whole UTF-8 character at this position: half of one makes a message
  // that no gRPC status can carry.
  absl::string_view Character() const {
    size_t end = at_ + 1;
    while (end < text_.size() && (text_[end] & 0xc0) == 0x80) ++end;
    return text_.substr(at_, end - at_);
  }

  absl::Status Error(absl::string_view want) const {
    const std::string got =
        at_ == text_.size() ? "the end" : absl::StrCat("'", Character(), "'");
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_SELECTOR",
        absl::StrCat("selector '", text_, "': at position ", at_ + 1, " got ",
                     got, ", want ", want));
  }

  const absl::string_view text_;
  size_t at_ = 0;
};

absl::StatusOr<Selector> Selector::Parse(absl::string_view text) {
  constexpr size_t kSelectorBytesMax = 4096;
  if (text.size() > kSelectorBytesMax) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_SELECTOR",
        absl::StrCat("selector is ", text.size(), " bytes long, want at most ",
                     kSelectorBytesMax));
  }
  return SelectorParser(text).Parse();
}

bool Selector::Matches(const std::map<std::string, std::string>& labels) const {
  for (const Requirement& requirement : requirements_) {
    const auto found = labels.find(requirement.key);
    const bool has = found != labels.end();
    const bool in = has && requirement.values.count(found->second) > 0;
    switch (requirement.op) {
      case Operator::kExists:
        if (!has) return false;
        break;
      case Operator::kAbsent:
        if (has) return false;
        break;
      case Operator::kIn:
        if (!in) return false;
        break;
      case Operator::kNotIn:
        if (in) return false;
        break;
    }
  }
  return true;
}

}  // namespace baton
