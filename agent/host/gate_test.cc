#include "agent/host/gate.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kDeadline = absl::Seconds(30);

// A gate whose state is a file; the script keeps the protocol.
class ExecGateTest : public ::testing::Test {
 protected:
  ExecGateTest()
      : folder_(
            ::testing::TempDir() + "/gate_test_" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Script("cat > " + folder_ + "/stdin.$1\n" + "was=$(cat " + folder_ +
           "/state)\n" + "echo $1 >> " + folder_ + "/calls\n" +
           "case $1 in\n"
           "status) echo \"{\\\"state\\\":\\\"$was\\\"}\";;\n"
           "pause) echo closed > " +
           folder_ +
           "/state\n"
           "  echo \"{\\\"was\\\":\\\"$was\\\"}\";;\n"
           "resume) echo open > " +
           folder_ +
           "/state; echo '{}';;\n"
           "esac\n");
    Set("open");
  }

  void Script(const std::string& body) {
    const std::string path = folder_ + "/gate";
    std::ofstream(path) << "#!/bin/sh\n" << body;
    chmod(path.c_str(), 0755);
  }

  void Set(const std::string& state) {
    std::ofstream(folder_ + "/state") << state << "\n";
  }

  std::string Read(const std::string& name) const {
    std::stringstream text;
    text << std::ifstream(folder_ + "/" + name).rdbuf();
    return text.str();
  }

  std::string State() const {
    const std::string text = Read("state");
    return text.substr(0, text.find('\n'));
  }

  // A new one each time, as after a restart of the agent.
  ExecGate Gate() const {
    return ExecGate({folder_ + "/gate", "host-1", folder_ + "/memory.json"},
                    RealClock());
  }

  const std::string folder_;
};

TEST_F(ExecGateTest, ClosesAndReopens) {
  ASSERT_TRUE(Gate().Close(kDeadline).ok());
  EXPECT_EQ(State(), "closed");
  ASSERT_TRUE(Gate().Reopen(kDeadline).ok());
  EXPECT_EQ(State(), "open");
  EXPECT_EQ(Read("stdin.pause"), "{\"host\":\"host-1\"}");
  EXPECT_THAT(Read("stdin.resume"), HasSubstr("\"host\":\"host-1\""));
  EXPECT_THAT(Read("stdin.resume"), HasSubstr("\"was\":\"open\""));
}

TEST_F(ExecGateTest, LeavesAGateClosedThatWasClosed) {
  Set("closed");
  ASSERT_TRUE(Gate().Close(kDeadline).ok());
  ASSERT_TRUE(Gate().Reopen(kDeadline).ok());
  EXPECT_EQ(State(), "closed");
  EXPECT_EQ(Read("calls"), "status\npause\n");
}

TEST_F(ExecGateTest, ReopeningWhatWasNeverClosedDoesNothing) {
  ASSERT_TRUE(Gate().Reopen(kDeadline).ok());
  EXPECT_EQ(Read("calls"), "");
}

TEST_F(ExecGateTest, ASecondCloseRemembersHowTheFirstFoundIt) {
  ASSERT_TRUE(Gate().Close(kDeadline).ok());
  ASSERT_TRUE(Gate().Close(kDeadline).ok());
  ASSERT_TRUE(Gate().Reopen(kDeadline).ok());
  EXPECT_EQ(State(), "open");
}

TEST_F(ExecGateTest, WhatSomebodyOpenedSinceIsSeenAnew) {
  Set("closed");
  ASSERT_TRUE(Gate().Close(kDeadline).ok());
  Set("open");
  ASSERT_TRUE(Gate().Close(kDeadline).ok());
  ASSERT_TRUE(Gate().Reopen(kDeadline).ok());
  EXPECT_EQ(State(), "open");
}

TEST_F(ExecGateTest, APauseThatHangsIsUndone) {
  Script(
      "case $1 in\n"
      "status) echo '{\"state\":\"open\"}';;\n"
      "pause) echo closed > " +
      folder_ +
      "/state; exec tail -f /dev/null;;\n"
      "resume) echo open > " +
      folder_ +
      "/state; echo '{}';;\n"
      "esac\n");
  const absl::Status status = Gate().Close(absl::Milliseconds(500));
  EXPECT_EQ(Reason(status), "COMMAND_TOO_SLOW");
  EXPECT_EQ(State(), "closed");
  ASSERT_TRUE(Gate().Reopen(kDeadline).ok());
  EXPECT_EQ(State(), "open");
}

TEST_F(ExecGateTest, SaysWhatItDidNotUnderstand) {
  for (const std::string answer :
       {"no json", "[1]", "{}", "{\"state\":\"ajar\"}", ""}) {
    SCOPED_TRACE(answer);
    Script("echo '" + answer + "'\n");
    EXPECT_EQ(Reason(Gate().Close(kDeadline)), "GATE_ANSWER");
  }
}

TEST_F(ExecGateTest, AResumeThatFailsIsRememberedForTheNextTry) {
  ASSERT_TRUE(Gate().Close(kDeadline).ok());
  std::filesystem::rename(folder_ + "/gate", folder_ + "/good");
  Script("exit 1\n");
  EXPECT_EQ(Reason(Gate().Reopen(kDeadline)), "COMMAND_FAILED");
  std::filesystem::rename(folder_ + "/good", folder_ + "/gate");
  ASSERT_TRUE(Gate().Reopen(kDeadline).ok());
  EXPECT_EQ(State(), "open");
}

}  // namespace
}  // namespace baton::agent
