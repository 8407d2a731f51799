#include "driver-shim/vfio/linux_processes.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "driver-shim/vfio/fd.h"
#include "driver-shim/vfio/proc_files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class LinuxProcessesTest : public testing::Test {
 protected:
  LinuxProcessesTest() { std::filesystem::remove(log_); }
  Budget budget_() const { return Budget(RealClock(), absl::Seconds(20)); }

  // Lives until it is killed.
  Program Lives() const {
    return {.argv = {"tail", "-f", "/dev/null", word_},
            .environment = {"PATH=/usr/bin:/bin", "A=b c"},
            .directory = "/proc",
            .nice = 7,
            .oom_score_adj = 123};
  }
  absl::StatusOr<Process> Start() { return processes_->Launch(Lives(), log_); }

  const std::string word_ = absl::StrCat("/dev/null//", getpid());
  const std::string log_ = absl::StrCat(
      testing::TempDir(), "/log-",
      testing::UnitTest::GetInstance()->current_test_info()->line());
  const std::unique_ptr<Processes> processes_ = OpenProcesses();
};

TEST_F(LinuxProcessesTest, StartsWhatIsNoChildOfOurs) {
  const auto process = Start();
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_TRUE(processes_->Alive(*process));
  const auto stat = ReadFile(absl::StrCat("/proc/", process->pid, "/stat"));
  ASSERT_TRUE(stat.has_value());
  EXPECT_THAT(*stat, testing::Not(HasSubstr(absl::StrCat(" ", getpid(), " "))));
  EXPECT_NE(getsid(process->pid), getsid(0));
  const Program program = processes_->ProgramOf(*process);
  EXPECT_THAT(program.argv, ElementsAre("tail", "-f", "/dev/null", word_));
  EXPECT_THAT(program.environment, Contains("A=b c"));
  EXPECT_EQ(program.directory, "/proc");
  EXPECT_EQ(program.nice, 7);
  EXPECT_EQ(program.oom_score_adj, 123);
  EXPECT_THAT(processes_->WithWord(word_), ElementsAre(*process));
  processes_->Kill(*process);
  EXPECT_TRUE(processes_->AwaitEnd(*process, budget_()).ok());
  EXPECT_FALSE(processes_->Alive(*process));
  EXPECT_THAT(processes_->WithWord(word_), ElementsAre());
}

TEST_F(LinuxProcessesTest, APidThatCameAgainIsAnotherProcess) {
  const auto process = Start();
  ASSERT_TRUE(process.ok());
  Process other = *process;
  ++other.start;
  EXPECT_FALSE(processes_->Alive(other));
  processes_->Kill(other);
  EXPECT_TRUE(processes_->Alive(*process));
  EXPECT_TRUE(processes_->AwaitEnd(other, budget_()).ok());
  const Budget none(RealClock(), absl::Milliseconds(1));
  EXPECT_EQ(Reason(processes_->AwaitEnd(*process, none)), "STEP_TOO_SLOW");
  processes_->Kill(*process);
  EXPECT_TRUE(processes_->AwaitEnd(*process, budget_()).ok());
}

TEST_F(LinuxProcessesTest, KeepsWhatItWrites) {
  const auto process = processes_->Launch(
      {.argv = {"/bin/sh", "-c", "echo out; echo error >&2"}}, log_);
  ASSERT_TRUE(process.ok() || Reason(process.status()) == "PROCESS_NOT_STARTED")
      << process.status();
  if (process.ok()) {
    ASSERT_TRUE(processes_->AwaitEnd(*process, budget_()).ok());
  }
  while (ReadFile(log_).value_or("") != "out\nerror\n") {
  }
}

TEST_F(LinuxProcessesTest, KnowsWhoHasAFileLocked) {
  const std::string file = log_ + ".locked";
  ASSERT_TRUE(std::ofstream(file).good());
  const auto process = processes_->Launch(
      {.argv = {"flock", "--no-fork", "-x", file, "tail", "-f", "/dev/null"},
       .environment = {"PATH=/usr/bin:/bin"}},
      log_);
  ASSERT_TRUE(process.ok()) << process.status();
  const Budget budget = budget_();
  while (!processes_->HasLocked(*process, file)) {
    ASSERT_GT(budget.Left(), absl::ZeroDuration());
  }
  EXPECT_FALSE(processes_->HasLocked(*process, log_));
  // Whoever has it open, and not locked, has not locked it.
  const std::ifstream open(file);
  const auto self = processes_->Find(getpid());
  ASSERT_TRUE(self.has_value());
  EXPECT_FALSE(processes_->HasLocked(*self, file));
  processes_->Kill(*process);
  ASSERT_TRUE(processes_->AwaitEnd(*process, budget_()).ok());
  EXPECT_FALSE(processes_->HasLocked(*process, file));
}

TEST_F(LinuxProcessesTest, KnowsWhoHasAFileOpen) {
  const std::string path = log_ + ".open";
  ASSERT_TRUE(std::ofstream(path).good());
  const auto self = processes_->Find(getpid());
  ASSERT_TRUE(self.has_value());
  // Whoever may not open a file may still name it.
  const Fd name(open(path.c_str(), O_PATH | O_CLOEXEC));
  EXPECT_FALSE(processes_->HasOpen(*self, name.get()));
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(processes_->HasOpen(*self, name.get()));
  const auto other = Start();
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_FALSE(processes_->HasOpen(*other, file.get()));
  processes_->Kill(*other);
  EXPECT_TRUE(processes_->AwaitEnd(*other, budget_()).ok());
}

// As whoever runs this may; root may all of it.
TEST_F(LinuxProcessesTest, StartsAProgramThatStandsAsItIsTold) {
  const auto own = processes_->OwnFacts();
  ASSERT_TRUE(own.has_value());
  core::Standing standing = own->standing;
  standing.limits[RLIMIT_NOFILE] = {60, 64};
  standing.limits[RLIMIT_CORE] = {0, 0};
  standing.umask = 027;
  standing.no_new_privileges = true;
  standing.policy = SCHED_BATCH;
  for (uint64_t& word : standing.processors) {
    word &= ~word + 1;  // one of each is enough
  }
  if (getuid() == 0) {
    constexpr uint64_t kReadSearch = 1 << 2;
    standing.user = 64055;
    standing.group = 64056;
    standing.groups = {7, 64057};
    standing.capabilities = {kReadSearch, kReadSearch, kReadSearch,
                             own->standing.capabilities.bounding & 0xff,
                             kReadSearch};
  }
  Program program = Lives();
  program.standing = standing;
  const auto process = processes_->Launch(program, log_);
  ASSERT_TRUE(process.ok()) << process.status();
  const auto facts = processes_->FactsOf(*process);
  processes_->Kill(*process);
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(core::DifferenceOf(facts->standing, standing), "");
  EXPECT_EQ(facts->standing, standing);
  ASSERT_TRUE(processes_->AwaitEnd(*process, budget_()).ok());
  EXPECT_FALSE(processes_->FactsOf(*process).has_value());
}

// One that is not to be had is no reason to start outside of it.
TEST_F(LinuxProcessesTest, StartsNothingThatWouldStandOtherwise) {
  Program program = Lives();
  program.standing = processes_->OwnFacts()->standing;
  program.standing->cgroups["name=nowhere"] = "/machines";
  const absl::Status refused = processes_->Launch(program, log_).status();
  EXPECT_EQ(Reason(refused), "PROCESS_NOT_STARTED");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("cgroup.procs"));
  EXPECT_THAT(processes_->WithWord(word_), ElementsAre());
}

TEST_F(LinuxProcessesTest, StartsWithoutItsPlacesWhatHasToComeBack) {
  Program program = Lives();
  program.standing = processes_->OwnFacts()->standing;
  program.standing->cgroups["name=nowhere"] = "/machines";
  program.standing->umask = 027;
  program.without_places = true;
  const auto process = processes_->Launch(program, log_);
  ASSERT_TRUE(process.ok()) << process.status();
  const auto facts = processes_->FactsOf(*process);
  processes_->Kill(*process);
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->standing.umask, 027u);
  EXPECT_TRUE(processes_->AwaitEnd(*process, budget_()).ok());
  // As somebody else is no way to come back.
  program.standing->capabilities.permitted = ~uint64_t{0};
  program.standing->capabilities.bounding = ~uint64_t{0};
  EXPECT_EQ(Reason(processes_->Launch(program, log_).status()),
            "PROCESS_NOT_STARTED");
}

// Whoever may make no control groups runs what is common to all alone.
class ControlGroupTest : public LinuxProcessesTest {
 protected:
  ~ControlGroupTest() override {
    for (const char* name : {"/a/b", "/a", ""}) rmdir((top_ + name).c_str());
  }

  const core::Standing own_ = processes_->OwnFacts()->standing;
  const std::string parent_ =
      own_.cgroups.contains("") ? own_.cgroups.at("") : "";
  const std::string path_ =
      absl::StrCat(parent_ == "/" ? "" : parent_, "/baton-test-", getpid());
  const std::string top_ = core::CgroupFolder(
      ReadFile("/proc/self/mountinfo").value_or(""), "", path_);
  const bool may_ = !parent_.empty() && mkdir(top_.c_str(), 0755) == 0;
};

// Only the last level was made anew, and of a scope more than that is gone.
TEST_F(ControlGroupTest, AGroupIsMadeAnewWithAllThatIsAboveIt) {
  Program program = Lives();
  program.standing = own_;
  if (may_) program.standing->cgroups[""] = path_ + "/a/b";
  const auto process = processes_->Launch(program, log_);
  ASSERT_TRUE(process.ok()) << process.status();
  const auto facts = processes_->FactsOf(*process);
  processes_->Kill(*process);
  ASSERT_TRUE(processes_->AwaitEnd(*process, budget_()).ok());
  ASSERT_TRUE(facts.has_value());
  EXPECT_EQ(facts->standing.cgroups, program.standing->cgroups);
}

// It was waited for without a bound, guests or not.
TEST_F(ControlGroupTest, WhoLooksAtFilesAndDoesNotAnswerIsNotWaitedFor) {
  core::Standing standing = own_;
  std::vector<std::string> expected;
  if (may_) {
    standing.cgroups[""] = path_;
    expected = {"/dev/null"};
    ASSERT_TRUE(std::ofstream(top_ + "/cgroup.freeze") << "1" << std::flush);
  }
  EXPECT_EQ(processes_->OutOfReach(standing, {"/dev/null"}), expected);
  if (!may_) return;
  ASSERT_TRUE(std::ofstream(top_ + "/cgroup.freeze") << "0" << std::flush);
  const Budget budget = budget_();
  while (!processes_->OutOfReach(standing, {"/dev/null"}).empty()) {
    ASSERT_GT(budget.Left(), absl::ZeroDuration());
  }
}

// A machine's user may freeze its group between a look and a start.
TEST_F(ControlGroupTest, AProgramThatDoesNotStartIsNotWaitedFor) {
  if (!may_) return;
  Program program = Lives();
  program.standing = own_;
  program.standing->cgroups[""] = path_;
  ASSERT_TRUE(std::ofstream(top_ + "/cgroup.freeze") << "1" << std::flush);
  const auto process = processes_->Launch(program, log_);
  EXPECT_EQ(Reason(process.status()), "PROCESS_NOT_STARTED");
  EXPECT_THAT(process.status().message(), HasSubstr("start: "));
  ASSERT_TRUE(std::ofstream(top_ + "/cgroup.freeze") << "0" << std::flush);
  const Budget budget = budget_();
  while (!ReadFile(top_ + "/cgroup.procs").value_or("").empty()) {
    ASSERT_GT(budget.Left(), absl::ZeroDuration());
  }
}

TEST_F(LinuxProcessesTest, KnowsWhatSomebodyElseMayNotUse) {
  const std::string folder = log_ + ".files";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder + "/mine");
  std::filesystem::create_directories(folder + "/closed");
  for (const char* name : {"/open", "/read", "/none"}) {
    ASSERT_TRUE(std::ofstream(folder + name).good());
  }
  using Perms = std::filesystem::perms;
  std::filesystem::permissions(folder + "/open", Perms(0600));
  std::filesystem::permissions(folder + "/read", Perms(0400));
  std::filesystem::permissions(folder + "/none", Perms(0000));
  std::filesystem::permissions(folder + "/closed", Perms(0500));
  core::Standing standing = processes_->OwnFacts()->standing;
  standing.capabilities.permitted = 0;  // which would open all
  standing.capabilities.effective = 0;
  EXPECT_THAT(
      processes_->OutOfReach(
          standing, {folder + "/open", folder + "/read", folder + "/mine",
                     folder + "/none", folder + "/closed", folder + "/gone"}),
      ElementsAre(folder + "/read", folder + "/none", folder + "/closed",
                  folder + "/gone"));
}

// Its user put a link where it works, and came to be where it may not go.
TEST_F(LinuxProcessesTest, FollowsNoLinkToWhereAProgramWorks) {
  const std::string link = log_ + ".link";
  std::filesystem::remove(link);
  std::filesystem::create_directory_symlink("/proc", link);
  Program program = Lives();
  program.directory = link;
  const auto process = processes_->Launch(program, log_);
  EXPECT_EQ(Reason(process.status()), "PROCESS_NOT_STARTED");
  if (process.ok()) processes_->Kill(*process);
}

TEST_F(LinuxProcessesTest, SaysWhyAProgramCannotBeStarted) {
  for (const Program& program :
       std::vector<Program>{{.argv = {"/nowhere/at/all"}},
                            {.argv = {"tail"}, .directory = "/nowhere"},
                            {}}) {
    EXPECT_EQ(Reason(processes_->Launch(program, log_).status()),
              "PROCESS_NOT_STARTED");
  }
  EXPECT_EQ(
      Reason(processes_->Launch({.argv = {"tail"}}, "/nowhere/log").status()),
      "PROCESS_NOT_STARTED");
}

}  // namespace
}  // namespace baton::vfio
