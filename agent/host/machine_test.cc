#include "agent/host/machine.h"

#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

constexpr absl::Duration kPatient = absl::Seconds(30);

std::string Script(const std::string& name, const std::string& body) {
  std::string path = ::testing::TempDir() + "/machine_test_" + name;
  std::ofstream(path) << "#!/bin/sh\n" << body;
  chmod(path.c_str(), 0755);
  return path;
}

std::string ContentOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(LinuxMachineTest, HookIsToldTheMomentAndTheHost) {
  const std::string out = ::testing::TempDir() + "/machine_test_out";
  LinuxMachine machine(
      {.host = "host-1",
       .hooks = {{"drain", Script("drain", "echo \"$1 $(cat)\" > " + out)}}},
      RealClock());
  ASSERT_TRUE(machine.RunHook("drain", "before", kPatient).ok());
  EXPECT_EQ(ContentOf(out), "before {\"host\":\"host-1\"}\n");
}

TEST(LinuxMachineTest, HookThatFailsIsNamed) {
  LinuxMachine machine({.host = "h",
                        .hooks = {{"bad", Script("bad", "exit 3\n")},
                                  {"slow", Script("slow", "sleep 1000\n")}}},
                       RealClock());
  const absl::Status bad = machine.RunHook("bad", "after", kPatient);
  EXPECT_EQ(Reason(bad), "HOOK_FAILED");
  EXPECT_NE(bad.message().find("hook 'bad', after"), std::string::npos) << bad;
  EXPECT_EQ(Reason(machine.RunHook("slow", "before", absl::Milliseconds(20))),
            "HOOK_TOO_SLOW");
  EXPECT_EQ(Reason(machine.RunHook("none", "before", kPatient)),
            "HOOK_UNKNOWN");
}

TEST(LinuxMachineTest, SaysWhatMemoryIsAvailableWhereTheSystemDoes) {
  const std::string path = ::testing::TempDir() + "/machine_test_meminfo";
  std::ofstream(path) << "MemTotal:  9 kB\nMemAvailable:  16384 kB\n";
  LinuxMachine machine({.meminfo = path}, RealClock());
  EXPECT_EQ(machine.AvailableMemoryBytes(), uint64_t{16} << 20);
  LinuxMachine blind({.meminfo = "/nowhere/meminfo"}, RealClock());
  EXPECT_EQ(blind.AvailableMemoryBytes(), std::nullopt);
}

}  // namespace
}  // namespace baton::agent
