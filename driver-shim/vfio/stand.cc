#include "driver-shim/vfio/stand.h"

#include <signal.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/client.h"
#include "driver-shim/vfio/linux_kernel.h"
#include "driver-shim/vfio/linux_processes.h"
#include "driver-shim/vfio/machine.h"
#include "driver-shim/vfio/vfio_device.h"

namespace baton::vfio {
namespace {

absl::Status MakeDirectory(const std::string& path) {
  if (mkdir(path.c_str(), S_IRWXU) == 0 || errno == EEXIST) {
    return absl::OkStatus();
  }
  return ErrorWithReason(absl::StatusCode::kUnavailable, "FILE_UNWRITABLE",
                         absl::StrCat("cannot make directory '", path, "'"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Stand>> Stand::Create(const Options& options,
                                                     const Clock& clock) {
  // A QEMU that goes away in mid-stream is an error to report, not an end.
  signal(SIGPIPE, SIG_IGN);
  const std::string logs = absl::StrCat(options.state_directory, "/logs");
  RETURN_IF_ERROR(MakeDirectory(logs));
  RETURN_IF_ERROR(
      MakeDirectory(absl::StrCat(options.state_directory, "/streams")));
  auto stand = absl::WrapUnique(new Stand);
  stand->kernel_ = OpenKernel();
  stand->processes_ = OpenProcesses();
  std::vector<Steps::Vgpu> vgpus;
  for (const Config::Vgpu& vgpu : options.config.vgpus) {
    std::unique_ptr<Holder> holder;
    if (!vgpu.machine_qmp.empty()) {
      holder = std::make_unique<Machine>(
          Machine::Options{
              .name = {.guest = vgpu.guest,
                       .uuid = vgpu.uuid,
                       .qmp = vgpu.machine_qmp,
                       .next_qmp = absl::StrCat(vgpu.machine_qmp, ".next")},
              .log_directory = logs},
          *stand->kernel_, *stand->processes_, clock);
    } else {
      holder = std::make_unique<Client>(
          Client::Options{.guest = vgpu.guest,
                          .uuid = vgpu.uuid,
                          .socket = vgpu.client_socket},
          *stand->processes_, clock, &OpenDevice);
    }
    vgpus.push_back({.config = vgpu, .holder = std::move(holder)});
  }
  stand->adapter_ = std::make_unique<VfioAdapter>(
      VfioAdapter::Identity{.name = options.adapter_name,
                            .model = options.config.model,
                            .pci_id = options.config.pci_id},
      clock,
      std::make_unique<Steps>(options.config, options.state_directory,
                              std::move(vgpus), *stand->kernel_, clock));
  return stand;
}

}  // namespace baton::vfio
