#include "driver-shim/miniport/adapter.h"

#include <algorithm>

#include "driver-shim/miniport/mailbox.h"
#include "driver-shim/softgpu/doorbell.h"

namespace baton::miniport {
namespace {

constexpr int64_t kEnableTimeoutNs = 2'000'000'000;
constexpr uint32_t kBarsBeforeFunctions = 2;

}  // namespace

Adapter::~Adapter() {
  MisbehaveInRemove();
  GiveMemoryBack();
  ForgetRestored();
  ForgetVgpus();
}

NTSTATUS Adapter::Start(const DXGKRNL_INTERFACE& dxgk) {
  dxgk_ = dxgk;
  NTSTATUS status = MapBars();
  if (!NT_SUCCESS(status)) return status;
  status = MisbehaveInStart();
  if (NT_SUCCESS(status)) {
    const bool fresh = restored_ == nullptr || Fails(Fault::kStartsFresh);
    status = fresh ? StartFresh() : StartRestored();
  }
  if (!NT_SUCCESS(status)) {
    UnmapBars();
    return status;
  }
  // Requests may wait whose interrupts came while no driver was there.
  QueueDpc();
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::MapBars() {
  DXGK_DEVICE_INFO info = {};
  const NTSTATUS status =
      dxgk_.DxgkCbGetDeviceInformation(dxgk_.DeviceHandle, &info);
  if (!NT_SUCCESS(status)) return status;
  const uint32_t bars =
      info.TranslatedResourceList->List[0].PartialResourceList.Count;
  if (bars < kBarsBeforeFunctions + 1) return STATUS_DEVICE_NOT_READY;
  const auto map = [&](uint32_t bar, ULONG bytes, PVOID* address) {
    return dxgk_.DxgkCbMapMemory(
        dxgk_.DeviceHandle,
        BatonResourceAt(info.TranslatedResourceList, bar)->u.Memory.Start,
        bytes, FALSE, FALSE, MmNonCached, address);
  };
  PVOID address = nullptr;
  NTSTATUS mapped = map(0, sizeof(softgpu_pf), &address);
  if (!NT_SUCCESS(mapped)) return mapped;
  pf_ = static_cast<softgpu_pf*>(address);
  if (softgpu_read32(&pf_->magic) != SOFTGPU_MAGIC ||
      pf_->registers_version != SOFTGPU_REGISTERS_VERSION) {
    UnmapBars();
    return STATUS_NOT_SUPPORTED;
  }
  board_revision_ = pf_->board_revision;
  functions_ = std::min<uint32_t>(
      {pf_->functions_max, bars - kBarsBeforeFunctions, SOFTGPU_FUNCTIONS_MAX});
  for (uint32_t n = 0; n < functions_ && NT_SUCCESS(mapped); ++n) {
    mapped = map(kBarsBeforeFunctions + n, sizeof(softgpu_vf), &address);
    if (NT_SUCCESS(mapped)) pages_[n] = static_cast<softgpu_vf*>(address);
  }
  if (!NT_SUCCESS(mapped)) UnmapBars();
  return mapped;
}

void Adapter::UnmapBars() {
  for (softgpu_vf*& page : pages_) {
    if (page != nullptr) dxgk_.DxgkCbUnmapMemory(dxgk_.DeviceHandle, page);
    page = nullptr;
  }
  if (pf_ != nullptr) dxgk_.DxgkCbUnmapMemory(dxgk_.DeviceHandle, pf_);
  pf_ = nullptr;
}

NTSTATUS Adapter::StartFresh() {
  partition_count_ = functions_;
  for (uint32_t n = 0; n < functions_; ++n) {
    const NTSTATUS status = Enable(n, false);
    if (!NT_SUCCESS(status)) return status;
  }
  return STATUS_SUCCESS;
}

// Touches no register: the functions are as the old driver left them. What was
// restored must agree with them.
NTSTATUS Adapter::StartRestored() {
  const AdapterRecord& adapter = restored_->adapter.adapter;
  if (!restored_->has_adapter || adapter.partition_count == 0 ||
      adapter.partition_count > functions_ ||
      adapter.vram_bytes != pf_->vram_bytes) {
    return STATUS_DATA_ERROR;
  }
  partition_count_ = adapter.partition_count;
  for (uint32_t i = 0; i < adapter.vgpus; ++i) {
    if (Fails(Fault::kKeepsNothing)) break;
    const NTSTATUS status = Rebuild(restored_->adapter.vgpus[i]);
    if (!NT_SUCCESS(status)) return status;
  }
  MisbehaveAfterRestore();
  ForgetRestored();
  update_ = Update::kRestored;
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::Rebuild(const VgpuRecord& record) {
  const uint32_t n = record.partition_id;
  if (n >= partition_count_ || vgpus_[n].state != nullptr ||
      !restored_->has_allocations[n] || !restored_->has_contexts[n] ||
      !IsSound(*restored_->states[n], record.window_bytes)) {
    return STATUS_DATA_ERROR;
  }
  const softgpu_function& function = pf_->functions[n];
  if (softgpu_read32(&function.enabled) == 0 ||
      function.window_base != record.window_base ||
      function.window_bytes != record.window_bytes) {
    return STATUS_INVALID_DEVICE_STATE;
  }
  GuestState* state = image_.make_state(record.window_bytes);
  if (state == nullptr) return STATUS_NO_MEMORY;
  state->Import(*restored_->states[n]);
  state->ImportStatistics(restored_->statistics[n]);
  vgpus_[n] = {record, state};
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::Stop() {
  if (pf_ == nullptr) return STATUS_SUCCESS;
  NTSTATUS status = STATUS_SUCCESS;
  if (update_ == Update::kNone) {
    for (uint32_t n = 0; n < functions_; ++n) {
      const NTSTATUS disabled = Enable(n, false);
      if (!NT_SUCCESS(disabled)) status = disabled;
    }
  } else {
    MisbehaveInStop();
  }
  UnmapBars();
  return status;
}

void Adapter::QueueDpc() const {
  if (dxgk_.DxgkCbQueueDpc != nullptr) dxgk_.DxgkCbQueueDpc(dxgk_.DeviceHandle);
}

void Adapter::Dpc() {
  if (pf_ == nullptr || update_ == Update::kSaved) return;
  MisbehaveInDpc();
  for (uint32_t n = 0; n < functions_; ++n) {
    Vgpu& vgpu = vgpus_[n];
    softgpu_function* control = &pf_->functions[n];
    // A paused function's state is being handed over, or handed back. Its
    // device interrupts when the engines start again.
    if (vgpu.state == nullptr ||
        softgpu_read32(&control->run_state) != SOFTGPU_RUN ||
        softgpu_read32(&control->run_request) != SOFTGPU_RUN) {
      continue;
    }
    ServeMailbox(vgpu.state, &vgpu.record.mailbox_sequence, control,
                 &pages_[n]->mailbox);
  }
}

// Waits until the device has followed.
NTSTATUS Adapter::Enable(uint32_t partition, bool enable) const {
  softgpu_function* control = &pf_->functions[partition];
  const uint32_t wanted = enable ? 1 : 0;
  if (softgpu_read32(&control->enabled) == wanted) return STATUS_SUCCESS;
  softgpu_write32(&control->enable, wanted);
  softgpu_ring(&pf_->control_doorbell);
  const uint64_t deadline = softgpu_now_ns() + kEnableTimeoutNs;
  while (softgpu_read32(&control->enabled) != wanted) {
    if (softgpu_read32(&control->enable) != wanted) {
      return STATUS_INVALID_PARAMETER;  // the device refused
    }
    const uint64_t now = softgpu_now_ns();
    if (now >= deadline) return STATUS_IO_TIMEOUT;
    softgpu_wait(
        &control->enabled, 1 - wanted,
        std::min<int64_t>(static_cast<int64_t>(deadline - now), 10'000'000));
  }
  return STATUS_SUCCESS;
}

void Adapter::ForgetVgpus() {
  for (Vgpu& vgpu : vgpus_) {
    DestroyGuestState(vgpu.state);
    vgpu = {};
  }
}

}  // namespace baton::miniport
