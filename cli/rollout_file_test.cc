#include "cli/rollout_file.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

using google::protobuf::util::MessageDifferencer;

v1::RolloutSpec Spec(const std::string& text) {
  v1::RolloutSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec));
  return spec;
}

TEST(RolloutFileTest, ReadsEveryField) {
  const auto spec = ParseRolloutFile(R"(
driver: softgpu/2.0
selector: "zone=a,tier!=gold"
waves:
  - name: canary
    size: 1
    bake: 5m
  - size: 25%
  - {name: all, size: rest, bake: 1h30m}
limits:
  max_unavailable: 2
  max_unavailable_percent: 10%
failure_tolerance:
  hosts: 0
  percent: 5
deadlines:
  prepare: 5m
  gate: 30s
  pause: 500ms
  save: 1.5s
  unload: 1s
  restore: 2s
  verify: 1s
  resume: 1ms
  confirm: 1h
)",
                                     "r.yaml");
  ASSERT_TRUE(spec.ok()) << spec.status();
  const v1::RolloutSpec want = Spec(R"(
    driver: "drivers/softgpu/versions/2.0"
    selector: "zone=a,tier!=gold"
    waves { name: "canary" hosts: 1 bake { seconds: 300 } }
    waves { percent: 25 }
    waves { name: "all" rest: true bake { seconds: 5400 } }
    limits { max_unavailable: 2 max_unavailable_percent: 10 }
    failure_tolerance { hosts: 0 percent: 5 }
    deadlines {
      prepare { seconds: 300 }
      gate { seconds: 30 }
      pause { nanos: 500000000 }
      save { seconds: 1 nanos: 500000000 }
      unload { seconds: 1 }
      restore { seconds: 2 }
      verify { seconds: 1 }
      resume { nanos: 1000000 }
      confirm { seconds: 3600 }
    })");
  EXPECT_TRUE(MessageDifferencer::Equals(*spec, want)) << spec->DebugString();
}

TEST(RolloutFileTest, WhatIsLeftOutStaysAbsent) {
  const auto spec = ParseRolloutFile("driver: a/1\nselector: \"*\"\n", "r");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(MessageDifferencer::Equals(
      *spec, Spec(R"(driver: "drivers/a/versions/1" selector: "*")")));
}

struct Bad {
  std::string text = "";
  std::string reason = "";
  std::string message = "";
};

constexpr char kHead[] = "driver: a/1\nselector: \"*\"\n";

TEST(RolloutFileTest, RefusesAndSaysWhere) {
  const std::string head = kHead;
  const std::vector<Bad> cases = {
      {"", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:1: got nothing, want a mapping with driver, selector, waves, "
       "limits, failure_tolerance, deadlines"},
      {"driver: [a\n", "ROLLOUT_FILE_SYNTAX",
       "r.yaml:2: not YAML: end of sequence flow not found"},
      {"driver: a/1\n", "ROLLOUT_FILE_MISSING_FIELD",
       "r.yaml:1: got no \"selector\", want one"},
      {head + "wave: []\n", "ROLLOUT_FILE_UNKNOWN_FIELD",
       "r.yaml:3: got the unknown field \"wave\", want one of driver, "
       "selector, waves, limits, failure_tolerance, deadlines"},
      {head + "selector: b\n", "ROLLOUT_FILE_REPEATED_FIELD",
       "r.yaml:3: selector: got the field twice, want it once"},
      {"driver: a\nselector: b\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:1: driver: got \"a\", want \"DRIVER/VERSION\" or "
       "\"drivers/DRIVER/versions/VERSION\""},
      {"driver: a/1\nselector:\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:2: selector: got nothing, want a label selector like "
       "\"zone=a,tier!=gold\", or \"*\" for every host"},
      {head + "waves: 3\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: waves: got \"3\", want a list"},
      {head + "waves: []\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: waves: got a list, want at least one wave, or no field"},
      {head + "waves:\n- name: x\n", "ROLLOUT_FILE_MISSING_FIELD",
       "r.yaml:4: waves[0]: got no \"size\", want one"},
      {head + "waves:\n- size: 1\n  soak: 5m\n", "ROLLOUT_FILE_UNKNOWN_FIELD",
       "r.yaml:5: waves[0]: got the unknown field \"soak\", want one of name, "
       "size, bake"},
      {head + "waves:\n- size: rest\n- size: 1\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:5: waves[1]: got a mapping, want no wave after the one of size "
       "\"rest\""},
      {head + "waves:\n- size: 1\n  bake: 5\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:5: waves[0].bake: got \"5\", want a duration like 500ms, 30s, "
       "5m or 1h, from 0 to 720h"},
      {head + "limits: {max_unavailable: 25%}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: limits.max_unavailable: got \"25%\", want a number of at "
       "least 1; a percentage goes into max_unavailable_percent"},
      {head + "limits: {max_unavailable: 0}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: limits.max_unavailable: got \"0\", want a number of at least "
       "1"},
      {head + "limits: {max_unavailable_percent: 0%}\n",
       "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: limits.max_unavailable_percent: got \"0%\", want a "
       "percentage "
       "from \"1%\" to \"100%\""},
      {head + "failure_tolerance: 1\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: failure_tolerance: got \"1\", want a mapping with hosts, "
       "percent"},
      {head + "failure_tolerance: {hosts: -1}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: failure_tolerance.hosts: got \"-1\", want a number of at "
       "least 0"},
      {head + "deadlines: {save: 0s}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: deadlines.save: got \"0s\", want a duration like 500ms, 30s, "
       "5m or 1h, from 1ms to 1h"},
      {head + "deadlines: {save: 2h}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: deadlines.save: got \"2h\", want a duration like 500ms, 30s, "
       "5m or 1h, from 1ms to 1h"},
      {head + "---\n" + head, "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:4: got a second document, want one rollout a file"},
      {head + "? [a, b]\n: 1\n", "ROLLOUT_FILE_UNKNOWN_FIELD",
       "r.yaml:3: got the unknown field \"a list\", want one of driver, "
       "selector, waves, limits, failure_tolerance, deadlines"},
  };
  for (const Bad& bad : cases) {
    const absl::Status status = ParseRolloutFile(bad.text, "r.yaml").status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << bad.text;
    EXPECT_EQ(Reason(status), bad.reason) << bad.text;
    EXPECT_EQ(status.message(), bad.message) << bad.text;
  }
}

TEST(RolloutFileTest, RefusesEveryBadSize) {
  for (const char* size : {"0", "0%", "101%", "-1", "'%'", "1.5", "all", "''",
                           "[1]", "99999999999", "25 percent"}) {
    const absl::Status status =
        ParseRolloutFile(absl::StrCat(kHead, "waves:\n- size: ", size), "r")
            .status();
    EXPECT_EQ(Reason(status), "ROLLOUT_FILE_BAD_VALUE") << size;
  }
}

TEST(RolloutFileTest, AFileThatIsNotThereIsSaid) {
  for (const char* path : {"/nowhere/at/all", "/"}) {
    const absl::Status status = LoadRolloutFile(path).status();
    EXPECT_TRUE(absl::IsNotFound(status));
    EXPECT_EQ(Reason(status), "ROLLOUT_FILE_UNREADABLE");
  }
}

TEST(RolloutFileTest, EveryExampleLoads) {
  std::vector<std::string> loaded;
  for (const auto& entry :
       std::filesystem::directory_iterator("deploy/examples")) {
    const auto spec = LoadRolloutFile(entry.path());
    EXPECT_TRUE(spec.ok()) << spec.status();
    loaded.push_back(entry.path().filename());
  }
  std::sort(loaded.begin(), loaded.end());
  EXPECT_EQ(loaded, (std::vector<std::string>{"all-at-once-lab.yaml",
                                              "canary-then-waves.yaml",
                                              "careful-production.yaml"}));
}

}  // namespace
}  // namespace baton::cli
