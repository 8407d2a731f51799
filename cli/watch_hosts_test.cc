#include "cli/watch_hosts.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "cli/render/golden.h"
#include "cli/render/tree.h"
#include "cli/test_run.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

using Then = FakeService::Then;

constexpr char kTime[] = "2024-05-17T09:32:12Z ";

v1::WatchHostsResponse Everything() {
  v1::WatchHostsResponse message;
  *message.mutable_hosts() =
      Sample<v1::ListHostsResponse>("hosts.txtpb").hosts();
  return message;
}

v1::WatchHostsResponse Deleted(const std::string& name) {
  v1::WatchHostsResponse message;
  message.add_deleted(name);
  return message;
}

// The first host, in another state.
v1::WatchHostsResponse Offline() {
  v1::WatchHostsResponse message;
  *message.add_hosts() = Everything().hosts(0);
  message.mutable_hosts(0)->set_state(v1::HOST_STATE_OFFLINE);
  return message;
}

std::string Lines(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    absl::StrAppend(&text, kTime, line, "\n");
  }
  return text;
}

const std::vector<std::string> kFirst = {
    "host-1 READY softgpu/1.0 labels rack=r1,zone=a",
    "host-2 UPDATING softgpu/2.0 rollout r1 cordoned by ana: fan is loud",
    "host-3 UNHEALTHY none the shim reports a broken adapter labels "
    "owner=ana"};

// Watches until the scripts are over: the last one ends so.
const absl::Status kOver =
    ErrorWithReason(absl::StatusCode::kPermissionDenied, "OVER", "over");

TEST(WatchHostsTest, OneLineAHostThenOneAChange) {
  TestRun run;
  run.service().ScriptHosts(
      {{.messages = {Everything(), Offline(), Offline(),
                     Deleted("hosts/host-1"), Everything()},
        .end = kOver}});
  const Ran ran = run.Run({"host", "watch", "-l", "zone=a"});
  EXPECT_EQ(ran.code, 1);
  // Whoever comes back is told anew, who is as before is not.
  EXPECT_EQ(
      ran.out,
      Lines(kFirst) + Lines({"host-1 OFFLINE softgpu/1.0 labels rack=r1,zone=a",
                             "host-1 DELETED", kFirst[0]}));
  EXPECT_EQ(ran.err, "error: over [OVER]\n");
  EXPECT_EQ(run.service().calls(),
            std::vector<std::string>{"WatchHosts {filter: \"zone=a\"}"});
}

// It was as before but for its labels, and nothing was shown.
TEST(Regression, AHostThatMatchesNoLongerIsShownOnceMore) {
  v1::WatchHostsResponse other = Everything();
  other.mutable_hosts()->DeleteSubrange(1, other.hosts_size() - 1);
  (*other.mutable_hosts(0)->mutable_labels())["zone"] = "b";
  TestRun run;
  run.service().ScriptHosts(
      {{.messages = {Everything(), other}, .end = kOver}});
  const Ran ran = run.Run({"host", "watch", "-l", "zone=a"});
  EXPECT_EQ(ran.out, Lines(kFirst) + Lines({"host-1 READY softgpu/1.0 labels "
                                            "rack=r1,zone=b"}));
}

TEST(WatchHostsTest, AServiceThatComesBackIsGoneOnWith) {
  TestRun run;
  run.service().ScriptHosts(
      {{.messages = {Everything()}, .end = absl::UnavailableError("restart")},
       {.end = absl::UnavailableError("still away")},
       {.messages = {Everything(), Offline()}, .end = kOver}});
  const Ran ran = run.Run({"host", "watch"});
  EXPECT_EQ(ran.out,
            Lines(kFirst) +
                Lines({"host-1 OFFLINE softgpu/1.0 labels rack=r1,zone=a"}));
  EXPECT_EQ(ran.err,
            "the service went away; trying again\n"
            "the service is back\n"
            "error: over [OVER]\n");
}

TEST(WatchHostsTest, AServiceThatWasNeverThereIsAnErrorAtOnce) {
  TestRun run;
  run.service().FailWith(absl::UnavailableError("refused"));
  EXPECT_EQ(run.Run({"host", "watch"}).code, 5);
  EXPECT_EQ(run.service().calls().size(), 1u);
}

TEST(WatchHostsTest, CtrlCAndTimeoutEndIt) {
  const FakeService::HostsScript open = {.messages = {Everything()},
                                         .then = Then::kStayOpen};
  TestRun interrupted;
  interrupted.interrupted = true;
  interrupted.service().ScriptHosts({open});
  EXPECT_EQ(interrupted.Run({"host", "watch"}).code, 130);
  TestRun late;
  late.service().ScriptHosts({open});
  const Ran ran = late.Run({"host", "watch", "--timeout", "300ms"});
  EXPECT_EQ(ran.code, 6);
  EXPECT_EQ(ran.err, "error: hosts were watched for 300ms [WATCH_TIMED_OUT]\n");
}

TEST(WatchHostsTest, ProgramsGetMessagesAndScriptsNames) {
  const FakeService::HostsScript script = {
      .messages = {Offline(), Deleted("hosts/host-1")}, .end = kOver};
  TestRun run;
  run.service().ScriptHosts({script, script});
  EXPECT_EQ(
      run.Run({"host", "watch", "-o", "json"}).out,
      JsonLine(Offline()) + "\n" + JsonLine(Deleted("hosts/host-1")) + "\n");
  EXPECT_EQ(run.Run({"host", "watch", "-q"}).out, "host-1\nhost-1\n");
}

}  // namespace
}  // namespace baton::cli
