#include "cli/rollout_file.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/support/every_field.h"

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
    coverage: true
    bake: 5m
    approvals: 2
    hold_after: true
    failure_tolerance: {hosts: 0, percent: 10%}
  - size: 25%
  - {name: all, size: rest, bake: 1h30m}
limits:
  max_unavailable: 2
  max_unavailable_percent: 10%
  domains:
    - {label: rack, max_unavailable: 1}
    - {label: topology.example.com/zone, max_unavailable: 5}
failure_tolerance:
  hosts: 0
  percent: 5
on_exceeded: ROLL_BACK
blackout:
  per_vgpu_max: 2s
  p99_max: 500ms
retry: {attempts: 3, backoff: 1m}
windows:
  - days: [mon, sun]
    from: "22:00"
    to: 04:30
    time_zone: Europe/Berlin
    cutoff: CANCEL_BEFORE_UNLOAD
  - {from: "00:00", to: "23:59", time_zone: UTC, cutoff: FINISH}
hooks: {before: drain-note, after: undrain}
require:
  rollback_path: false
  spare_memory: 1GiB
request_id: change-4711
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
  whole: 48h
)",
                                     "r.yaml");
  ASSERT_TRUE(spec.ok()) << spec.status();
  const v1::RolloutSpec want = Spec(R"(
    driver: "drivers/softgpu/versions/2.0"
    selector: "zone=a,tier!=gold"
    waves {
      name: "canary"
      hosts: 1
      bake { seconds: 300 }
      coverage: true
      approvals: 2
      hold_after: true
      failure_tolerance { hosts: 0 percent: 10 }
    }
    waves { percent: 25 }
    waves { name: "all" rest: true bake { seconds: 5400 } }
    limits {
      max_unavailable: 2
      max_unavailable_percent: 10
      domains { label: "rack" max_unavailable: 1 }
      domains { label: "topology.example.com/zone" max_unavailable: 5 }
    }
    failure_tolerance { hosts: 0 percent: 5 }
    on_exceeded: ON_EXCEEDED_ROLL_BACK
    blackout { per_vgpu_max { seconds: 2 } p99_max { nanos: 500000000 } }
    retry { attempts: 3 backoff { seconds: 60 } }
    windows {
      days: [ WEEKDAY_MONDAY, WEEKDAY_SUNDAY ]
      from: "22:00"
      to: "04:30"
      time_zone: "Europe/Berlin"
      cutoff: WINDOW_CUTOFF_CANCEL_BEFORE_UNLOAD
    }
    windows {
      from: "00:00"
      to: "23:59"
      time_zone: "UTC"
      cutoff: WINDOW_CUTOFF_FINISH
    }
    hooks { before: "drain-note" after: "undrain" }
    require { rollback_path: false spare_memory_bytes: 1073741824 }
    deadline { seconds: 172800 }
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
  EXPECT_TRUE(MessageDifferencer::Equals(spec->spec, want))
      << spec->spec.DebugString();
  EXPECT_EQ(spec->request_id, "change-4711");
  // What a person cannot write here is the service's to set.
  v1::RolloutSpec first = spec->spec;
  first.mutable_waves()->DeleteSubrange(1, 2);
  first.mutable_windows()->DeleteSubrange(1, 1);
  EXPECT_THAT(support::UnsetFieldsOf(first),
              testing::ElementsAre("rollback_of"));
}

TEST(RolloutFileTest, WhatIsLeftOutStaysAbsent) {
  const auto spec = ParseRolloutFile("driver: a/1\nselector: \"*\"\n", "r");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_TRUE(MessageDifferencer::Equals(
      spec->spec, Spec(R"(driver: "drivers/a/versions/1" selector: "*")")));
  EXPECT_EQ(spec->request_id, "");
}

struct Bad {
  std::string text = "";
  std::string reason = "";
  std::string message = "";
};

constexpr char kKeys[] =
    "driver, selector, waves, limits, failure_tolerance, on_exceeded, "
    "blackout, deadlines, retry, windows, hooks, require, request_id";

constexpr char kHead[] = "driver: a/1\nselector: \"*\"\n";

TEST(RolloutFileTest, RefusesAndSaysWhere) {
  const std::string head = kHead;
  const std::vector<Bad> cases = {
      {"", "ROLLOUT_FILE_BAD_VALUE",
       absl::StrCat("r.yaml:1: got nothing, want a mapping with ", kKeys)},
      {"driver: [a\n", "ROLLOUT_FILE_SYNTAX",
       "r.yaml:2: not YAML: end of sequence flow not found"},
      {"driver: a/1\n", "ROLLOUT_FILE_MISSING_FIELD",
       "r.yaml:1: got no \"selector\", want one"},
      {head + "wave: []\n", "ROLLOUT_FILE_UNKNOWN_FIELD",
       absl::StrCat("r.yaml:3: got the unknown field \"wave\", want one of ",
                    kKeys)},
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
       "r.yaml:3: waves: got a list, want 1 to 100 waves, or no field"},
      {head + "waves:\n- name: x\n", "ROLLOUT_FILE_MISSING_FIELD",
       "r.yaml:4: waves[0]: got no \"size\", want one"},
      {head + "waves:\n- size: 1\n  soak: 5m\n", "ROLLOUT_FILE_UNKNOWN_FIELD",
       "r.yaml:5: waves[0]: got the unknown field \"soak\", want one of name, "
       "size, coverage, bake, approvals, hold_after, failure_tolerance"},
      {head + "waves:\n- size: rest\n- size: 1\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:5: waves[1]: got a mapping, want no wave after the one of size "
       "\"rest\""},
      {head + "waves:\n- size: 1\n  bake: 5\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:5: waves[0].bake: got \"5\", want a duration like 500ms, 30s, "
       "5m or 1h, from 0 to 720h"},
      {head + "limits: {max_unavailable: 25%}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: limits.max_unavailable: got \"25%\", want a number from 1 "
       "to 100000; a percentage goes into max_unavailable_percent"},
      {head + "limits: {max_unavailable: 0}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: limits.max_unavailable: got \"0\", want a number from 1 to "
       "100000"},
      {head + "limits: {max_unavailable_percent: 0%}\n",
       "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: limits.max_unavailable_percent: got \"0%\", want a "
       "percentage "
       "from \"1%\" to \"100%\""},
      {head + "failure_tolerance: 1\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: failure_tolerance: got \"1\", want a mapping with hosts, "
       "percent"},
      {head + "failure_tolerance: {hosts: -1}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: failure_tolerance.hosts: got \"-1\", want a number from 0 "
       "to 100000"},
      {head + "deadlines: {save: 0s}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: deadlines.save: got \"0s\", want a duration like 500ms, 30s, "
       "5m or 1h, from 1ms to 1h"},
      {head + "deadlines: {save: 2h}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: deadlines.save: got \"2h\", want a duration like 500ms, 30s, "
       "5m or 1h, from 1ms to 1h"},
      {head + "---\n" + head, "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:4: got a second document, want one rollout a file"},
      {head + "? [a, b]\n: 1\n", "ROLLOUT_FILE_UNKNOWN_FIELD",
       absl::StrCat("r.yaml:3: got the unknown field \"a list\", want one of ",
                    kKeys)},
      {"driver: a/1\nselector: \"a in\"\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:2: selector: got \"a in\", want a label selector like "
       "\"zone=a,tier!=gold\", or \"*\" for every host (selector 'a in': at "
       "position 5 got the end, want '(')"},
      {head + "waves:\n- {name: A, size: 1}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:4: waves[0].name: got \"A\", want a name, at most 63 of "
       "[a-z0-9-]"},
      {head + "waves:\n- {name: wave-2, size: 1}\n- size: 1\n",
       "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:4: waves: got the name \"wave-2\" twice, want unique names"},
      {head + "waves:\n- size: 60%\n- size: 50%\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:4: waves: got 110% in all waves, want at most 100%"},
      {head + "waves:\n- {size: 1, approvals: 11}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:4: waves[0].approvals: got \"11\", want a number from 0 to 10"},
      {head + "waves:\n- {size: 1, coverage: yes}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:4: waves[0].coverage: got \"yes\", want true or false"},
      {head + "limits: {domains: [{label: rack}]}\n",
       "ROLLOUT_FILE_MISSING_FIELD",
       "r.yaml:3: limits.domains[0]: got no \"max_unavailable\", want one"},
      {head + "limits: {domains: [{label: a b, max_unavailable: 1}]}\n",
       "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: limits.domains[0].label: got \"a b\", want the key of a "
       "label, e.g. \"rack\""},
      {head + "on_exceeded: PANIC\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: on_exceeded: got \"PANIC\", want one of HOLD, ROLL_BACK"},
      {head + "retry: {attempts: 0}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: retry.attempts: got \"0\", want a number from 1 to 10"},
      {head + "windows: [{from: '24:00', to: '1:00', time_zone: Mars}]\n",
       "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: windows[0].from: got \"24:00\", want a local time from "
       "\"00:00\" to \"23:59\"\n"
       "r.yaml:3: windows[0].to: got \"1:00\", want a local time from "
       "\"00:00\" to \"23:59\"\n"
       "r.yaml:3: windows[0].time_zone: got \"Mars\", want a name of the IANA "
       "database such as \"Europe/Berlin\", or \"UTC\""},
      {head + "windows: [{days: [mon, mon], from: '00:00', to: '01:00', "
              "time_zone: UTC}]\n",
       "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: windows[0].days[1]: got \"mon\", want each day at most once"},
      {head + "hooks: {before: /bin/sh}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: hooks.before: got \"/bin/sh\", want the name of a hook of "
       "the agents, at most 63 of [a-z0-9-]"},
      {head + "require: {spare_memory: 2TiB}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: require.spare_memory: got \"2TiB\", want a size like 256MiB "
       "or 1GiB, at most 1TiB"},
      {head + "require: {spare_memory: 1MiBKiB}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: require.spare_memory: got \"1MiBKiB\", want a size like "
       "256MiB "
       "or 1GiB, at most 1TiB"},
      {head + "deadlines: {whole: 30s}\n", "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: deadlines.whole: got \"30s\", want a duration like 500ms, "
       "30s, 5m or 1h, from 1m to 8760h"},
      {head + "request_id: " + std::string(65, 'x') + "\n",
       "ROLLOUT_FILE_BAD_VALUE",
       "r.yaml:3: request_id: got \"" + std::string(65, 'x') +
           "\", want a unique string of at most 64 bytes"},
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
  EXPECT_EQ(loaded, (std::vector<std::string>{
                        "all-at-once-lab.yaml", "canary-then-waves.yaml",
                        "careful-production.yaml", "nights-by-rack.yaml"}));
}

}  // namespace
}  // namespace baton::cli
