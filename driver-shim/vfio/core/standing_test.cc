#include "driver-shim/vfio/core/standing.h"

#include <functional>

#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::vfio::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr char kStatus[] =
    "Name:\tqemu-system-x86\nUmask:\t0027\nState:\tS (sleeping)\n"
    "Uid:\t64055\t64055\t64055\t64055\nGid:\t108\t108\t108\t108\n"
    "Groups:\t64055 36 \nCapInh:\t0000000000000004\n"
    "CapPrm:\t0000000000000004\nCapEff:\t0000000000000004\n"
    "CapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000004\n"
    "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n"
    "Cpus_allowed:\t8,0000000f\nCpus_allowed_list:\t0-2,66\n";
// A name may have brackets and spaces.
constexpr char kStat[] =
    "7 (a ) (b) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 4 0 100 1 1 "
    "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 3 9 1 0 0 0";
constexpr char kLimits[] =
    "Limit                     Soft Limit           Hard Limit           Units "
    "    \n"
    "Max cpu time              unlimited            unlimited            "
    "seconds   \n"
    "Max file size             10                   11                   bytes "
    "    \n"
    "Max data size             20                   21                   bytes "
    "    \n"
    "Max stack size            8388608              unlimited            bytes "
    "    \n"
    "Max core file size        0                    0                    bytes "
    "    \n"
    "Max resident set          50                   51                   bytes "
    "    \n"
    "Max processes             60                   61                   "
    "processes \n"
    "Max open files            1024                 4096                 files "
    "    \n"
    "Max locked memory         80                   81                   bytes "
    "    \n"
    "Max address space         90                   91                   bytes "
    "    \n"
    "Max file locks            100                  101                  locks "
    "    \n"
    "Max pending signals       110                  111                  "
    "signals   \n"
    "Max msgqueue size         120                  121                  bytes "
    "    \n"
    "Max nice priority         0                    1                          "
    "    \n"
    "Max realtime priority     0                    2                          "
    "    \n"
    "Max realtime timeout      150                  151                  us    "
    "    \n";
constexpr char kCgroup[] =
    "4:cpu,cpuacct:/machines\n1:name=systemd:/a:b\n0::/machines/vm-a\n";

ProcessTexts Texts() {
  return {.status = kStatus,
          .stat = kStat,
          .limits = kLimits,
          .cgroup = kCgroup,
          .label = "libvirt-1 (enforce)\n",
          .root = "/",
          .namespaces = {{"net", "net:[1]"}, {"mnt", "mnt:[2]"}}};
}

TEST(StandingTest, IsReadFromTheTextsOfProc) {
  const auto facts = FactsFrom(Texts());
  ASSERT_TRUE(facts.has_value());
  const Standing& standing = facts->standing;
  EXPECT_EQ(standing.user, 64055u);
  EXPECT_EQ(standing.group, 108u);
  EXPECT_THAT(standing.groups, ElementsAre(36, 64055));
  EXPECT_EQ(standing.capabilities, (Capabilities{4, 4, 4, 0x1ffffffffff, 4}));
  EXPECT_TRUE(standing.no_new_privileges);
  EXPECT_EQ(standing.umask, 027u);
  ASSERT_EQ(standing.limits.size(), 16u);
  EXPECT_EQ(standing.limits[0], (Limit{kUnlimited, kUnlimited}));
  EXPECT_EQ(standing.limits[3], (Limit{8388608, kUnlimited}));
  EXPECT_EQ(standing.limits[7], (Limit{1024, 4096}));
  EXPECT_EQ(standing.limits[13], (Limit{0, 1}));
  EXPECT_EQ(standing.limits[15], (Limit{150, 151}));
  EXPECT_THAT(standing.cgroups, ElementsAre(Pair("", "/machines/vm-a"),
                                            Pair("cpu,cpuacct", "/machines"),
                                            Pair("name=systemd", "/a:b")));
  EXPECT_THAT(standing.processors, ElementsAre(7, 4));
  EXPECT_EQ(standing.policy, 1);
  EXPECT_EQ(standing.priority, 9);
  const Surroundings& around = facts->surroundings;
  EXPECT_EQ(around.label, "libvirt-1 (enforce)");
  EXPECT_EQ(around.filters, 1);
  EXPECT_FALSE(around.ids_differ);
  EXPECT_EQ(around.odd_thread, "");
  EXPECT_EQ(around.namespaces, Texts().namespaces);
}

TEST(StandingTest, WhatIsNotAKernelsTextIsNotBelieved) {
  struct Row {
    const char* what;
    std::function<void(ProcessTexts&)> spoil;
  };
  const auto replaced = [](std::string& text, const std::string& from,
                           const std::string& to) {
    ASSERT_NE(text.find(from), std::string::npos) << from;
    text = absl::StrReplaceAll(text, {{from, to}});
  };
  const std::vector<Row> rows = {
      {"no status", [](auto& t) { t.status = ""; }},
      {"three ids",
       [&](auto& t) { replaced(t.status, "64055\t64055\n", "\n"); }},
      {"no group ids", [&](auto& t) { replaced(t.status, "Gid:", "Hid:"); }},
      {"a group's name", [&](auto& t) { replaced(t.status, " 36 ", " kvm "); }},
      {"capabilities", [&](auto& t) { replaced(t.status, "CapAmb", "Amb"); }},
      {"no umask", [&](auto& t) { replaced(t.status, "Umask", "Mask"); }},
      {"umask of 9", [&](auto& t) { replaced(t.status, "0027", "0029"); }},
      {"processors", [&](auto& t) { replaced(t.status, "0-2,66", "2-0"); }},
      {"too many", [&](auto& t) { replaced(t.status, "0-2,66", "0-8192"); }},
      {"no stat", [](auto& t) { t.stat = ""; }},
      {"short stat", [](auto& t) { t.stat = "7 (a) S 1 2 3"; }},
      {"no limits", [](auto& t) { t.limits = ""; }},
      {"one limit less",
       [&](auto& t) {
         replaced(t.limits, "Max file locks", "Min file locks");
       }},
      {"a limit", [&](auto& t) { replaced(t.limits, "4096", "few"); }},
      {"cgroup", [](auto& t) { t.cgroup = "0:/"; }},
  };
  for (const Row& row : rows) {
    ProcessTexts texts = Texts();
    row.spoil(texts);
    EXPECT_FALSE(FactsFrom(texts).has_value()) << row.what;
  }
}

TEST(StandingTest, AThreadWithAPlaceOfItsOwnIsNamed) {
  const std::string elsewhere = absl::StrReplaceAll(kStatus, {{"0-2,66", "1"}});
  struct Row {
    ProcessTexts::Thread thread;
    std::string odd;
  };
  // chrt -p 8 of one thread.
  const std::string policy = absl::StrReplaceAll(kStat, {{" 9 1 ", " 9 2 "}});
  const std::string priority = absl::StrReplaceAll(kStat, {{" 9 1 ", " 8 1 "}});
  for (const Row& row : std::vector<Row>{
           {{"8", kStatus, kStat, kCgroup}, ""},
           {{"8", elsewhere, kStat, kCgroup}, "8"},
           {{"8", kStatus, policy, kCgroup}, "8"},
           {{"8", kStatus, priority, kCgroup}, "8"},
           {{"8", kStatus, kStat, "0::/machines/vm-a/vcpu0\n"}, "8"},
           {{"8", "", "", ""}, ""}}) {  // it has ended
    ProcessTexts texts = Texts();
    texts.threads = {{"7", kStatus, kStat, kCgroup}, row.thread};
    EXPECT_EQ(FactsFrom(texts)->surroundings.odd_thread, row.odd);
  }
}

TEST(StandingTest, FindsWhereAControlGroupIs) {
  constexpr char kMounts[] =
      "25 30 0:23 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
      "31 25 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 none "
      "rw,nsdelegate\n"
      "32 25 0:28 / /sys/fs/cgroup/cpu\\040x rw - cgroup cgroup "
      "rw,cpu,cpuacct\n"
      "33 25 0:29 /inner /sys/fs/cgroup/systemd rw - cgroup none "
      "rw,xattr,name=systemd\n";
  struct Row {
    std::string controllers, path, folder;
  };
  for (const Row& row : std::vector<Row>{
           {"", "/machines/vm-a", "/sys/fs/cgroup/unified/machines/vm-a"},
           {"", "/", "/sys/fs/cgroup/unified/"},
           {"cpu,cpuacct", "/m", "/sys/fs/cgroup/cpu x/m"},
           {"name=systemd", "/inner/m", "/sys/fs/cgroup/systemd/m"},
           {"name=systemd", "/outer/m", ""},
           {"name=systemd", "/inner-two", ""},
           {"memory", "/m", ""}}) {
    EXPECT_EQ(CgroupFolder(kMounts, row.controllers, row.path), row.folder)
        << row.controllers << " " << row.path;
  }
}

// What exec makes of it is in capabilities(7).
TEST(StandingTest, NobodyStartsWithMoreThanTheOneBefore) {
  struct Row {
    const char* what;
    uint32_t user;
    Capabilities has, starts;
  };
  for (const Row& row : std::vector<Row>{
           {"root", 0, {0, 7, 7, 7, 0}, {0, 7, 7, 7, 0}},
           {"root that dropped", 0, {0, 3, 1, 7, 0}, {0, 3, 1, 3, 0}},
           {"inherits what it has not", 0, {8, 3, 3, 15, 0}, {0, 3, 3, 3, 0}},
           {"a user", 5, {0, 0, 0, 7, 0}, {0, 0, 0, 7, 0}},
           {"a user with one", 5, {4, 4, 4, 7, 4}, {4, 4, 4, 7, 4}},
           {"ambient alone", 5, {0, 4, 4, 7, 4}, {4, 4, 4, 7, 4}}}) {
    EXPECT_EQ(ForStart({.user = row.user, .capabilities = row.has}), row.starts)
        << row.what;
  }
}

TEST(StandingTest, SaysHowAProcessCameToStandOtherwise) {
  const Standing wanted = FactsFrom(Texts())->standing;
  EXPECT_EQ(DifferenceOf(wanted, wanted), "");
  struct Row {
    std::function<void(Standing&)> change;
    std::string says;  // "": that is no difference
  };
  for (const Row& row : std::vector<Row>{
           {[](Standing& s) { s.user = 0; }, "user 0"},
           {[](Standing& s) { s.group = 0; }, "groups 0"},
           {[](Standing& s) { s.groups.push_back(9); }, "9"},
           {[](Standing& s) { s.capabilities.permitted |= 1; }, "capabilities"},
           {[](Standing& s) { s.capabilities.permitted = 0; }, "capabilities"},
           {[](Standing& s) { s.capabilities.effective = 0; }, ""},
           {[](Standing& s) { s.capabilities.effective |= 1; }, "capabilities"},
           {[](Standing& s) { s.capabilities.bounding = 4; }, ""},
           {[](Standing& s) { s.capabilities.bounding = ~uint64_t{0}; },
            "capabilities"},
           {[](Standing& s) { s.no_new_privileges = false; }, "capabilities"},
           {[](Standing& s) { s.limits[7].hard = 5000; }, "Max open files"},
           {[](Standing& s) { s.limits[7].soft = 4096; }, ""},
           {[](Standing& s) { s.cgroups[""] = "/"; }, "control groups"},
           {[](Standing& s) { s.umask = 0; }, "umask"},
           {[](Standing& s) { s.processors = {1}; }, "processors"},
           {[](Standing& s) { s.policy = 0; }, "policy"}}) {
    Standing got = wanted;
    row.change(got);
    const std::string difference = DifferenceOf(got, wanted);
    EXPECT_THAT(difference, HasSubstr(row.says));
    EXPECT_EQ(difference.empty(), row.says.empty()) << difference;
  }
}

TEST(StandingTest, WhatCannotBeCarriedIsNamedWithItsCure) {
  const ProcessFacts shim = {
      .standing = {.capabilities = {.permitted = 7,
                                    .effective = 7,
                                    .bounding = 7},
                   .cgroups = {{"", "/system.slice/baton-shim.service"}}},
      .surroundings = {.namespaces = {{"mnt", "mnt:[2]"}, {"net", "net:[1]"}}}};
  struct Row {
    const char* what;
    std::function<void(ProcessFacts& machine, ProcessFacts& shim)> change;
    std::vector<std::string> reasons;
    std::string says = "";
    bool filters_itself = false;
  };
  for (const Row& row : std::vector<Row>{
           {"nothing", [](auto&, auto&) {}, {}},
           {"a user of its own, in a scope",
            [](auto& m, auto&) {
              m.standing.user = 5;
              m.standing.capabilities = {};
              m.standing.cgroups[""] = "/machine.slice/vm.scope";
            },
            {}},
           {"one namespace",
            [](auto& m, auto&) { m.surroundings.namespaces["net"] = "net:[9]"; },
            {"MACHINE_NAMESPACE_OTHER"},
            "without: net: "},
           {"two, and a root",
            [](auto& m, auto&) {
              m.surroundings.namespaces = {{"mnt", ""}, {"net", ""}};
              m.surroundings.root = "/var/empty";
            },
            {"MACHINE_NAMESPACE_OTHER"},
            "mnt, net, root directory"},
           {"a label",
            [](auto& m, auto&) { m.surroundings.label = "libvirt-1"; },
            {"MACHINE_LABEL_OTHER"},
            "'libvirt-1'"},
           {"both labelled alike",
            [](auto& m, auto& s) {
              m.surroundings.label = s.surroundings.label = "unconfined";
            },
            {}},
           {"a filter",
            [](auto& m, auto&) { m.surroundings.filters = 1; },
            {"MACHINE_FILTER_FOREIGN"},
            "-sandbox on"},
           {"a filter of its own",
            [](auto& m, auto&) { m.surroundings.filters = 1; },
            {},
            "",
            true},
           {"one more than its own",
            [](auto& m, auto&) { m.surroundings.filters = 2; },
            {"MACHINE_FILTER_FOREIGN"},
            "",
            true},
           {"the shim's filter",
            [](auto& m, auto& s) {
              m.surroundings.filters = s.surroundings.filters = 1;
            },
            {}},
           {"ids that differ",
            [](auto& m, auto&) { m.surroundings.ids_differ = true; },
            {"MACHINE_USER_MIXED"}},
           {"a thread",
            [](auto& m, auto&) { m.surroundings.odd_thread = "12"; },
            {"MACHINE_THREADS_APART"},
            "thread 12"},
           {"a service",
            [](auto& m, auto&) {
              m.standing.cgroups[""] = "/system.slice/vm-a.service";
            },
            {"MACHINE_IN_A_SERVICE"},
            "vm-a.service"},
           {"a user's scope",
            [](auto& m, auto&) {
              m.standing.cgroups[""] =
                  "/user.slice/user-5.slice/user@5.service/app.slice/vm.scope";
            },
            {}},
           {"a capability that the shim has not",
            [](auto& m, auto&) { m.standing.capabilities.bounding = 15; },
            {"MACHINE_MAY_MORE_THAN_SHIM"},
            "capabilities 8"},
           {"root that put capabilities aside",
            [](auto& m, auto&) { m.standing.capabilities.effective = 3; },
            {"MACHINE_CAPABILITIES_APART"},
            "in effect 3"},
           {"root that gave them away",
            [](auto& m, auto&) {
              m.standing.capabilities.permitted = 3;
              m.standing.capabilities.effective = 3;
            },
            {}},
           {"a user with one",
            [](auto& m, auto&) {
              m.standing.user = 5;
              m.standing.capabilities = {.permitted = 4,
                                         .effective = 4,
                                         .bounding = 7,
                                         .ambient = 4};
            },
            {}},
           {"a user with one that no start gives",
            [](auto& m, auto&) {
              m.standing.user = 5;
              m.standing.capabilities = {
                  .permitted = 4, .effective = 4, .bounding = 7};
            },
            {"MACHINE_CAPABILITIES_APART"},
            "started with 0"},
           {"a shim that may gain nothing",
            [](auto&, auto& s) { s.standing.no_new_privileges = true; },
            {"MACHINE_MAY_MORE_THAN_SHIM"}},
           {"neither may gain anything",
            [](auto& m, auto& s) {
              m.standing.no_new_privileges = true;
              s.standing.no_new_privileges = true;
            },
            {}}}) {
    ProcessFacts machine = shim;
    ProcessFacts ours = shim;
    row.change(machine, ours);
    std::vector<std::string> reasons;
    for (const Blocker& blocker :
         JudgeStanding("vm-a", machine, ours, row.filters_itself)) {
      reasons.push_back(blocker.reason);
      EXPECT_THAT(blocker.message, testing::StartsWith("machine 'vm-a': "));
      EXPECT_THAT(blocker.message, HasSubstr(row.says)) << row.what;
    }
    EXPECT_EQ(reasons, row.reasons) << row.what;
  }
}

}  // namespace
}  // namespace baton::vfio::core
