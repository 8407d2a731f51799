#include <algorithm>
#include <cstring>

#include "driver-shim/miniport/adapter.h"
#include "driver-shim/softgpu/doorbell.h"

// The GPU partition interface of the adapter.

namespace baton::miniport {
namespace {

constexpr uint64_t kPageBytes = 4096;

// Ways to divide a board: powers of two that it has functions for.
uint32_t PartitionOptions(uint32_t functions, USHORT* options) {
  uint32_t count = 0;
  for (uint32_t parts = 1; parts <= functions; parts *= 2) {
    options[count++] = static_cast<USHORT>(parts);
  }
  if (options[count - 1] != functions) {
    options[count++] = static_cast<USHORT>(functions);
  }
  return count;
}

constexpr uint32_t kPartitionOptionsMax = 8;

}  // namespace

uint64_t Adapter::SlotBytes() const {
  return pf_->vram_bytes / partition_count_ / kPageBytes * kPageBytes;
}

const Adapter::Vgpu* Adapter::Find(ULONG partition) const {
  if (partition >= SOFTGPU_FUNCTIONS_MAX ||
      vgpus_[partition].state == nullptr) {
    return nullptr;
  }
  return &vgpus_[partition];
}

NTSTATUS Adapter::QueryInfo(const DXGKARG_QUERYADAPTERINFO& query) const {
  if (query.Type != DXGKQAITYPE_GPUPCAPS) return STATUS_NOT_SUPPORTED;
  if (query.OutputDataSize < sizeof(DXGK_GPUPCAPS)) {
    return STATUS_BUFFER_TOO_SMALL;
  }
  auto* caps = static_cast<DXGK_GPUPCAPS*>(query.pOutputData);
  caps->Caps.Value = 0;
  const bool denies =
      Fails(Fault::kDeniesHotUpdate) || Fails(Fault::kDeniesNextUpdate);
  caps->Caps.HotDriverUpdate = denies ? 0 : 1;
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::GetPartitionInfo(DXGKARG_GETGPUPARTITIONINFO* info) const {
  if (pf_ == nullptr) return STATUS_DEVICE_NOT_READY;
  USHORT options[kPartitionOptionsMax] = {};
  const uint32_t count = PartitionOptions(functions_, options);
  const uint32_t room = info->NumGpuPartitionOptions;
  info->NumGpuPartitionOptions = count;
  info->CurrentGpuPartitionCount = static_cast<USHORT>(partition_count_);
  if (room < count || info->pGpuPartitionOptions == nullptr) {
    return STATUS_BUFFER_TOO_SMALL;
  }
  std::copy(options, options + count, info->pGpuPartitionOptions);
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::SetPartitionCount(const DXGKARG_SETGPUPARTITIONCOUNT& count) {
  if (pf_ == nullptr) return STATUS_DEVICE_NOT_READY;
  if (count.PartitionCount == partition_count_) return STATUS_SUCCESS;
  USHORT options[kPartitionOptionsMax] = {};
  const uint32_t known = PartitionOptions(functions_, options);
  if (std::find(options, options + known, count.PartitionCount) ==
      options + known) {
    return STATUS_INVALID_PARAMETER;
  }
  for (const Vgpu& vgpu : vgpus_) {
    if (vgpu.state != nullptr) return STATUS_INVALID_DEVICE_STATE;
  }
  partition_count_ = count.PartitionCount;
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::GetProfile(DXGKARG_GETVIRTUALGPUPROFILE* profile) const {
  if (pf_ == nullptr) return STATUS_DEVICE_NOT_READY;
  if (profile->PartitionCount == 0 || profile->PartitionCount > functions_) {
    return STATUS_INVALID_PARAMETER;
  }
  const uint64_t share =
      pf_->vram_bytes / profile->PartitionCount / kPageBytes * kPageBytes;
  profile->VirtualizationFlags = 0;
  for (DXGK_VIRTUALGPUCAPABILITY& capability : profile->ProfileCapability) {
    capability = {};
  }
  profile->ProfileCapability[DXGK_VGPU_CAPABILITY_MEMORY] = {kPageBytes, share,
                                                             share};
  profile->ProfileCapability[DXGK_VGPU_CAPABILITY_COMPUTE] = {1, 1, 1};
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::CreateVgpu(const DXGKARG_CREATEVIRTUALGPU& wanted) {
  if (pf_ == nullptr) return STATUS_DEVICE_NOT_READY;
  if (update_ != Update::kNone) return STATUS_INVALID_DEVICE_STATE;
  const uint32_t n = wanted.PartitionId;
  if (n >= partition_count_) return STATUS_INVALID_PARAMETER;
  if (vgpus_[n].state != nullptr) return STATUS_OBJECT_NAME_COLLISION;
  const uint64_t asked =
      wanted.Profile.Capability[DXGK_VGPU_CAPABILITY_MEMORY].OptimalValue;
  const uint64_t bytes = asked != 0 ? asked : SlotBytes();
  if (bytes > SlotBytes() || bytes % kPageBytes != 0) {
    return STATUS_INVALID_PARAMETER;
  }
  GuestState* state = image_.make_state(bytes);
  if (state == nullptr) return STATUS_NO_MEMORY;
  VgpuRecord record = {};
  record.partition_id = n;
  record.luid = wanted.VirtualGpuLuid;
  record.window_base = n * SlotBytes();
  record.window_bytes = bytes;
  record.profile = wanted.Profile;
  softgpu_function* control = &pf_->functions[n];
  softgpu_write64(&control->window_base, record.window_base);
  softgpu_write64(&control->window_bytes, record.window_bytes);
  const NTSTATUS status = Enable(n, true);
  if (!NT_SUCCESS(status)) {
    DestroyGuestState(state);
    return status;
  }
  vgpus_[n] = {record, state};
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::DestroyVgpu(const DXGKARG_DESTROYVIRTUALGPU& which) {
  if (pf_ == nullptr) return STATUS_DEVICE_NOT_READY;
  if (Find(which.PartitionId) == nullptr) return STATUS_NOT_FOUND;
  if (update_ != Update::kNone) return STATUS_INVALID_DEVICE_STATE;
  const NTSTATUS status = Enable(which.PartitionId, false);
  if (!NT_SUCCESS(status)) return status;
  Vgpu& vgpu = vgpus_[which.PartitionId];
  DestroyGuestState(vgpu.state);
  vgpu = {};
  return STATUS_SUCCESS;
}

NTSTATUS Adapter::GetVgpuInfo(DXGKARG_GETVIRTUALGPUINFO* info) const {
  const Vgpu* vgpu = Find(info->PartitionId);
  if (vgpu == nullptr) return STATUS_NOT_FOUND;
  for (uint32_t i = 0; i < DXGK_VGPU_CAPABILITY_MAX; ++i) {
    const DXGK_VIRTUALGPUCAPABILITY& wanted =
        vgpu->record.profile.Capability[i];
    info->Capability[i] = {wanted.MinValue, wanted.MaxValue,
                           wanted.OptimalValue};
  }
  info->Capability[DXGK_VGPU_CAPABILITY_MEMORY].CurrentValue =
      vgpu->record.window_bytes;
  return STATUS_SUCCESS;
}

// This driver places windows itself: the only resources it takes are none, or
// the very window that the virtual GPU has.
NTSTATUS Adapter::SetVgpuResources(
    const DXGKARG_SETVIRTUALGPURESOURCES& wanted) {
  const Vgpu* vgpu = Find(wanted.PartitionId);
  if (vgpu == nullptr) return STATUS_NOT_FOUND;
  if (wanted.NumMemoryAllocations == 0) return STATUS_SUCCESS;
  const DXGK_VIRTUALGPUMEMORYRESOURCE& memory = wanted.MemoryInfo[0];
  return wanted.NumMemoryAllocations == 1 &&
                 memory.AllocationAddress.SegmentOffset ==
                     vgpu->record.window_base &&
                 memory.AllocationSize == vgpu->record.window_bytes
             ? STATUS_SUCCESS
             : STATUS_NOT_SUPPORTED;
}

NTSTATUS Adapter::Escape(const DXGK_VIRTUALGPUDRIVERESCAPE& escape) const {
  BATON_ESCAPE_INPUT input = {};
  if (escape.InputBufferSize < sizeof(input) ||
      escape.pInputBuffer == escape.pOutputBuffer) {
    return STATUS_INVALID_PARAMETER;
  }
  std::memcpy(&input, escape.pInputBuffer, sizeof(input));
  if (input.Command != kEscapeStateDigest) return STATUS_NOT_SUPPORTED;
  if (escape.OutputBufferSize < sizeof(BATON_ESCAPE_STATE_DIGEST)) {
    return STATUS_BUFFER_TOO_SMALL;
  }
  const Vgpu* vgpu = Find(escape.PartitionId);
  if (vgpu == nullptr) return STATUS_NOT_FOUND;
  MisbehaveInEscape();
  Logical logical;
  vgpu->state->Export(&logical);
  BATON_ESCAPE_STATE_DIGEST answer = {};
  answer.VirtualGpuLuid = vgpu->record.luid;
  answer.VramBytes = vgpu->record.window_bytes;
  answer.Profile = vgpu->record.profile;
  answer.Allocations = logical.allocations_count;
  for (const Context& context : logical.table.contexts) {
    answer.Contexts += context.valid;
  }
  answer.MailboxSequence = vgpu->record.mailbox_sequence;
  const StateDigest digest = DigestOf(logical, vgpu->record.mailbox_sequence);
  std::memcpy(answer.Digest, digest.bytes, sizeof(answer.Digest));
  std::memcpy(escape.pOutputBuffer, &answer, sizeof(answer));
  return STATUS_SUCCESS;
}

}  // namespace baton::miniport
