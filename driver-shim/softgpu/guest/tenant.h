#ifndef DRIVER_SHIM_SOFTGPU_GUEST_TENANT_H_
#define DRIVER_SHIM_SOFTGPU_GUEST_TENANT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "driver-shim/softgpu/guest/heap.h"
#include "driver-shim/softgpu/guest/mailbox_client.h"
#include "driver-shim/softgpu/guest/model.h"
#include "driver-shim/softgpu/guest/report.h"
#include "driver-shim/softgpu/mapped_file.h"

namespace baton::softgpu {

// When the tenant shall end. Any implementation may be asked from its thread
// alone.
class Stop {
 public:
  virtual ~Stop() = default;
  // Waits up to `timeout` and returns whether the tenant shall end.
  virtual bool WaitFor(absl::Duration timeout) = 0;
};

// A guest with one virtual GPU: computes on it for ever, in batches, with a
// known answer, asks its driver for this and that, and checks every answer. It
// knows nothing of drivers being replaced. One thread.
class Tenant {
 public:
  struct Options {
    std::string directory = "";
    uint32_t function = 0;
    std::string name = "guest";  // letters, digits, '.', '_' and '-'
    uint32_t rate = 8000;        // commands per second at most; 1 or more
    absl::Duration batch_period = absl::Milliseconds(8);
    absl::Duration mailbox_period = absl::Milliseconds(100);
    absl::Duration stall = absl::Seconds(2);  // a longer wait is a stall
    // How long what is in flight may take once the tenant shall end.
    absl::Duration drain = absl::Seconds(10);
    uint64_t working_bytes = 512 * 1024;
    uint64_t seed = 1;
    // Called once everything is allocated and work begins.
    std::function<void()> on_ready = [] {};
    // Asked after each batch, when nothing is in flight: whether somebody wants
    // to know. What was seen so far, all VRAM verified, then goes to on_report.
    std::function<bool()> report_wanted = [] { return false; };
    std::function<void(const Report&)> on_report = [](const Report&) {};
  };

  // Errors: INVALID_ARGUMENT, reason GUEST_OPTION; and of MappedFile::Open()
  static absl::StatusOr<std::unique_ptr<Tenant>> Create(const Options& options);

  // Works until `stop` says so or the function is taken away, then verifies
  // all of its VRAM. Returns what it saw.
  Report Run(Stop& stop);

 private:
  explicit Tenant(const Options& options) : options_(options) {}

  // Waits for the function, then asks for all that is needed to work. Returns
  // false when told to stop before.
  bool SetUp(Stop& stop);
  bool MapWindow();
  bool Ask(const MailboxRequest& request, Stop& stop, MailboxAnswer* answer);
  bool AskForWorkingSet(Stop& stop);
  bool PrimeChain(Stop& stop);

  // One batch: submits, waits, checks. Returns false when the function is gone
  // or what was submitted did not come back in time.
  bool RunBatch(Stop& stop);
  void Submit(std::vector<softgpu_command> commands);
  bool AwaitBatch(Stop& stop);
  void CheckBatch();
  void CountMissing();
  void PumpMailbox();
  void CheckAll();
  void Complain(const std::string& what);

  const Options options_;
  std::unique_ptr<MappedFile> page_file_;
  std::unique_ptr<MappedFile> window_;
  std::unique_ptr<MailboxClient> mailbox_;
  std::unique_ptr<Heap> heap_;
  std::unique_ptr<Model> model_;
  softgpu_vf* page_ = nullptr;
  uint32_t context_ = 0;
  uint32_t context_tag_ = 0;
  MailboxRequest asked_ = {};
  uint64_t next_request_ns_ = 0;
  std::vector<softgpu_command> extra_;  // for the next batch
  std::vector<softgpu_command> batch_;  // in flight
  Report report_;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_GUEST_TENANT_H_
