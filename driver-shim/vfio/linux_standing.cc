#include "driver-shim/vfio/linux_standing.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "driver-shim/vfio/proc_files.h"

namespace baton::vfio {
namespace {

constexpr int kCapabilitiesMax = 64;

bool Has(uint64_t set, int capability) { return (set >> capability & 1) != 0; }

bool Sets(const core::Capabilities& capabilities) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3,
                                     .pid = 0};
  __user_cap_data_struct data[2] = {};
  for (int half = 0; half < 2; ++half) {
    const int shift = 32 * half;
    data[half].effective =
        static_cast<uint32_t>(capabilities.effective >> shift);
    data[half].permitted =
        static_cast<uint32_t>(capabilities.permitted >> shift);
    data[half].inheritable =
        static_cast<uint32_t>(capabilities.inheritable >> shift);
  }
  return syscall(SYS_capset, &header, data) == 0;
}

bool Raises(uint64_t ambient) {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    return ambient == 0;
  }
  for (int one = 0; one < kCapabilitiesMax; ++one) {
    if (!Has(ambient, one)) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, one, 0, 0) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<core::ProcessFacts> FactsOf(int pid) {
  const std::string folder = absl::StrCat("/proc/", pid, "/");
  const auto text = [&](absl::string_view name) {
    return ReadFile(absl::StrCat(folder, name)).value_or("");
  };
  core::ProcessTexts texts = {.status = text("status"),
                              .stat = text("stat"),
                              .limits = text("limits"),
                              .cgroup = text("cgroup"),
                              .label = text("attr/current"),
                              .root = ReadLink(absl::StrCat(folder, "root"))};
  for (const char* kind :
       {"cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"}) {
    texts.namespaces[kind] = ReadLink(absl::StrCat(folder, "ns/", kind));
  }
  for (const std::string& thread : NamesIn(absl::StrCat(folder, "task"))) {
    const std::string task = absl::StrCat("task/", thread, "/");
    texts.threads.push_back({.id = thread,
                             .status = text(absl::StrCat(task, "status")),
                             .stat = text(absl::StrCat(task, "stat")),
                             .cgroup = text(absl::StrCat(task, "cgroup"))});
  }
  return core::FactsFrom(texts);
}

Becoming::Becoming(const core::Standing& wanted, const core::Standing& own)
    : wanted_(wanted),
      own_(own),
      capabilities_(core::ForStart(wanted)),
      same_(false) {
  const std::string mounts = ReadFile("/proc/self/mountinfo").value_or("");
  for (const auto& [controllers, path] : wanted.cgroups) {
    const auto ours = own.cgroups.find(controllers);
    if (ours != own.cgroups.end() && ours->second == path) continue;
    const std::string folder = core::CgroupFolder(mounts, controllers, path);
    // Somebody is in it, unless all have died in mid-update: then the machine
    // comes back without its limits rather than not at all. What becomes of it
    // if it cannot be made, the child finds out.
    std::error_code error;
    if (!folder.empty() && std::filesystem::create_directories(folder, error)) {
      LogWarning(absl::StrCat("control group '", folder,
                              "' was gone: makes it anew, without limits"));
    }
    // Where it is not mounted, that there is no such file says so.
    cgroups_.push_back(absl::StrCat(folder, "/cgroup.procs"));
  }
}

const char* Becoming::Take(bool without_places) const {
  if (same_) return nullptr;
  for (const auto step : {&Becoming::TakeCgroups, &Becoming::TakeProcessors}) {
    const char* const refused = (this->*step)();
    if (refused != nullptr && !without_places) return refused;
  }
  for (const auto step : {&Becoming::TakeLimits, &Becoming::TakeUser}) {
    const char* const refused = (this->*step)();
    if (refused != nullptr) return refused;
  }
  umask(wanted_.umask);
  const bool bound = wanted_.no_new_privileges && !own_.no_new_privileges;
  if (bound && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return "no_new_privs";
  }
  return nullptr;
}

const char* Becoming::TakeCgroups() const {
  const char* refused = nullptr;  // by one, and the others are still taken
  int error = 0;
  for (const std::string& path : cgroups_) {
    const int file = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "0", 1) != 1) {
      refused = path.c_str();
      error = errno;
    }
    if (file >= 0) close(file);
  }
  errno = error;
  return refused;
}

// Of those that its control group leaves: what is as it should be stays free to
// follow the group.
const char* Becoming::TakeProcessors() const {
  sched_param priority = {};
  priority.sched_priority = wanted_.priority;
  const bool other =
      wanted_.policy != own_.policy || wanted_.priority != own_.priority;
  if (other && sched_setscheduler(0, wanted_.policy, &priority) != 0) {
    return "scheduling policy";
  }
  std::array<uint64_t, 128> now = {};
  const long known = syscall(SYS_sched_getaffinity, 0, sizeof now, now.data());
  bool equal = known > 0;
  for (size_t i = 0; i < now.size(); ++i) {
    const uint64_t want =
        i < wanted_.processors.size() ? wanted_.processors[i] : 0;
    equal = equal && now[i] == want;
  }
  if (equal) return nullptr;
  const long set =
      syscall(SYS_sched_setaffinity, 0, wanted_.processors.size() * 8,
              wanted_.processors.data());
  return set == 0 ? nullptr : "processors";
}

const char* Becoming::TakeLimits() const {
  for (size_t i = 0; i < wanted_.limits.size(); ++i) {
    if (i < own_.limits.size() && wanted_.limits[i] == own_.limits[i]) {
      continue;
    }
    const rlimit64 limit = {.rlim_cur = wanted_.limits[i].soft,
                            .rlim_max = wanted_.limits[i].hard};
    if (syscall(SYS_prlimit64, 0, i, &limit, nullptr) != 0) return "limits";
  }
  return nullptr;
}

// System calls and not their wrappers: those have all threads do the same.
const char* Becoming::TakeUser() const {
  if (same_) return nullptr;
  for (int one = 0; one < kCapabilitiesMax; ++one) {
    const bool drops = Has(own_.capabilities.bounding, one) &&
                       !Has(capabilities_.bounding, one);
    if (drops && prctl(PR_CAPBSET_DROP, one, 0, 0, 0) != 0) {
      return "bounding capabilities";
    }
  }
  if (wanted_.groups != own_.groups &&
      syscall(SYS_setgroups, wanted_.groups.size(), wanted_.groups.data()) !=
          0) {
    return "groups";
  }
  const uint32_t group = wanted_.group;
  if (group != own_.group && syscall(SYS_setresgid, group, group, group) != 0) {
    return "group";
  }
  const uint32_t user = wanted_.user;
  if (user != own_.user && (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
                            syscall(SYS_setresuid, user, user, user) != 0)) {
    return "user";
  }
  return TakeCapabilities();
}

const char* Becoming::TakeCapabilities() const {
  const core::Capabilities& own = own_.capabilities;
  const bool same = wanted_.user == own_.user &&
                    capabilities_.permitted == own.permitted &&
                    capabilities_.effective == own.effective &&
                    capabilities_.inheritable == own.inheritable &&
                    capabilities_.ambient == own.ambient;
  if (same) return nullptr;
  const bool taken = Sets(capabilities_) && Raises(capabilities_.ambient);
  return taken ? nullptr : "capabilities";
}

}  // namespace baton::vfio
