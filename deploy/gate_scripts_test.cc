#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace baton {
namespace {

// What a script answered.
struct Answer {
  int code = -1;
  std::string out = "";

  bool operator==(const Answer&) const = default;
};

// One script in a directory of its own, called as the agent does.
class GateScript {
 public:
  GateScript(const std::string& script, const std::string& variables)
      : script_("deploy/gate/" + script), variables_(variables) {
    std::filesystem::remove_all(directory());
    std::filesystem::create_directories(directory());
  }

  static std::string directory() { return testing::TempDir() + "/gate"; }

  Answer Call(const std::string& argument) const {
    const std::string command = "printf '{\"host\":\"host-1\"}' | env " +
                                variables_ + " " + script_ + " " + argument +
                                " 2>/dev/null";
    FILE* pipe = popen(command.c_str(), "r");
    Answer answer;
    for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe)) {
      answer.out.push_back(static_cast<char>(c));
    }
    const int status = pclose(pipe);
    answer.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return answer;
  }

 private:
  const std::string script_;
  const std::string variables_;
};

void ExpectOpensAndCloses(const GateScript& gate) {
  EXPECT_EQ(gate.Call("status"), (Answer{0, "{\"state\": \"open\"}\n"}));
  EXPECT_EQ(gate.Call("pause"), (Answer{0, "{\"was\": \"open\"}\n"}));
  EXPECT_EQ(gate.Call("status"), (Answer{0, "{\"state\": \"closed\"}\n"}));
  EXPECT_EQ(gate.Call("pause"), (Answer{0, "{\"was\": \"closed\"}\n"}));
  EXPECT_EQ(gate.Call("resume"), (Answer{0, "{}\n"}));
  EXPECT_EQ(gate.Call("status"), (Answer{0, "{\"state\": \"open\"}\n"}));
  EXPECT_EQ(gate.Call("resume"), (Answer{0, "{}\n"}));
  EXPECT_EQ(gate.Call("nonsense"), (Answer{2, ""}));
}

TEST(GateScriptsTest, FlagFileOpensAndCloses) {
  ExpectOpensAndCloses(GateScript(
      "flag-file", "BATON_GATE_FLAG=" + GateScript::directory() + "/flag"));
}

TEST(GateScriptsTest, FlagFileThatCannotBeWrittenIsAFailure) {
  const GateScript gate("flag-file", "BATON_GATE_FLAG=/nowhere/flag");
  EXPECT_NE(gate.Call("pause").code, 0);
  EXPECT_EQ(gate.Call("pause").out, "");
}

// A kubectl that knows the node "host-1" alone, and keeps its cordon in a file.
constexpr char kKubectl[] = R"(#!/bin/sh
cordon=$(dirname "$0")/cordon
case "$1 $2 $3" in
  "get node host-1") if [ -e "$cordon" ]; then printf true; fi ;;
  "cordon host-1 ") : >"$cordon"; echo "node/host-1 cordoned" ;;
  "uncordon host-1 ") rm -f "$cordon"; echo "node/host-1 uncordoned" ;;
  *) echo "not found" >&2; exit 1 ;;
esac
)";

std::string PathWithKubectl() {
  return "PATH=" + GateScript::directory() + ":/usr/bin:/bin";
}

void WriteKubectl() {
  const std::string path = GateScript::directory() + "/kubectl";
  std::ofstream(path) << kKubectl;
  chmod(path.c_str(), 0755);
}

TEST(GateScriptsTest, KubernetesNodeOpensAndCloses) {
  const GateScript gate("kubernetes-node", PathWithKubectl());
  WriteKubectl();
  ExpectOpensAndCloses(gate);
}

TEST(GateScriptsTest, ANodeThatCannotBeAskedIsAFailure) {
  const GateScript gate("kubernetes-node",
                        PathWithKubectl() + " BATON_GATE_NODE=host-2");
  WriteKubectl();
  for (const char* argument : {"status", "pause", "resume"}) {
    EXPECT_EQ(gate.Call(argument), (Answer{1, ""})) << argument;
  }
}

}  // namespace
}  // namespace baton
