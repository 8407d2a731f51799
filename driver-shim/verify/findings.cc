#include "driver-shim/verify/findings.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace baton::verify {
namespace {

// For a program, and for a terminal.
absl::string_view Word(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "pass";
    case Outcome::kFail:
      return "fail";
    case Outcome::kNotApplicable:
      return "not applicable";
  }
  std::abort();
}

absl::string_view Mark(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPass:
      return "PASS";
    case Outcome::kFail:
      return "FAIL";
    case Outcome::kNotApplicable:
      return "n/a ";
  }
  std::abort();
}

// As a JSON string, quotes included. Bytes past ASCII are let through.
std::string Quoted(absl::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < ' ') {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// As an XML attribute, quotes included. What XML cannot hold becomes '?'.
std::string Attribute(absl::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (static_cast<unsigned char>(c) < ' ' && c != '\n') c = '?';
  }
  const std::string escaped = absl::StrReplaceAll(clean, {{"&", "&amp;"},
                                                          {"<", "&lt;"},
                                                          {">", "&gt;"},
                                                          {"\"", "&quot;"},
                                                          {"\n", "&#10;"}});
  return absl::StrCat("\"", escaped, "\"");
}

// Every line of `text`, indented.
std::string Indented(absl::string_view text) {
  return absl::StrCat("      ", absl::StrReplaceAll(text, {{"\n", "\n      "}}),
                      "\n");
}

std::string Text(const Findings& all) {
  std::string out = absl::StrCat(all.suite, " of ", all.subject, "\n");
  for (const auto& [name, value] : all.facts) {
    absl::StrAppend(&out, "  ", name, ": ", value, "\n");
  }
  size_t width = 0;
  for (const Finding& finding : all.findings) {
    width = std::max(width, finding.name.size());
  }
  for (const Finding& finding : all.findings) {
    absl::StrAppendFormat(&out, "%s  %-*s  %s\n", Mark(finding.outcome),
                          static_cast<int>(width), finding.name,
                          finding.promise);
    if (!finding.detail.empty()) out += Indented(finding.detail);
    if (finding.outcome == Outcome::kFail && !finding.fix.empty()) {
      out += Indented(absl::StrCat("to fix: ", finding.fix));
    }
  }
  absl::StrAppend(&out, all.Count(Outcome::kPass), " passed, ",
                  all.Count(Outcome::kFail), " failed, ",
                  all.Count(Outcome::kNotApplicable), " not applicable\n");
  return out;
}

std::string Json(const Findings& all) {
  std::string out =
      absl::StrCat("{\"suite\":", Quoted(all.suite),
                   ",\"subject\":", Quoted(all.subject), ",\"facts\":{");
  const char* comma = "";
  for (const auto& [name, value] : all.facts) {
    absl::StrAppend(&out, comma, Quoted(name), ":", Quoted(value));
    comma = ",";
  }
  absl::StrAppend(&out, "},\"passed\":", all.Count(Outcome::kPass),
                  ",\"failed\":", all.Count(Outcome::kFail),
                  ",\"not_applicable\":", all.Count(Outcome::kNotApplicable),
                  ",\"findings\":[");
  comma = "";
  for (const Finding& finding : all.findings) {
    absl::StrAppend(&out, comma, "{\"name\":", Quoted(finding.name),
                    ",\"promise\":", Quoted(finding.promise),
                    ",\"outcome\":", Quoted(Word(finding.outcome)),
                    ",\"detail\":", Quoted(finding.detail),
                    ",\"fix\":", Quoted(finding.fix));
    absl::StrAppendFormat(&out, ",\"seconds\":%.3f}",
                          absl::ToDoubleSeconds(finding.elapsed));
    comma = ",";
  }
  return out + "]}\n";
}

std::string Junit(const Findings& all) {
  std::string out = absl::StrFormat(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<testsuite name=%s tests=\"%d\" failures=\"%d\" skipped=\"%d\">\n"
      "  <properties>\n",
      Attribute(absl::StrCat(all.suite, " of ", all.subject)),
      all.findings.size(), all.Count(Outcome::kFail),
      all.Count(Outcome::kNotApplicable));
  for (const auto& [name, value] : all.facts) {
    absl::StrAppend(&out, "    <property name=", Attribute(name),
                    " value=", Attribute(value), "/>\n");
  }
  out += "  </properties>\n";
  for (const Finding& finding : all.findings) {
    absl::StrAppendFormat(
        &out, "  <testcase classname=%s name=%s time=\"%.3f\">",
        Attribute(all.suite),
        Attribute(absl::StrCat(finding.name, ": ", finding.promise)),
        absl::ToDoubleSeconds(finding.elapsed));
    if (finding.outcome == Outcome::kFail) {
      absl::StrAppend(&out, "<failure message=", Attribute(finding.detail),
                      " type=", Attribute(finding.fix), "/>");
    }
    if (finding.outcome == Outcome::kNotApplicable) {
      absl::StrAppend(&out, "<skipped message=", Attribute(finding.detail),
                      "/>");
    }
    out += "</testcase>\n";
  }
  return out + "</testsuite>\n";
}

}  // namespace

size_t Findings::Count(Outcome outcome) const {
  return static_cast<size_t>(std::count_if(
      findings.begin(), findings.end(),
      [outcome](const Finding& f) { return f.outcome == outcome; }));
}

std::string Render(const Findings& findings, Format format) {
  switch (format) {
    case Format::kText:
      return Text(findings);
    case Format::kJson:
      return Json(findings);
    case Format::kJunit:
      return Junit(findings);
  }
  std::abort();
}

}  // namespace baton::verify
