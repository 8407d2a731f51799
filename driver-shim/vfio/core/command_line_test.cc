#include "driver-shim/vfio/core/command_line.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::vfio::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr char kUuid[] = "b9a70000-0000-4000-8000-000000000000";
constexpr char kDevice[] =
    "vfio-pci,id=gpu0,sysfsdev=/sys/bus/mdev/devices/"
    "b9a70000-0000-4000-8000-000000000000,bus=pci.0,addr=0x4,"
    "enable-migration=on";
constexpr char kMemory[] =
    "memory-backend-file,id=mem0,size=64M,mem-path=/dev/shm/a,share=on";
constexpr char kQmp[] = "unix:/run/a.qmp,server=on,wait=off";

MachineName Name() {
  return {.guest = "vm-a",
          .uuid = kUuid,
          .qmp = "/run/a.qmp",
          .next_qmp = "/run/a.qmp.next"};
}

std::vector<std::string> Line(const std::string& device = kDevice,
                              const std::string& memory = kMemory,
                              const std::string& qmp = kQmp) {
  return {"/usr/bin/qemu-system-x86_64",
          "-M",
          "pc,memory-backend=mem0",
          "-object",
          memory,
          "-qmp",
          qmp,
          "-device",
          device,
          "-m",
          "64"};
}

std::vector<std::string> ReasonsOf(const std::vector<std::string>& argv) {
  std::vector<std::string> reasons;
  for (const Blocker& blocker : ReadMachineLine(argv, Name()).blockers) {
    reasons.push_back(blocker.reason);
    EXPECT_THAT(blocker.message, testing::StartsWith("machine 'vm-a': "));
  }
  return reasons;
}

TEST(CommandLineTest, ReadsPropertiesAsQemuDoes) {
  EXPECT_THAT(ParseProperties("vfio-pci,a=1,b=x,,y,c"),
              ElementsAre(Pair("", "vfio-pci"), Pair("a", "1"),
                          Pair("b", "x,y"), Pair("", "c")));
  EXPECT_THAT(ParseProperties(R"({"driver":"x","on":true,"n":4})"),
              UnorderedElementsAre(Pair("driver", "x"), Pair("on", "on"),
                                   Pair("n", "4")));
  EXPECT_THAT(ParseProperties(""), IsEmpty());
  EXPECT_THAT(ParseProperties("{\"broken"), IsEmpty());
}

TEST(CommandLineTest, AMachineAsItShouldBe) {
  const MachineLine line = ReadMachineLine(Line(), Name());
  EXPECT_THAT(line.blockers, IsEmpty());
  EXPECT_EQ(line.memory_path, "/dev/shm/a");
  EXPECT_THAT(
      line.device,
      UnorderedElementsAre(
          Pair("driver", "vfio-pci"), Pair("id", "gpu0"),
          Pair("sysfsdev", std::string("/sys/bus/mdev/devices/") + kUuid),
          Pair("bus", "pci.0"), Pair("addr", "0x4"),
          Pair("enable-migration", "on")));
  EXPECT_THAT(line.next,
              ElementsAre("/usr/bin/qemu-system-x86_64", "-M",
                          "pc,memory-backend=mem0", "-object", kMemory, "-qmp",
                          "unix:/run/a.qmp.next,server=on,wait=off", "-m", "64",
                          "-S", "-incoming", "defer"));
}

TEST(CommandLineTest, LeavesOutWhatBelongsToOneQemu) {
  std::vector<std::string> argv = Line();
  for (const char* word :
       {"--incoming", "defer", "-S", "-daemonize", "-pidfile", "/run/a.pid",
        "-runas", "qemu", "-run-with", "user=qemu"}) {
    argv.emplace_back(word);
  }
  EXPECT_EQ(ReadMachineLine(argv, Name()).next,
            ReadMachineLine(Line(), Name()).next);
}

TEST(CommandLineTest, OfHowToRunItLeavesOutTheUserAlone) {
  std::vector<std::string> argv = Line();
  argv.insert(argv.end(),
              {"-run-with", "user=a,async-teardown=on,chroot=/a,,b"});
  const std::vector<std::string> next = ReadMachineLine(argv, Name()).next;
  EXPECT_THAT(next, testing::Contains("async-teardown=on,chroot=/a,,b"));
}

TEST(CommandLineTest, KnowsWhetherItTakesAFilter) {
  struct Row {
    std::vector<std::string> more;
    bool filters;
  };
  for (const Row& row : std::vector<Row>{{{}, false},
                                         {{"-sandbox", "on,spawn=deny"}, true},
                                         {{"-sandbox", "enable=on"}, true},
                                         {{"-sandbox", "off"}, false}}) {
    std::vector<std::string> argv = Line();
    argv.insert(argv.end(), row.more.begin(), row.more.end());
    const MachineLine line = ReadMachineLine(argv, Name());
    EXPECT_EQ(line.filters_itself, row.filters);
    for (const std::string& word : row.more) {
      EXPECT_THAT(line.next, testing::Contains(word));
    }
  }
}

TEST(CommandLineTest, ReadsJsonAsLibvirtWritesIt) {
  const MachineLine line = ReadMachineLine(
      {"qemu", "-object",
       R"({"qom-type":"memory-backend-file","id":"m","mem-path":"/dev/shm/a","share":true})",
       "-chardev", "socket,id=mon,path=/run/a.qmp,server=on,wait=off",
       "-device", R"({"driver":"pcie-root-port","id":"rp1"})", "-device",
       R"({"driver":"vfio-pci","sysfsdev":"/sys/bus/mdev/devices/b9a70000-0000-4000-8000-000000000000","bus":"rp1","addr":"0x0","enable-migration":"on"})"},
      Name());
  EXPECT_THAT(line.blockers, IsEmpty());
  EXPECT_EQ(line.memory_path, "/dev/shm/a");
  EXPECT_EQ(line.device.at("driver"), "vfio-pci");
  EXPECT_THAT(line.next, testing::Contains("socket,id=mon,path=/run/a.qmp.next,"
                                           "server=on,wait=off"));
}

TEST(CommandLineTest, NamesWhatIsMissing) {
  const std::string place =
      std::string("vfio-pci,sysfsdev=/sys/bus/mdev/devices/") + kUuid;
  struct Row {
    std::vector<std::string> argv = {};
    std::string reason = "";
  };
  std::vector<std::string> listens = Line();
  listens.insert(listens.end(),
                 {"-chardev", "socket,id=s,path=/run/s,server=on"});
  const std::vector<Row> rows = {
      {Line("vfio-pci,host=01:00.0"), "MACHINE_DEVICE_MISSING"},
      {Line(place + ",bus=pci.0,addr=4"), "MACHINE_MIGRATION_OFF"},
      {Line(place + ",bus=pci.0,addr=4,enable-migration=auto"),
       "MACHINE_MIGRATION_OFF"},
      {Line(place + ",bus=pci.0,enable-migration=on"),
       "MACHINE_ADDRESS_MISSING"},
      {Line(place + ",addr=4,enable-migration=on"), "MACHINE_ADDRESS_MISSING"},
      {Line(place + ",bus=pcie.0,addr=4,enable-migration=on"),
       "MACHINE_BUS_NO_HOTPLUG"},
      {Line(kDevice, "memory-backend-ram,id=mem0,size=64M"),
       "MACHINE_MEMORY_PRIVATE"},
      {Line(kDevice, "memory-backend-file,id=m,mem-path=/dev/shm/a"),
       "MACHINE_MEMORY_PRIVATE"},
      {Line(kDevice, "memory-backend-file,id=m,share=on"),
       "MACHINE_MEMORY_NOT_A_FILE"},
      {Line(kDevice, kMemory, "unix:/run/other.qmp"),
       "MACHINE_QMP_NOT_ITS_OWN"},
      {listens, "MACHINE_SOCKET_TAKEN"},
  };
  for (const Row& row : rows) {
    EXPECT_THAT(ReasonsOf(row.argv), ElementsAre(row.reason));
  }
}

TEST(CommandLineTest, BearsWhateverComes) {
  for (const std::vector<std::string>& argv :
       std::vector<std::vector<std::string>>{{},
                                             {"-device"},
                                             {"qemu", "-device"},
                                             {"qemu", "-object", ""},
                                             {"qemu", "-qmp", ","},
                                             {"qemu", "-incoming"}}) {
    EXPECT_FALSE(ReadMachineLine(argv, Name()).blockers.empty());
  }
}

// The words are its user's, who may write there what it likes.
TEST(CommandLineTest, BearsWordsThatNobodyWouldWrite) {
  EXPECT_THAT(ReasonsOf(Line(kDevice, kMemory,
                             R"({"path":"\/run\/a.qmp","server":true})")),
              testing::Contains("MACHINE_QMP_NOT_ITS_OWN"));
  const std::string deep(100'000, '[');
  const std::string end(100'000, ']');
  EXPECT_THAT(ReasonsOf(Line(absl::StrCat("{\"driver\":", deep, end, "}"))),
              testing::Contains("MACHINE_DEVICE_MISSING"));
  EXPECT_THAT(ReasonsOf(Line(absl::StrCat(kDevice, ",x-note=\xff"))),
              testing::ElementsAre("MACHINE_DEVICE_ODD"));
}

}  // namespace
}  // namespace baton::vfio::core
