// `baton rollout lint` and the service refuse the same: each case is one
// policy, as a file and as a message.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "cli/rollout_file.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "service/core/policy.h"
#include "service/rpc/convert_spec.h"

namespace baton {
namespace {

using google::protobuf::TextFormat;
using google::protobuf::util::MessageDifferencer;

enum class Verdict { kTaken, kRefused };

// Wants `verdict` of both on the policy that `yaml` and `text` say, beside a
// driver and a selector.
void ExpectBoth(Verdict verdict, const std::string& yaml,
                const std::string& text) {
  const bool taken = verdict == Verdict::kTaken;
  const auto file = cli::ParseRolloutFile(
      absl::StrCat("driver: a/1\nselector: '*'\n", yaml, "\n"), "f");
  EXPECT_EQ(file.ok(), taken) << yaml << "\n" << file.status();

  v1::RolloutSpec spec;
  ASSERT_TRUE(TextFormat::ParseFromString(
      absl::StrCat("driver: 'drivers/a/versions/1' selector: '*' ", text),
      &spec))
      << text;
  const auto parsed = rpc::FromProto(spec);
  const absl::Status checked =
      parsed.ok() ? core::CheckSpec(*parsed) : parsed.status();
  EXPECT_EQ(checked.ok(), taken) << text << "\n" << checked;
  if (file.ok() && taken) {
    EXPECT_TRUE(MessageDifferencer::Equals(file->spec, spec))
        << file->spec.DebugString();
  }
}

TEST(LintTest, EachNumberHasTheSameBounds) {
  const struct {
    const char* yaml;  // $0: the number
    const char* text;
    int64_t least;
    int64_t most;
  } kNumbers[] = {
      {"waves: [{size: $0}]", "waves { hosts: $0 }", 1, 100'000},
      {"waves: [{size: $0%}]", "waves { percent: $0 }", 1, 100},
      {"waves: [{size: rest, approvals: $0}]",
       "waves { rest: true approvals: $0 }", 0, 10},
      {"waves: [{size: rest, failure_tolerance: {hosts: $0}}]",
       "waves { rest: true failure_tolerance { hosts: $0 } }", 0, 100'000},
      {"waves: [{size: rest, failure_tolerance: {percent: $0}}]",
       "waves { rest: true failure_tolerance { percent: $0 } }", 0, 100},
      {"limits: {max_unavailable: $0}", "limits { max_unavailable: $0 }", 1,
       100'000},
      {"limits: {max_unavailable_percent: $0%}",
       "limits { max_unavailable_percent: $0 }", 1, 100},
      {"limits: {domains: [{label: rack, max_unavailable: $0}]}",
       "limits { domains { label: 'rack' max_unavailable: $0 } }", 1, 100'000},
      {"failure_tolerance: {hosts: $0}", "failure_tolerance { hosts: $0 }", 0,
       100'000},
      {"failure_tolerance: {percent: $0}", "failure_tolerance { percent: $0 }",
       0, 100},
      {"retry: {attempts: $0}", "retry { attempts: $0 }", 1, 10},
      {"require: {spare_memory: $0}", "require { spare_memory_bytes: $0 }", 0,
       int64_t{1} << 40},
  };
  for (const auto& number : kNumbers) {
    const auto expect = [&](Verdict verdict, int64_t value) {
      ExpectBoth(verdict, absl::Substitute(number.yaml, value),
                 absl::Substitute(number.text, value));
    };
    expect(Verdict::kTaken, number.least);
    expect(Verdict::kTaken, number.most);
    expect(Verdict::kRefused, number.most + 1);
    if (number.least > 0) expect(Verdict::kRefused, number.least - 1);
  }
}

TEST(LintTest, EachDurationHasTheSameBounds) {
  constexpr int64_t kMs = 1'000'000;
  constexpr int64_t kSecond = 1000 * kMs;
  constexpr int64_t kHour = 3600 * kSecond;
  struct Range {
    std::string yaml = "";  // $0: the duration
    std::string text = "";  // $0: its seconds and nanos
    int64_t least = 0;      // ns
    int64_t most = 0;
  };
  std::vector<Range> ranges = {
      {"waves: [{size: rest, bake: $0}]", "waves { rest: true bake { $0 } }",
       kSecond, 720 * kHour},
      {"deadlines: {whole: $0}", "deadlines {} deadline { $0 }", 60 * kSecond,
       8760 * kHour},
      {"blackout: {per_vgpu_max: $0}", "blackout { per_vgpu_max { $0 } }", kMs,
       kHour},
      {"blackout: {p99_max: $0}", "blackout { p99_max { $0 } }", kMs, kHour},
      {"retry: {backoff: $0}", "retry { backoff { $0 } }", kSecond, kHour}};
  for (const char* step : {"prepare", "gate", "pause", "save", "unload",
                           "restore", "verify", "resume", "confirm"}) {
    ranges.push_back({absl::StrCat("deadlines: {", step, ": $0}"),
                      absl::StrCat("deadlines { ", step, " { $0 } }"), kMs,
                      kHour});
  }
  for (const Range& range : ranges) {
    const auto expect = [&](Verdict verdict, int64_t ns) {
      const std::string seconds =
          ns < kSecond ? "" : absl::StrCat("seconds: ", ns / kSecond);
      const std::string nanos =
          ns % kSecond == 0 ? "" : absl::StrCat(" nanos: ", ns % kSecond);
      ExpectBoth(verdict, absl::Substitute(range.yaml, absl::StrCat(ns, "ns")),
                 absl::Substitute(range.text, seconds + nanos));
    };
    expect(Verdict::kTaken, range.least);
    expect(Verdict::kTaken, range.most);
    expect(Verdict::kRefused, range.most + 1);
    // A bake has no least but none at all.
    if (range.most != 720 * kHour) expect(Verdict::kRefused, range.least - 1);
  }
}

// `count` times `item`, a number in place of $0, joined by `separator`.
std::string Many(int count, const std::string& item,
                 const std::string& separator) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : separator, absl::Substitute(item, i));
  }
  return text;
}

TEST(LintTest, EachListHasTheSameBounds) {
  const struct {
    const char* yaml;  // $0: the items
    const char* yaml_item;
    const char* text_item;
    int most;
  } kLists[] = {
      {"waves: [$0]", "{size: 1}", "waves { hosts: 1 }", 100},
      {"limits: {domains: [$0]}", "{label: l$0, max_unavailable: 1}",
       "limits { domains { label: 'l$0' max_unavailable: 1 } }", 8},
      {"windows: [$0]", "{from: '01:00', to: '02:00', time_zone: UTC}",
       "windows { from: '01:00' to: '02:00' time_zone: 'UTC' }", 32},
  };
  for (const auto& list : kLists) {
    for (const int more : {0, 1}) {
      const int count = list.most + more;
      const std::string item = list.text_item;
      // Text format takes a message that is not repeated only once.
      const bool nested = item.starts_with("limits");
      const std::string text =
          nested ? absl::StrCat(
                       "limits { ",
                       Many(count, item.substr(9, item.size() - 11), " "), " }")
                 : Many(count, item, " ");
      ExpectBoth(more == 0 ? Verdict::kTaken : Verdict::kRefused,
                 absl::Substitute(list.yaml, Many(count, list.yaml_item, ", ")),
                 text);
    }
  }
}

TEST(LintTest, EachWordIsTakenOrRefusedByBoth) {
  const std::string longest(63, 'a');
  const std::string too_long(64, 'a');
  struct Word {
    std::string yaml = "";  // $0: the word
    std::string text = "";
    std::vector<std::string> taken = {};
    std::vector<std::string> refused = {};
  };
  const std::vector<Word> words = {
      {"waves: [{name: '$0', size: 1}]",
       "waves { name: '$0' hosts: 1 }",
       {"a", "a-1", "1", longest},
       {"A", "-a", "a b", "a.b", "a/b", too_long}},
      {"hooks: {before: '$0'}",
       "hooks { before: '$0' }",
       {"drain-note", longest},
       {"/bin/sh", "Drain", "-a", too_long}},
      {"hooks: {after: '$0'}", "hooks { after: '$0' }", {"a"}, {"a b"}},
      {"limits: {domains: [{label: '$0', max_unavailable: 1}]}",
       "limits { domains { label: '$0' max_unavailable: 1 } }",
       {"rack", "topology.kubernetes.io/zone", "A_b.c", longest},
       {"a b", "/a", "a/", "-a", "A.io/a", too_long}},
      {"windows: [{from: '$0', to: '02:00', time_zone: UTC}]",
       "windows { from: '$0' to: '02:00' time_zone: 'UTC' }",
       {"00:00", "02:00", "23:59"},
       {"24:00", "1:00", "01:60", "0100", "ab:cd", " 1:00", "01:00:00"}},
      {"windows: [{from: '01:00', to: '$0', time_zone: UTC}]",
       "windows { from: '01:00' to: '$0' time_zone: 'UTC' }",
       {"00:00", "01:00", "23:59"},
       {"24:00", "1"}},
      {"windows: [{from: '01:00', to: '02:00', time_zone: '$0'}]",
       "windows { from: '01:00' to: '02:00' time_zone: '$0' }",
       {"UTC", "Europe/Berlin", "Etc/GMT+5"},
       {"Mars", "localtime", "Europe", "+01:00", "/etc/localtime"}},
  };
  for (const Word& word : words) {
    for (const Verdict verdict : {Verdict::kTaken, Verdict::kRefused}) {
      for (const std::string& value :
           verdict == Verdict::kTaken ? word.taken : word.refused) {
        ExpectBoth(verdict, absl::Substitute(word.yaml, value),
                   absl::Substitute(word.text, value));
      }
    }
  }
}

TEST(LintTest, WhatNoFieldShowsByItselfIsSeenByBoth) {
  ExpectBoth(Verdict::kTaken, "waves: [{size: 60%}, {size: 40%}]",
             "waves { percent: 60 } waves { percent: 40 }");
  ExpectBoth(Verdict::kRefused, "waves: [{size: 60%}, {size: 41%}]",
             "waves { percent: 60 } waves { percent: 41 }");
  ExpectBoth(Verdict::kRefused, "waves: [{size: rest}, {size: 1}]",
             "waves { rest: true } waves { hosts: 1 }");
  ExpectBoth(Verdict::kRefused, "waves: [{name: x}]", "waves { name: 'x' }");
  ExpectBoth(Verdict::kRefused,
             "waves: [{name: a, size: 1}, {name: a, size: 1}]",
             "waves { name: 'a' hosts: 1 } waves { name: 'a' hosts: 1 }");
  ExpectBoth(Verdict::kRefused, "waves: [{name: wave-2, size: 1}, {size: 1}]",
             "waves { name: 'wave-2' hosts: 1 } waves { hosts: 1 }");
  const std::string domain = "{label: a, max_unavailable: 1}";
  const std::string proto_domain = "domains { label: 'a' max_unavailable: 1 } ";
  ExpectBoth(Verdict::kRefused,
             absl::StrCat("limits: {domains: [", domain, ", ", domain, "]}"),
             absl::StrCat("limits { ", proto_domain, proto_domain, "}"));
  ExpectBoth(Verdict::kRefused,
             "windows: [{days: [mon, mon], from: '01:00', to: '02:00', "
             "time_zone: UTC}]",
             "windows { days: [WEEKDAY_MONDAY, WEEKDAY_MONDAY] from: '01:00' "
             "to: '02:00' time_zone: 'UTC' }");
  ExpectBoth(Verdict::kRefused, "windows: [{from: '01:00', to: '02:00'}]",
             "windows { from: '01:00' to: '02:00' }");
  ExpectBoth(Verdict::kTaken, "blackout: {per_vgpu_max: 1s, p99_max: 2s}",
             "blackout { per_vgpu_max { seconds: 1 } p99_max { seconds: 2 } }");
  ExpectBoth(Verdict::kTaken, "require: {rollback_path: false}",
             "require { rollback_path: false }");
  ExpectBoth(Verdict::kTaken, "on_exceeded: ROLL_BACK",
             "on_exceeded: ON_EXCEEDED_ROLL_BACK");
}

}  // namespace
}  // namespace baton
