#ifndef DRIVER_SHIM_VFIO_CORE_STANDING_H_
#define DRIVER_SHIM_VFIO_CORE_STANDING_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "driver-shim/vfio/core/blocker.h"

// As whom the QEMU of a machine runs and what it may take, out of the texts of
// /proc, and which of that the one after it cannot have.

namespace baton::vfio::core {

// Of one resource; kUnlimited: none.
struct Limit {
  uint64_t soft = 0;
  uint64_t hard = 0;

  bool operator==(const Limit&) const = default;
};

inline constexpr uint64_t kUnlimited = ~uint64_t{0};

// Bit N is capability N of linux/capability.h.
struct Capabilities {
  uint64_t inheritable = 0;
  uint64_t permitted = 0;
  uint64_t effective = 0;
  uint64_t bounding = 0;
  uint64_t ambient = 0;

  bool operator==(const Capabilities&) const = default;
};

// What the next process is started with.
struct Standing {
  // Real, effective and saved.
  uint32_t user = 0;
  uint32_t group = 0;
  std::vector<uint32_t> groups = {};  // the others, sorted
  Capabilities capabilities = {};
  bool no_new_privileges = false;
  uint32_t umask = 0;
  std::vector<Limit> limits = {};  // by RLIMIT_… of the kernel
  // Where it is in each hierarchy: by controllers as in /proc/PID/cgroup, ""
  // for version 2.
  std::map<std::string, std::string> cgroups = {};
  // Processors that it may run on: bit N % 64 of word N / 64.
  std::vector<uint64_t> processors = {};
  int policy = 0;    // SCHED_…
  int priority = 0;  // of a policy that has any

  bool operator==(const Standing&) const = default;
};

// What only whoever started it could give it.
struct Surroundings {
  // By kind, e.g. "net" and "net:[4026531833]".
  std::map<std::string, std::string> namespaces = {};
  std::string root = "/";       // directory
  std::string label = "";       // of AppArmor or SELinux; "": none
  int filters = 0;              // seccomp
  bool ids_differ = false;      // real, effective and saved
  std::string odd_thread = "";  // that has a place of its own
};

struct ProcessFacts {
  Standing standing = {};
  Surroundings surroundings = {};
};

// The files of /proc/PID, as they are; of those that are missing, "".
struct ProcessTexts {
  struct Thread {
    std::string id = "";
    std::string status = "";
    std::string stat = "";
    std::string cgroup = "";
  };
  std::string status = "";
  std::string stat = "";
  std::string limits = "";
  std::string cgroup = "";
  std::string label = "";                              // attr/current
  std::string root = "/";                              // where it points
  std::map<std::string, std::string> namespaces = {};  // the links of ns/
  std::vector<Thread> threads = {};                    // of task/
};

// Nothing where the texts are not what a kernel writes.
std::optional<ProcessFacts> FactsFrom(const ProcessTexts& texts);

// The folder of a control group: `mounts` is /proc/self/mountinfo. "" where
// its hierarchy is not mounted.
std::string CgroupFolder(absl::string_view mounts,
                         const std::string& controllers,
                         const std::string& path);

// The capabilities to start a process with so that it has those of `standing`,
// and never more: exec gives root all of the bounding set, and others what is
// ambient.
Capabilities ForStart(const Standing& standing);

// In which way a process that was started so is not as wanted; "" where it is.
// A soft limit is its own business.
std::string DifferenceOf(const Standing& got, const Standing& wanted);

// What the next QEMU of a machine would not come back with when the shim starts
// it. `filters_itself`: whether its command line has it take a seccomp filter.
//
// Blockers: MACHINE_NAMESPACE_OTHER, MACHINE_LABEL_OTHER,
//   MACHINE_FILTER_FOREIGN, MACHINE_USER_MIXED, MACHINE_THREADS_APART,
//   MACHINE_IN_A_SERVICE, MACHINE_MAY_MORE_THAN_SHIM,
//   MACHINE_CAPABILITIES_APART
std::vector<Blocker> JudgeStanding(const std::string& guest,
                                   const ProcessFacts& machine,
                                   const ProcessFacts& shim,
                                   bool filters_itself);

}  // namespace baton::vfio::core

#endif  // DRIVER_SHIM_VFIO_CORE_STANDING_H_
