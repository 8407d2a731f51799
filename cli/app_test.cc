#include "cli/app.h"

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/reason.h"
#include "cli/render/golden.h"
#include "cli/render/tree.h"
#include "cli/test_run.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

using Calls = std::vector<std::string>;

std::string WriteFile(const std::string& name, const std::string& content) {
  std::string path = testing::TempDir() + "/" + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

std::string ReadFile(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

TEST(AppTest, HelpEndsWithZeroAndTheExitCodes) {
  const Ran ran = TestRun().Run({"--help"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_NE(ran.out.find("Exit codes:\n"), std::string::npos);
  EXPECT_EQ(ran.err, "");
}

TEST(AppTest, SaysItsVersion) {
  const Ran ran = TestRun().Run({"--version"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_EQ(ran.out, "0.1.0\n");
}

TEST(AppTest, WrongCommandLinesEndWithTwoAndAskNothing) {
  const std::vector<std::vector<std::string>> lines = {
      {},
      {"nope"},
      {"host"},
      {"host", "get"},
      {"host", "list", "--nope"},
      {"host", "cordon", "host-1"},
      {"rollout", "start", "r1"},
      {"rollout", "get", "r1", "--host", ""},
      {"rollout", "get", "r1", "--host", "host-1", "--updates"},
      {"host", "list", "-o", "xml"},
      {"host", "list", "--timeout", "soon"},
      {"host", "list", "--timeout", "0s"},
      {"host", "list", "--server", "nowhere"},
      {"host", "list", "--user", "a b"},
      {"host", "get", "UPPER"},
      {"rollout", "create", "r1", "-f", "/nowhere"},
      {"driver", "push", "/nowhere"},
  };
  for (const auto& line : lines) {
    TestRun run;
    const Ran ran = run.Run(line);
    EXPECT_EQ(ran.code, 2) << ran.err;
    EXPECT_EQ(ran.err.substr(0, 7), "error: ");
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(run.service().calls(), Calls());
  }
}

TEST(AppTest, AMisspeltCommandIsNamed) {
  EXPECT_EQ(TestRun().Run({"hots", "list"}).err,
            "error: \"hots\" is not a command or flag [USAGE]\n"
            "hint: add --help to see what there is\n");
}

TEST(AppTest, ListsAllPagesInEachFormat) {
  TestRun run;
  const Ran table = run.Run({"host", "list", "--selector", "zone=a"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(table.out, ReadTestdata("host_table.golden"));
  EXPECT_EQ(run.service().calls(),
            (Calls{"ListHosts {filter: \"zone=a\"}",
                   "ListHosts {page_token: \"2\" filter: \"zone=a\"}"}));
  EXPECT_EQ(run.Run({"host", "list", "-o", "wide"}).out,
            ReadTestdata("host_wide.golden"));
  const auto hosts = Sample<v1::ListHostsResponse>("hosts.txtpb");
  EXPECT_EQ(run.Run({"-o", "json", "host", "list"}).out, Json(hosts));
  EXPECT_EQ(run.Run({"host", "--output=yaml", "list"}).out, Yaml(hosts));
  EXPECT_EQ(run.Run({"host", "list", "-q"}).out, "host-1\nhost-2\nhost-3\n");
}

TEST(AppTest, SaysWhoCalls) {
  TestRun run;
  run.Run({"host", "list"});
  EXPECT_EQ(run.service().last_user(), "tester");
  run.environment["BATON_USER"] = "ana";
  run.Run({"host", "list"});
  EXPECT_EQ(run.service().last_user(), "ana");
  run.Run({"host", "list", "--user", "ben"});
  EXPECT_EQ(run.service().last_user(), "ben");
}

TEST(AppTest, HostVerbs) {
  TestRun run;
  EXPECT_EQ(run.Run({"host", "get", "hosts/host-1"}).out,
            ReadTestdata("host_get.golden"));
  EXPECT_EQ(run.Run({"host", "cordon", "host-2", "--reason", "fan"}).out,
            "host host-2 is cordoned; rollouts keep away\n"
            "what rollout r1 does on it now goes on to its end\n");
  EXPECT_EQ(run.service().last_request_id(),
            "0000000000000abc0000000000000abc");
  EXPECT_EQ(run.Run({"host", "uncordon", "host-2"}).out,
            "host host-2 is no longer cordoned\n");
  EXPECT_EQ(run.service().calls(),
            (Calls{"GetHost {name: \"hosts/host-1\"}",
                   "CordonHost {name: \"hosts/host-2\" reason: \"fan\"}",
                   "UncordonHost {name: \"hosts/host-2\"}"}));
}

TEST(AppTest, LabelsAHost) {
  TestRun run;
  const Ran set = run.Run(
      {"host", "label", "host-1", "tier=gold", "zone=b=c", "old-", "-q"});
  EXPECT_EQ(set.code, 0) << set.err;
  const Ran removed = run.Run({"host", "label", "host-1", "zone-"});
  EXPECT_EQ(removed.out, "host host-1 has labels rack=r1,zone=a\n");
  EXPECT_EQ(removed.err,
            "note: the host's agent says zone, which is not removed here\n");
  const std::vector<std::string> calls = run.service().calls();
  ASSERT_EQ(calls.size(), 4u);
  EXPECT_EQ(calls[0], "GetHost {name: \"hosts/host-1\"}");
  // Maps have no order.
  for (const char* part :
       {"UpdateHost {name: \"hosts/host-1\"",
        "operator_labels { key: \"tier\" value: \"gold\" }",
        "operator_labels { key: \"zone\" value: \"b=c\" }", "etag: \"e1\"}"}) {
    EXPECT_NE(calls[1].find(part), std::string::npos) << calls[1];
  }
  EXPECT_EQ(calls[3], "UpdateHost {name: \"hosts/host-1\" etag: \"e1\"}");
  EXPECT_EQ(run.service().last_request_id(),
            "0000000000000abc0000000000000abc");
}

TEST(AppTest, KeepsTheOtherLabelsOfAHost) {
  TestRun run;
  EXPECT_EQ(run.Run({"host", "label", "host-3", "tier=gold"}).out,
            "host host-3 has labels owner=ana,tier=gold\n");
  EXPECT_EQ(run.Run({"host", "label", "host-3", "owner-"}).err, "");
  EXPECT_EQ(run.service().calls().back(),
            "UpdateHost {name: \"hosts/host-3\"}");
}

TEST(AppTest, LabelsThatAreNoneAreNotAskedFor) {
  for (const char* word : {"tier", "=gold", "-", ""}) {
    TestRun run;
    const Ran ran = run.Run({"host", "label", "host-1", word});
    EXPECT_EQ(ran.code, 2) << word << ran.err;
    EXPECT_EQ(run.service().calls(), Calls());
  }
  EXPECT_EQ(TestRun().Run({"host", "label", "host-1"}).code, 2);
}

TEST(AppTest, RolloutFlow) {
  TestRun run;
  const std::string create =
      "CreateRollout {name: \"rollouts/r1\" spec { driver: "
      "\"drivers/softgpu/versions/2.0\" selector: \"*\" }}";
  const std::string file =
      WriteFile("r.yaml", "driver: softgpu/2.0\nselector: \"*\"\n");
  EXPECT_EQ(run.Run({"rollout", "create", "r1", "-f", file}).out,
            "rollout r1 is DRAFT\nnext: baton rollout plan r1\n");
  const Ran planned = run.Run({"rollout", "plan", "r1"});
  EXPECT_EQ(planned.out, ReadTestdata("plan.golden"));
  // Of 1.0, which most hosts run, there is a package.
  EXPECT_EQ(planned.err.rfind("note: softgpu-open/1.0 is not stored, ", 0), 0u)
      << planned.err;
  EXPECT_NE(planned.err.find("note: softgpu/0.9 is not stored, "),
            std::string::npos)
      << planned.err;
  EXPECT_EQ(planned.err.find("softgpu/1.0"), std::string::npos);
  const Ran quiet = run.Run({"rollout", "plan", "r1", "-q"});
  EXPECT_EQ(quiet.out, "sha256:d1\n");
  EXPECT_EQ(quiet.err, "");
  EXPECT_EQ(run.Run({"rollout", "start", "r1", "--digest", "sha256:d1",
                     "--server", "unix:/s"})
                .out,
            "rollout r1 is RUNNING\n"
            "next: baton --server unix:/s rollout watch r1\n");
  EXPECT_EQ(run.Run({"rollout", "hold", "r1", "--reason", "lunch"}).out,
            "rollout r1 is HELD\nnext: baton rollout resume r1\n");
  EXPECT_EQ(run.Run({"rollout", "resume", "r1", "--accept-failures"}).out,
            "rollout r1 is RUNNING\nnext: baton rollout watch r1\n");
  EXPECT_EQ(run.Run({"rollout", "approve", "r1", "--digest", "sha256:d1",
                     "--wave", "rest", "--remark", "fine"})
                .out,
            "rollout r1 is RUNNING\n");
  EXPECT_EQ(
      run.service().calls(),
      (Calls{create, "PlanRollout {name: \"rollouts/r1\"}", "ListDrivers {}",
             "PlanRollout {name: \"rollouts/r1\"}",
             "StartRollout {name: \"rollouts/r1\" digest: \"sha256:d1\"}",
             "HoldRollout {name: \"rollouts/r1\" reason: \"lunch\"}",
             "ResumeRollout {name: \"rollouts/r1\" accept_failures: true}",
             ("ApproveRollout {name: \"rollouts/r1\" digest: \"sha256:d1\" "
              "wave: \"rest\" remark: \"fine\"}")}));
}

TEST(AppTest, LintAsksNobodyAndListsAllThatIsWrong) {
  TestRun run;
  const std::string good =
      WriteFile("good.yaml", "driver: a/1\nselector: \"*\"\n");
  EXPECT_EQ(run.Run({"rollout", "lint", good}).out, good + " is well formed\n");
  const std::string bad = WriteFile("bad.yaml", "driver: a\nsize: 1\n");
  const Ran ran = run.Run({"rollout", "lint", bad});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.out, "");
  EXPECT_EQ(
      ran.err.rfind("error: " + bad + ":1: got no \"selector\", want one\n" +
                        "       " + bad + ":1: driver: got \"a\"",
                    0),
      0u)
      << ran.err;
  EXPECT_NE(ran.err.find("\n       " + bad + ":2: got the unknown field"),
            std::string::npos);
  EXPECT_EQ(run.service().calls(), Calls());
}

TEST(AppTest, AFilesRequestIdIsSent) {
  TestRun run;
  run.Run({"rollout", "create", "r1", "-f",
           WriteFile("id.yaml",
                     "driver: a/1\nselector: \"*\"\nrequest_id: change-1\n")});
  EXPECT_EQ(run.service().last_request_id(), "change-1");
}

TEST(AppTest, AbortSaysWhatItMeansAndAsks) {
  const std::string effects = ReadTestdata("effects.golden");
  const std::vector<std::string> line = {"rollout", "abort", "r1", "--reason",
                                         "bad"};
  TestRun run;
  run.answer = "yes";
  const Ran agreed = run.Run(line);
  EXPECT_EQ(agreed.code, 0);
  EXPECT_EQ(agreed.err, effects);
  EXPECT_EQ(agreed.out,
            "rollout r1 is ABORTING\nnext: baton rollout watch r1\n");
  EXPECT_EQ(run.questions, std::vector<std::string>{"abort r1?"});
  EXPECT_EQ(run.service().calls(),
            (Calls{"AbortRollout {name: \"rollouts/r1\" reason: \"bad\" "
                   "validate_only: true}",
                   "AbortRollout {name: \"rollouts/r1\" reason: \"bad\"}"}));

  TestRun no;
  no.answer = "no";
  const Ran refused = no.Run(line);
  EXPECT_EQ(refused.code, 1);
  EXPECT_EQ(refused.err,
            effects + "error: nothing was changed [NOT_CONFIRMED]\n");
  EXPECT_EQ(no.service().calls().size(), 1u);

  TestRun nobody;
  EXPECT_EQ(nobody.Run(line).code, 2);
  EXPECT_EQ(nobody.service().calls(), Calls());
  EXPECT_EQ(
      nobody.Run({"rollout", "abort", "r1", "--reason", "bad", "--yes"}).code,
      0);
  EXPECT_EQ(nobody.service().calls().size(), 2u);
}

TEST(AppTest, ADryRunChangesNothing) {
  TestRun run;
  const std::string effects = ReadTestdata("effects.golden");
  for (const char* verb : {"pause", "abort"}) {
    EXPECT_EQ(
        run.Run({"rollout", verb, "r1", "--reason", "x", "--dry-run"}).out,
        effects + "rollout r1 is RUNNING\n");
  }
  EXPECT_EQ(
      run.Run({"rollout", "rollback", "r1", "--reason", "x", "--dry-run"}).out,
      "no host is in flight\n1 host with the new driver will be taken back\n");
  for (const std::string& call : run.service().calls()) {
    EXPECT_NE(call.find("validate_only: true"), std::string::npos) << call;
  }
}

TEST(AppTest, PauseAndRollBack) {
  TestRun run;
  EXPECT_EQ(run.Run({"rollout", "pause", "r1", "--reason", "x"}).out,
            ReadTestdata("effects.golden") +
                "rollout r1 is HELD\nnext: baton rollout resume r1\n");
  const Ran back =
      run.Run({"rollout", "rollback", "r1", "--reason", "x", "-y"});
  EXPECT_EQ(back.err,
            "no host is in flight\n1 host with the new driver will be taken "
            "back\n");
  EXPECT_EQ(back.out,
            "rollout r1 is ABORTED\nrollout r1-rollback takes its hosts back\n"
            "next: baton rollout watch r1-rollback\n");
}

TEST(AppTest, UpdateVerbs) {
  TestRun run;
  EXPECT_EQ(run.Run({"update", "get", "r1/host-3"}).out,
            ReadTestdata("update_get.golden"));
  EXPECT_EQ(run.Run({"update", "get", "r1/host-3", "--capsule"}).out,
            ReadTestdata("capsule.golden"));
  EXPECT_EQ(run.Run({"update", "skip", "rollouts/r1/updates/host-4", "--reason",
                     "disk"})
                .out,
            "host host-4 is PENDING\n");
  EXPECT_EQ(run.Run({"update", "retry", "r1/host-3", "--reason", "mended"}).out,
            "host host-3 is ROLLED_BACK\n");
  EXPECT_EQ(run.service().calls(),
            (Calls{"GetUpdate {name: \"rollouts/r1/updates/host-3\"}",
                   "GetCapsule {name: \"rollouts/r1/updates/host-3\"}",
                   "SkipUpdate {name: \"rollouts/r1/updates/host-4\" reason: "
                   "\"disk\"}",
                   "RetryUpdate {name: \"rollouts/r1/updates/host-3\" reason: "
                   "\"mended\"}"}));
  EXPECT_EQ(run.Run({"update", "get", "r1/host-1", "--capsule"}).code, 3);
  EXPECT_EQ(run.Run({"update", "get", "host-1"}).code, 2);
}

TEST(AppTest, VerbsForAHostThatIsGoneOrWell) {
  TestRun run;
  EXPECT_EQ(run.Run({"host", "release", "host-1", "--reason", "burnt"}).out,
            "host host-1 holds no slot any more and is READY\n");
  EXPECT_EQ(
      run.Run({"host", "quarantine", "host-1", "--lift", "--reason", "ok"}).out,
      "host host-1 is no longer quarantined; it is READY\n");
  EXPECT_EQ(run.Run({"host", "delete", "host-1", "--reason", "sold"}).out,
            "host host-1 is forgotten\n");
  EXPECT_EQ(run.service().calls(),
            (Calls{"ReleaseHost {name: \"hosts/host-1\" reason: \"burnt\"}",
                   "LiftQuarantine {name: \"hosts/host-1\" reason: \"ok\"}",
                   "DeleteHost {name: \"hosts/host-1\" reason: \"sold\"}"}));
  EXPECT_EQ(run.Run({"host", "quarantine", "host-1", "--reason", "x"}).code, 2);
}

TEST(AppTest, FleetVerbs) {
  TestRun run;
  const std::string fleet = ReadTestdata("fleet.golden");
  EXPECT_EQ(run.Run({"fleet", "show"}).out, fleet);
  EXPECT_EQ(
      run.Run({"fleet", "freeze", "--for", "1h", "--reason", "quarter"}).out,
      fleet);
  EXPECT_EQ(run.Run({"fleet", "freeze", "--until", "2024-05-18T09:32:12Z",
                     "--reason", "quarter"})
                .out,
            fleet);
  EXPECT_EQ(run.Run({"fleet", "unfreeze", "--reason", "done"}).out, fleet);
  EXPECT_EQ(run.Run({"fleet", "emergency-stop", "--reason", "fire"}).out,
            fleet);
  EXPECT_EQ(run.Run({"fleet", "lift", "--reason", "out"}).out, fleet);
  EXPECT_EQ(run.Run({"history"}).out, ReadTestdata("history.golden"));
  EXPECT_EQ(run.service().calls(),
            (Calls{"GetFleet {}",
                   ("FreezeFleet {reason: \"quarter\" end_time { seconds: "
                    "1715941932 }}"),
                   ("FreezeFleet {reason: \"quarter\" end_time { seconds: "
                    "1716024732 }}"),
                   "UnfreezeFleet {reason: \"done\"}",
                   "EmergencyStop {reason: \"fire\"}",
                   "LiftEmergencyStop {reason: \"out\"}", "ListHistory {}"}));
  for (const char* until : {"tomorrow", "2024-05-18"}) {
    EXPECT_EQ(
        run.Run({"fleet", "freeze", "--until", until, "--reason", "x"}).code,
        2);
  }
  EXPECT_EQ(run.Run({"fleet", "freeze", "--reason", "x"}).code, 2);
}

TEST(AppTest, RolloutViews) {
  TestRun run;
  EXPECT_EQ(run.Run({"rollout", "get", "r1"}).out,
            ReadTestdata("rollout_get.golden"));
  EXPECT_EQ(run.Run({"rollout", "get", "r1", "-q"}).out, "RUNNING\n");
  EXPECT_EQ(run.Run({"rollout", "get", "r1", "--updates"}).out,
            ReadTestdata("update_table.golden"));
  EXPECT_EQ(run.Run({"rollout", "get", "r1", "--host", "host-3"}).out,
            ReadTestdata("update_get.golden"));
  EXPECT_EQ(run.Run({"rollout", "list", "-q"}).out, "r1\n");
  EXPECT_EQ(run.Run({"driver", "list"}).out,
            ReadTestdata("driver_table.golden"));
  EXPECT_EQ(run.Run({"audit", "list", "--resource", "rollouts/r1"}).out,
            ReadTestdata("audit_table.golden"));
  EXPECT_EQ(run.service().calls().back(),
            "ListAuditRecords {resource: \"rollouts/r1\"}");
}

TEST(AppTest, DeletesARollout) {
  TestRun run;
  EXPECT_EQ(run.Run({"rollout", "delete", "r1"}).out,
            "rollout r1 is forgotten\n");
  EXPECT_EQ(run.service().last_request_id(),
            "0000000000000abc0000000000000abc");
  const Ran unknown = run.Run({"rollout", "delete", "rollouts/none"});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_EQ(run.service().calls(),
            (Calls{"DeleteRollout {name: \"rollouts/r1\"}",
                   "DeleteRollout {name: \"rollouts/none\"}"}));
  EXPECT_EQ(run.Run({"rollout", "delete"}).code, 2);

  run.service().FailWith(ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                                         "HOST_QUARANTINED", "m"));
  const Ran refused = run.Run({"rollout", "delete", "r1"});
  EXPECT_EQ(refused.code, 4);
  EXPECT_EQ(refused.err,
            "error: m [HOST_QUARANTINED]\n"
            "hint: look at what is kept of it with baton update get r1/HOST "
            "--capsule; once it is well: baton host quarantine HOST --lift "
            "--reason TEXT\n");
}

// Nothing else made room on the service's disk.
TEST(AppTest, DeletesADriver) {
  TestRun run;
  EXPECT_EQ(run.Run({"driver", "delete", "softgpu/1.0"}).out,
            "driver softgpu/1.0 is deleted\n");
  EXPECT_EQ(run.service().last_request_id(),
            "0000000000000abc0000000000000abc");
  EXPECT_EQ(run.service().calls(),
            (Calls{"DeleteDriver {name: "
                   "\"drivers/softgpu/versions/1.0\"}"}));
  EXPECT_EQ(run.Run({"driver", "delete", "softgpu"}).code, 2);
}

TEST(AppTest, WhyTriesRolloutsThenHosts) {
  TestRun run;
  EXPECT_EQ(run.Run({"why", "r1"}).out, ReadTestdata("why.golden"));
  EXPECT_EQ(run.Run({"why", "rollouts/r1"}).out, ReadTestdata("why.golden"));
  const Ran host = run.Run({"why", "host-1"});
  EXPECT_EQ(host.out.substr(0, 13), "hosts/host-1:");
  EXPECT_EQ(run.service().calls(),
            (Calls{"ExplainRollout {name: \"rollouts/r1\"}",
                   "ExplainRollout {name: \"rollouts/r1\"}",
                   "ExplainRollout {name: \"rollouts/host-1\"}",
                   "ExplainHost {name: \"hosts/host-1\"}"}));
  const Ran neither = run.Run({"why", "nobody"});
  EXPECT_EQ(neither.code, 3);
  EXPECT_EQ(neither.err,
            "error: there is neither a rollout nor a host \"nobody\" "
            "[NO_SUCH_OBJECT]\n"
            "hint: see baton rollout list and baton host list\n");
}

TEST(AppTest, WhyTakesAWaveOfARollout) {
  TestRun run;
  const Ran wave = run.Run({"why", "r1", "--wave", "canary"});
  EXPECT_EQ(wave.out.rfind("rollouts/r1/waves/canary: ", 0), 0u) << wave.out;
  EXPECT_EQ(run.service().calls(),
            (Calls{"ExplainRollout {name: \"rollouts/r1\" wave: \"canary\"}"}));
}

TEST(AppTest, WhySaysWhatItTakes) {
  TestRun run;
  const Ran ran = run.Run({"why", "demo/x"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(
      ran.err,
      "error: got \"demo/x\", want rollouts/NAME, hosts/NAME or NAME; one "
      "host's part in a rollout is shown by `update get ROLLOUT/HOST` "
      "[BAD_NAME]\n");
  EXPECT_EQ(run.service().calls(), Calls());
}

TEST(AppTest, WhyDoesNotTakeAnAwayServiceForAMissingRollout) {
  TestRun run;
  run.service().FailWith(absl::UnavailableError("gone"));
  EXPECT_EQ(run.Run({"why", "r1"}).code, 5);
}

struct Refusal {
  absl::Status status = absl::OkStatus();
  int code = 0;
};

TEST(AppTest, RefusalsHaveAnExitCodeAndAReason) {
  const std::vector<Refusal> refusals = {
      {ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_REASON", "m"),
       1},
      {ErrorWithReason(absl::StatusCode::kNotFound, "ROLLOUT_NOT_FOUND", "m"),
       3},
      {ErrorWithReason(absl::StatusCode::kAborted, "ETAG_MISMATCH", "m"), 4},
      {ErrorWithReason(absl::StatusCode::kUnavailable, "SERVICE_STOPPING", "m"),
       5},
  };
  for (const Refusal& refusal : refusals) {
    TestRun run;
    run.service().FailWith(refusal.status);
    const Ran ran = run.Run({"rollout", "hold", "r1", "--reason", "x"});
    EXPECT_EQ(ran.code, refusal.code) << ran.err;
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err.rfind("error: m [" + Reason(refusal.status) + "]\n", 0),
              0u)
        << ran.err;
  }
}

TEST(AppTest, PackThenPushSendsTheVeryBytes) {
  TestRun run;
  // Larger than one message, and hard to compress away.
  std::string image;
  for (int i = 0; i < 60000; ++i) image += Sha256Of(std::to_string(i));
  const std::string path = WriteFile("driver.so", image);
  const std::string package = testing::TempDir() + "/softgpu.pkg";
  const Ran packed = run.Run({"driver", "pack", "--driver", "softgpu",
                              "--version", "2.0", "--image", path, "--pci-id",
                              "1b70:0001", "--pci-id", "1b70:0002", "--writes",
                              "2", "--reads", "1,2", "--out", package, "-q"});
  ASSERT_EQ(packed.code, 0) << packed.err;
  const std::string bytes = ReadFile(package);
  EXPECT_GT(bytes.size(), size_t{1} << 20);
  EXPECT_EQ(packed.out, Sha256Of(bytes) + "\n");

  const Ran pushed = run.Run({"driver", "push", package});
  ASSERT_EQ(pushed.code, 0) << pushed.err;
  EXPECT_EQ(pushed.out, "stored softgpu/2.0 " + Sha256Of(bytes) + "\n");
  EXPECT_EQ(run.service().uploaded(), bytes);
  EXPECT_EQ(run.service().calls(),
            (Calls{"UploadDriver {name: \"drivers/softgpu/versions/2.0\" "
                   "digest: \"" +
                   Sha256Of(bytes) +
                   "\" size_bytes: " + std::to_string(bytes.size()) + "}"}));

  run.service().FailWith(ErrorWithReason(absl::StatusCode::kAlreadyExists,
                                         "DRIVER_EXISTS", "other bytes"));
  const Ran again = run.Run({"driver", "push", package});
  EXPECT_EQ(again.code, 4);
  EXPECT_EQ(again.err,
            "error: other bytes [DRIVER_EXISTS]\nhint: a version never changes "
            "once stored; pack it under another version\n");
}

TEST(AppTest, PushRefusesWhatIsNoPackage) {
  TestRun run;
  const Ran ran = run.Run({"driver", "push", WriteFile("no.pkg", "no")});
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(run.service().calls(), Calls());
}

}  // namespace
}  // namespace baton::cli
