#include "driver-shim/vfio/linux_kernel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "driver-shim/vfio/access.h"
#include "driver-shim/vfio/module_file.h"
#include "driver-shim/vfio/proc_files.h"
#include "driver-shim/vfio/vfio_device.h"

namespace baton::vfio {
namespace {

constexpr char kDeviceLink[] = "anon_inode:[vfio-device]";
// How soon a module that is held is tried again, and how long in all: whoever
// we had let go of it does so a moment later, others will not for our sake, and
// guests stand meanwhile.
constexpr absl::Duration kTryAgain = absl::Milliseconds(2);
constexpr absl::Duration kLetGoTimeout = absl::Seconds(2);

std::string MdevPath(const std::string& uuid) {
  return absl::StrCat("/sys/bus/mdev/devices/", uuid);
}

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) {
    text.pop_back();
  }
  return text;
}

std::string CommandOf(int pid) {
  return Trimmed(ReadFile(absl::StrCat("/proc/", pid, "/comm")).value_or("?"));
}

// A process's descriptors: number and what they are.
std::vector<std::pair<int, std::string>> DescriptorsOf(int pid) {
  const std::string directory = absl::StrCat("/proc/", pid, "/fd/");
  std::vector<std::pair<int, std::string>> descriptors;
  for (const std::string& name : NamesIn(directory)) {
    descriptors.emplace_back(std::atoi(name.c_str()),
                             ReadLink(absl::StrCat(directory, name)));
  }
  return descriptors;
}

// Whoever keeps a VFIO module in: an open device, a mapping, a file of a
// migration.
std::vector<Occupant> HoldersOfDevices() {
  std::vector<Occupant> holders;
  for (const int pid : Pids()) {
    std::string what;
    for (const auto& [fd, link] : DescriptorsOf(pid)) {
      const bool stream = absl::StartsWith(link, "anon_inode:") &&
                          absl::StrContains(link, "mig");
      if (link == kDeviceLink || stream) {
        what = absl::StrCat("descriptor ", fd, " (", link, ")");
      }
    }
    if (what.empty() &&
        absl::StrContains(
            ReadFile(absl::StrCat("/proc/", pid, "/maps")).value_or(""),
            kDeviceLink)) {
      what = "a mapping of a device";
    }
    if (!what.empty()) holders.push_back({pid, CommandOf(pid), what});
  }
  return holders;
}

std::string TextOf(const std::vector<Occupant>& holders) {
  if (holders.empty()) return "nobody in /proc";
  return absl::StrJoin(holders, ", ",
                       [](std::string* out, const Occupant& one) {
                         absl::StrAppend(out, "process ", one.pid, " (",
                                         one.command, ") with ", one.what);
                       });
}

absl::Status Failed(absl::StatusCode code, absl::string_view reason,
                    absl::string_view what, int error) {
  return ErrorWithReason(
      code, reason,
      absl::StrCat(what, ": ", std::generic_category().message(error)));
}

class LinuxKernel final : public Kernel {
 public:
  std::string BootId() override {
    return Trimmed(
        ReadFile("/proc/sys/kernel/random/boot_id").value_or("unknown"));
  }

  std::string Release() override {
    utsname names = {};
    uname(&names);
    return names.release;
  }

  bool Loaded(const std::string& module) override {
    const auto state =
        ReadFile(absl::StrCat("/sys/module/", module, "/initstate"));
    return state.has_value() && Trimmed(*state) == "live";
  }

  std::string BuildIdOf(const std::string& module) override {
    const auto note = ReadFile(
        absl::StrCat("/sys/module/", module, "/notes/.note.gnu.build-id"));
    return note.has_value() ? BuildIdIn(*note) : "";
  }

  absl::Status Load(const std::string& path,
                    const std::string& parameters) override {
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.ok() &&
        syscall(SYS_finit_module, file.get(), parameters.c_str(), 0) == 0) {
      return absl::OkStatus();
    }
    return Failed(absl::StatusCode::kFailedPrecondition, "MODULE_NOT_LOADED",
                  absl::StrCat("cannot load module '", path, "'"), errno);
  }

  absl::Status Unload(const std::string& module,
                      const Budget& budget) override {
    const Budget soon = budget.AtMost(kLetGoTimeout);
    int error = 0;
    while (true) {
      if (syscall(SYS_delete_module, module.c_str(), O_NONBLOCK) == 0) {
        return absl::OkStatus();
      }
      error = errno;
      const bool held = error == EAGAIN || error == EBUSY;
      if (!held) break;
      if (soon.Left() == absl::ZeroDuration()) {
        return ErrorWithReason(
            absl::StatusCode::kDeadlineExceeded, "MODULE_HELD",
            absl::StrCat("module '", module, "' cannot be unloaded: held by ",
                         TextOf(HoldersOfDevices())));
      }
      poll(nullptr, 0, static_cast<int>(ToInt64Milliseconds(kTryAgain)));
    }
    if (error == ENOENT) return absl::OkStatus();
    return Failed(absl::StatusCode::kFailedPrecondition, "MODULE_NOT_UNLOADED",
                  absl::StrCat("cannot unload module '", module, "'"), error);
  }

  bool HasVgpu(const std::string& uuid) override {
    return access(MdevPath(uuid).c_str(), F_OK) == 0;
  }

  absl::Status CreateVgpu(const VgpuType& type,
                          const std::string& uuid) override {
    const std::string path = absl::StrCat(type.parent, "/mdev_supported_types/",
                                          type.type, "/create");
    const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    const auto size = static_cast<ssize_t>(uuid.size());
    if (file.ok() && write(file.get(), uuid.data(), uuid.size()) == size) {
      return absl::OkStatus();
    }
    return Failed(
        absl::StatusCode::kUnavailable, "VGPU_NOT_CREATED",
        absl::StrCat("cannot create vGPU ", uuid, " through '", path, "'"),
        errno);
  }

  std::string NodeOf(const std::string& uuid) override {
    const std::string link =
        ReadLink(absl::StrCat(MdevPath(uuid), "/iommu_group"));
    if (link.empty()) return "";
    return absl::StrCat("/dev/vfio", link.substr(link.rfind('/')));
  }

  std::optional<Access> AccessTo(const std::string& uuid) override {
    return AccessOf(NodeOf(uuid));
  }

  absl::Status Admit(const std::string& uuid, const Access& access) override {
    const std::string node = NodeOf(uuid);
    const int error = GrantAccess(node, access);
    if (error == 0) return absl::OkStatus();
    return Failed(absl::StatusCode::kUnavailable, "VGPU_OUT_OF_REACH",
                  absl::StrCat("cannot give '", node, "' of vGPU ", uuid,
                               " to whom it was"),
                  error);
  }

  absl::StatusOr<std::string> ReadAttribute(const std::string& path) override {
    auto text = ReadFile(path);
    if (text.has_value()) return Trimmed(*std::move(text));
    return Failed(absl::StatusCode::kUnavailable, "ATTRIBUTE_UNREADABLE",
                  absl::StrCat("cannot read '", path, "'"), errno);
  }

  std::vector<Occupant> HoldersOf(const std::string& uuid) override {
    std::vector<Occupant> holders;
    const std::string group = NodeOf(uuid);
    if (group.empty()) return holders;
    for (const int pid : Pids()) {
      for (const auto& [fd, what] : DescriptorsOf(pid)) {
        if (what != group) continue;
        holders.push_back({pid, CommandOf(pid), group});
        break;
      }
    }
    return holders;
  }

  absl::StatusOr<std::unique_ptr<Device>> DeviceOf(
      const Process& process) override {
    int found = -1;
    for (const auto& [fd, link] : DescriptorsOf(process.pid)) {
      if (link != kDeviceLink) continue;
      if (found >= 0) {
        return ErrorWithReason(
            absl::StatusCode::kFailedPrecondition, "DEVICE_AMBIGUOUS",
            absl::StrCat("process ", process.pid,
                         " holds several VFIO devices: give it one"));
      }
      found = fd;
    }
    const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
    Fd device(found < 0 ? -1
                        : static_cast<int>(
                              syscall(SYS_pidfd_getfd, pidfd.get(), found, 0)));
    if (device.ok()) return OpenDevice(std::move(device));
    return Failed(absl::StatusCode::kUnavailable, "DEVICE_GONE",
                  absl::StrCat("process ", process.pid,
                               " holds no VFIO device that can be had"),
                  found < 0 ? ENODEV : errno);
  }
};

}  // namespace

std::unique_ptr<Kernel> OpenKernel() { return std::make_unique<LinuxKernel>(); }

}  // namespace baton::vfio
