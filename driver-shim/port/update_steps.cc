#include "driver-shim/port/update_steps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/profile.h"

// Start and stop, and what the steps share; they are in update_steps_before.cc
// and update_steps_after.cc.

namespace baton::port {

absl::StatusOr<std::unique_ptr<UpdateSteps>> UpdateSteps::Create(
    Options options, Device& device, const Clock& clock) {
  for (const Tenant& tenant : options.tenants) {
    RETURN_IF_ERROR(VramOf(tenant.profile).status());
  }
  return std::unique_ptr<UpdateSteps>(
      new UpdateSteps(std::move(options), device, clock));
}

absl::Status UpdateSteps::CheckDigest(const DriverImage& image) const {
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(image.path));
  if (digest == image.digest) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         "IMAGE_DIGEST_MISMATCH",
                         absl::StrCat("image '", image.path, "' has digest ",
                                      digest, ", want ", image.digest));
}

absl::StatusOr<std::unique_ptr<DriverProcess>> UpdateSteps::Open(
    const DriverImage& image, absl::Duration timeout) {
  RETURN_IF_ERROR(CheckDigest(image));
  const std::string name =
      absl::StrCat(options_.state_directory, "/host-", ++hosts_);
  return DriverProcess::Start({.executable = options_.executable,
                               .name = name,
                               .memory_fd = store_->memory_fd(),
                               .index_fd = store_->index_fd(),
                               .image = image.path,
                               .bars = device_.Bars(),
                               .interrupts = device_.InterruptPath(),
                               .touch = driver_ == nullptr && before_.empty()
                                            ? DriverProcess::Touch::kAll
                                            : DriverProcess::Touch::kSaved,
                               .hostility = options_.hostility},
                              clock_, timeout);
}

// ---- start and stop ----

absl::Status UpdateSteps::StartFresh(const DriverImage& image,
                                     absl::Duration timeout) {
  CHECK(driver_ == nullptr);
  const Budget budget(clock_, timeout);
  DriverProcess::EndAll(options_.state_directory, "");
  ASSIGN_OR_RETURN(
      store_, SavedStateStore::Create(options_.state_directory,
                                      options_.memory_bytes, options_.digests));
  image_ = image;
  if (image_.digest.empty()) {
    ASSIGN_OR_RETURN(image_.digest, Sha256OfFile(image.path));
  }
  ASSIGN_OR_RETURN(driver_, Open(image_, budget.Left()));
  ASSIGN_OR_RETURN(const DriverProcess::Answer loaded,
                   driver_->Call(HostCommand::kLoad, budget.Left()));
  caps_.Caps.Value = loaded.gpup_caps;
  RETURN_IF_ERROR(CreateTenants(options_.tenants, budget.Left()));
  RETURN_IF_ERROR(driver_->Call(HostCommand::kRun, budget.Left()).status());
  // An update that never ended may have left them paused.
  RETURN_IF_ERROR(device_.ResumeEngines(budget.Left()));
  return Recount(budget.Left());
}

absl::Status UpdateSteps::Populate(const std::vector<Tenant>& tenants,
                                   absl::Duration timeout) {
  const Budget budget(clock_, timeout);
  std::vector<WantedGpu> unwanted;
  for (const VirtualGpu& vgpu : vgpus_) {
    if (vgpu.partition_id < tenants.size()) continue;
    unwanted.push_back({.partition_id = vgpu.partition_id});
  }
  RETURN_IF_ERROR(
      driver_->DestroyVirtualGpus(unwanted, budget.Left()).status());
  RETURN_IF_ERROR(CreateTenants(tenants, budget.Left()));
  return Recount(budget.Left());
}

absl::Status UpdateSteps::Recount(absl::Duration timeout) {
  ASSIGN_OR_RETURN(const DriverProcess::Answer counted,
                   driver_->Census(HostCommand::kCensus,
                                   device_.Identity().functions_max, timeout));
  ASSIGN_OR_RETURN(const std::vector<FunctionState> functions,
                   device_.Functions());
  ASSIGN_OR_RETURN(const std::vector<CensusEntry> census,
                   TakeCensus(functions, counted.census));
  Adopt(census);
  return absl::OkStatus();
}

absl::Status UpdateSteps::CreateTenants(const std::vector<Tenant>& tenants,
                                        absl::Duration timeout) {
  std::vector<WantedGpu> wanted;
  for (const Tenant& tenant : tenants) {
    const auto id = static_cast<uint32_t>(wanted.size());
    ASSIGN_OR_RETURN(const uint64_t vram_bytes, VramOf(tenant.profile));
    wanted.push_back(
        {.partition_id = id,
         .luid = {.LowPart = 0x1000 + id, .HighPart = options_.luid_high_part},
         .vram_bytes = vram_bytes});
  }
  RETURN_IF_ERROR(driver_->CreateVirtualGpus(wanted, timeout).status());
  for (size_t i = 0; i < wanted.size(); ++i) {
    RETURN_IF_ERROR(device_.Assign(wanted[i].partition_id, tenants[i].guest));
  }
  return absl::OkStatus();
}

void UpdateSteps::Stop(absl::Duration timeout) {
  DropStandbys();
  if (driver_ != nullptr) {
    const Answer stopped = driver_->Call(HostCommand::kStop, timeout);
    if (!stopped.ok()) LogWarning(stopped.status().message());
    driver_->Kill();
    driver_ = nullptr;
  }
  retired_.clear();
  DriverProcess::EndAll(options_.state_directory, "");
  if (store_ == nullptr) {
    auto left = SavedStateStore::Open(options_.state_directory);
    if (left.ok()) store_ = *std::move(left);
  }
  if (store_ != nullptr) store_->Remove();
}

// ---- after another shim ----

void UpdateSteps::NoteHost() {
  if (driver_ == nullptr) {
    host_ = {};
  } else {
    host_ = {.name = driver_->name(), .known = driver_->known()};
  }
}

AdapterState UpdateSteps::Recover(AdapterState state,
                                  std::optional<AdapterStep> under_way,
                                  absl::Duration timeout) {
  const Budget budget(clock_, timeout);
  auto store = SavedStateStore::Open(options_.state_directory);
  if (!store.ok()) {
    LeaveAlone(absl::StrCat("saved state of the shim before cannot be used: ",
                            store.status().message()));
    return AdapterState::kBroken;
  }
  store_ = *std::move(store);
  // By whatever path to the directory the shim before knew it.
  if (!host_.name.empty()) {
    host_.name = absl::StrCat(options_.state_directory,
                              host_.name.substr(host_.name.rfind('/')));
  }
  // A driver that was being loaded has views of the blocks alone: it goes, and
  // another is given the same.
  if (under_way == AdapterStep::kRestore) host_ = {};
  DriverProcess::EndAll(options_.state_directory, host_.name);
  Reattach();
  switch (state) {
    case AdapterState::kRunning:
    case AdapterState::kPrepared:
    case AdapterState::kPaused:
    case AdapterState::kResumed:
    case AdapterState::kConfirmed:
    case AdapterState::kBroken:
      if (driver_ == nullptr) return Broken({}, budget).state;
      break;
    case AdapterState::kRestored:
    case AdapterState::kVerified:
      // As long as no engine ran, the blocks are good for another driver.
      if (driver_ != nullptr) break;
      if (EnginesRan()) return Broken({}, budget).state;
      return AdapterState::kUnloaded;
    case AdapterState::kEmpty:
    case AdapterState::kSaved:
    case AdapterState::kUnloaded:
      break;
  }
  if (state == AdapterState::kPrepared && !under_way.has_value()) {
    const absl::Status opened = OpenStandbys(budget);
    // They are missed by nobody but the blackout.
    if (!opened.ok()) LogWarning(opened.message());
  }
  return state;
}

void UpdateSteps::Reattach() {
  if (host_.name.empty()) return;
  auto attached = DriverProcess::Attach(host_.name, host_.known, clock_);
  if (attached.ok()) {
    driver_ = *std::move(attached);
    return;
  }
  fault_ = std::string(attached.status().message());
  LogError(fault_);
}

bool UpdateSteps::EnginesRan() const {
  const auto functions = device_.Functions();
  return functions.ok() &&
         std::any_of(functions->begin(), functions->end(),
                     [](const auto& f) { return f.started_at > f.stopped_at; });
}

void UpdateSteps::LeaveAlone(const std::string& fault) {
  fault_ = fault;
  LogError(fault_);
}

// ---- what steps share ----

bool UpdateSteps::hot_update_capable() const {
  return driver_ != nullptr && !CheckCapable(caps_).has_value();
}

void UpdateSteps::Adopt(const std::vector<CensusEntry>& census) {
  const bool same = std::equal(
      census.begin(), census.end(), vgpus_.begin(), vgpus_.end(),
      [](const CensusEntry& a, const VirtualGpu& b) { return a.vgpu == b; });
  if (same) return;
  std::vector<VirtualGpu> vgpus;
  vgpus.reserve(census.size());
  for (const CensusEntry& entry : census) vgpus.push_back(entry.vgpu);
  vgpus_ = std::move(vgpus);
}

bool UpdateSteps::Lost(const absl::Status& status) const {
  const std::string reason = Reason(status);
  return reason == "DRIVER_CRASHED" || reason == "DRIVER_HUNG";
}

// Puts into the report what is known of a failure. Call it while the driver
// that failed is still `driver_`.
void UpdateSteps::Note(StepReport& report, const absl::Status& status) {
  if (driver_ != nullptr) {
    std::vector<EntryPointCall> calls = driver_->Calls();
    calls.insert(calls.begin(), report.calls.begin(), report.calls.end());
    report.calls = std::move(calls);
    report.driver_time += driver_->driver_time();
    report.driver_faults += driver_->page_faults();
  }
  if (report.status.ok()) report.status = status;
  if (driver_ == nullptr) return;
  const Verdict rule = driver_->broken_rule();
  // What an interrupt or a DPC broke fails no step by itself, but is told.
  if (status.ok() && !rule.has_value()) return;
  report.entry_point = driver_->failed_entry_point();
  report.nt_status = driver_->failed_nt_status();
  report.driver_log = driver_->LastLines();
  if (rule.has_value()) report.rule = absl::StrCat("R", rule->rule);
}

// The driver is dead or does not answer: whatever it was asked to do, guests
// must not stand still for it, and nothing is loaded after it.
UpdateSteps::Outcome UpdateSteps::Broken(StepReport report,
                                         const Budget& budget) {
  if (!report.status.ok()) fault_ = std::string(report.status.message());
  const absl::Status resumed =
      device_.ResumeEngines(std::max(budget.Left(), absl::Seconds(1)));
  if (!resumed.ok()) LogError(resumed.message());
  DropStandbys();
  if (report.vgpus.empty()) {
    report.vgpus = Unseen(absl::StrCat("its driver is gone: ", fault_));
  }
  report.vgpus = Blackouts(std::move(report.vgpus));
  return {std::move(report), AdapterState::kBroken};
}

// The driver host that is most likely to be loaded next maps what was saved
// while the driver before it stops.
void UpdateSteps::AlertStandby() {
  for (const Standby& standby : standbys_) {
    if (standby.process == nullptr) continue;
    // If it is dead the Restore finds out.
    (void)standby.process->Begin(HostCommand::kReserveSaved,
                                 absl::ZeroDuration());
    return;
  }
}

std::unique_ptr<DriverProcess> UpdateSteps::TakeStandby(DriverImage& image,
                                                        const Budget& budget,
                                                        StepReport& report) {
  for (Standby& standby : standbys_) {
    if (standby.process == nullptr || standby.image.digest != image.digest) {
      continue;
    }
    std::unique_ptr<DriverProcess> process = std::move(standby.process);
    // What it cannot reserve now it says again when it is to load it.
    if (process->busy()) {
      (void)process->AwaitLate(budget.Left());
      report.driver_faults += process->page_faults();
    }
    if (process->busy() || !process->Alive()) continue;
    // The same bytes, but the file that was really opened.
    image.path = standby.image.path;
    return process;
  }
  return nullptr;
}

// Whoever was frozen in the blackout ends now: taking an address space down is
// work for a core that the guests want.
void UpdateSteps::EndRetired() {
  for (const auto& process : retired_) process->Retire();
}

void UpdateSteps::DropStandbys() {
  EndRetired();
  for (Standby& standby : standbys_) {
    if (standby.process == nullptr) continue;
    standby.process->Retire();
    retired_.push_back(std::move(standby.process));
  }
  standbys_.clear();
}

bool UpdateSteps::Watch() {
  std::erase_if(retired_,
                [](const auto& process) { return !process->Alive(); });
  if (driver_ == nullptr) return false;
  if (driver_->Alive()) return true;
  if (fault_.empty()) {
    const std::string where = driver_->failed_entry_point();
    fault_ = where.empty() ? "driver host died"
                           : absl::StrCat("driver host died in ", where);
    LogError(fault_);
  }
  return false;
}

}  // namespace baton::port
