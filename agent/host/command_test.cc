#include "agent/host/command.h"

#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

// Writes a shell script and returns its path.
std::string Script(const std::string& name, const std::string& body) {
  std::string path = ::testing::TempDir() + "/command_test_" + name;
  std::ofstream(path) << "#!/bin/sh\n" << body;
  chmod(path.c_str(), 0755);
  return path;
}

absl::StatusOr<std::string> RunScript(
    const std::string& path, absl::Duration deadline = absl::Seconds(30)) {
  return RunCommand({path, "pause", "{\"host\":\"h\"}", deadline}, RealClock());
}

TEST(RunCommandTest, GivesInputAndArgumentAndTakesOutput) {
  const std::string path = Script("echo", "echo \"$1: $(cat)\"\n");
  EXPECT_EQ(*RunScript(path), "pause: {\"host\":\"h\"}\n");
}

TEST(RunCommandTest, DoesNotWaitForACommandThatReadsNothing) {
  EXPECT_EQ(*RunScript(Script("deaf", "echo done\n")), "done\n");
}

TEST(RunCommandTest, SaysHowItFailed) {
  const absl::Status code = RunScript(Script("code", "exit 7\n")).status();
  EXPECT_EQ(Reason(code), "COMMAND_FAILED");
  EXPECT_NE(code.message().find("code 7"), std::string::npos);
  const absl::Status signal =
      RunScript(Script("signal", "kill -9 $$\n")).status();
  EXPECT_NE(signal.message().find("signal 9"), std::string::npos);
  const absl::Status missing = RunScript("/nowhere/gate").status();
  EXPECT_EQ(Reason(missing), "COMMAND_FAILED");
  EXPECT_NE(missing.message().find("/nowhere/gate"), std::string::npos);
}

// The agent ignores it, and with it did each command.
TEST(RunCommandTest, RegressionSignalsDoTheirUsualToCommands) {
  std::signal(SIGPIPE, SIG_IGN);
  const absl::Status status =
      RunScript(Script("pipe", "kill -PIPE $$\n")).status();
  EXPECT_NE(status.message().find("signal 13"), std::string::npos) << status;
}

TEST(RunCommandTest, RefusesEndlessOutput) {
  const absl::Status status = RunScript(Script("yes", "exec yes\n")).status();
  EXPECT_EQ(Reason(status), "COMMAND_FAILED");
}

// The deadline is the only thing that ends this script and its child.
TEST(RunCommandTest, KillsTheWholeGroupAtTheDeadline) {
  const std::string pid = ::testing::TempDir() + "/command_test_pid";
  const std::string path =
      Script("hangs", "tail -f /dev/null & echo $! > " + pid + "\nwait\n");
  const absl::Status status = RunScript(path, absl::Milliseconds(300)).status();
  EXPECT_EQ(Reason(status), "COMMAND_TOO_SLOW");
  int child = 0;
  std::ifstream(pid) >> child;
  ASSERT_GT(child, 0);
  // Killed, though it may not have got round to dying yet, nor whoever
  // inherited it to reaping it.
  std::string state;
  while (state != "gone" && state != "Z" && state != "X") {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string number;
    std::string name;
    state = "gone";
    stat >> number >> name >> state;
  }
}

}  // namespace
}  // namespace baton::agent
