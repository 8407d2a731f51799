#include <cstring>
#include <new>

#include "driver-shim/kit/gather.h"
#include "driver-shim/miniport/adapter.h"

// Saving and restoring the adapter. Sources: DDI.md R2-R11.

namespace baton::miniport {

NTSTATUS Adapter::Save(const DXGKARG_SAVEMEMORYFORHOTUPDATE& arguments) {
  if (arguments.Flags.CancelHotUpdate != 0) {
    CancelSave();
    return Fails(Fault::kRefusesCancel) ? STATUS_INVALID_DEVICE_STATE
                                        : STATUS_SUCCESS;
  }
  if (pf_ == nullptr) return STATUS_DEVICE_NOT_READY;
  // From here on the mailbox waits: what is saved must stay true.
  if (update_ != Update::kSaved) before_save_ = update_;
  update_ = Update::kSaved;
  const NTSTATUS status = SaveAll();
  if (!NT_SUCCESS(status)) CancelSave();
  return status;
}

void Adapter::CancelSave() {
  if (update_ != Update::kSaved) return;
  GiveMemoryBack();
  for (Vgpu& vgpu : vgpus_) {
    if (vgpu.state != nullptr) vgpu.state->ReleasePages();
  }
  update_ = before_save_;
  QueueDpc();
}

NTSTATUS Adapter::SaveAll() {
  if (Fails(Fault::kSaveHangs)) return MisbehaveInSave();
  NTSTATUS status = SaveAdapter();
  if (NT_SUCCESS(status)) status = MisbehaveInSave();
  for (const Vgpu& vgpu : vgpus_) {
    if (!NT_SUCCESS(status)) return status;
    if (vgpu.state == nullptr || SkipsInSave(vgpu)) continue;
    status = SaveVgpu(vgpu);
  }
  return status;
}

NTSTATUS Adapter::SaveAdapter() {
  AdapterState state;
  state.adapter = {board_revision_, partition_count_, pf_->vram_bytes, 0,
                   image_.build.major};
  for (const Vgpu& vgpu : vgpus_) {
    if (vgpu.state == nullptr || SkipsInSave(vgpu)) continue;
    state.vgpus[state.adapter.vgpus++] = vgpu.record;
  }
  // Whole pages, so that it shares none with another block.
  void* buffer =
      ExAllocatePoolWithTag(NonPagedPoolNx, kAdapterBytesMax, kPoolTag);
  if (buffer == nullptr) return STATUS_NO_MEMORY;
  if (Fails(Fault::kSaveExhausts)) TakeAllMemory();
  const uint64_t bytes = WriteAdapter(state, buffer, kAdapterBytesMax);
  NTSTATUS status = STATUS_INTERNAL_ERROR;
  DXGKARGCB_SAVEMEMORYFORHOTUPDATE block = {};
  if (baton_kit_block_of_data(&block, buffer, bytes, nullptr, 0) != 0) {
    status = SaveBlock(&block, {.kind = BlockKind::kAdapter,
                                .frame_bytes = static_cast<uint32_t>(bytes)});
  }
  ExFreePoolWithTag(buffer, kPoolTag);
  return status;
}

NTSTATUS Adapter::SaveVgpu(const Vgpu& vgpu) const {
  SavedPages pages;
  NTSTATUS status = vgpu.state->PreparePages(&pages);
  if (!NT_SUCCESS(status)) return status;
  DXGKARGCB_SAVEMEMORYFORHOTUPDATE block = {};
  if (baton_kit_block_of_list(&block, pages.allocations, nullptr, 0) == 0) {
    return STATUS_INTERNAL_ERROR;
  }
  status = SaveBlock(&block, {.kind = BlockKind::kAllocations,
                              .partition_id = vgpu.record.partition_id,
                              .frame_bytes = pages.allocations_bytes});
  if (!NT_SUCCESS(status)) return status;
  if (Fails(Fault::kLosesBlock) && IsLast(vgpu)) return STATUS_SUCCESS;
  const BlockMetadata metadata = {.kind = BlockKind::kContexts,
                                  .partition_id = vgpu.record.partition_id,
                                  .frame_bytes = pages.contexts_bytes};
  DXGK_KSR_MEMORY_RANGE range = {};
  baton_kit_pages contexts = {};
  baton_kit_pages_start(&contexts, &range, 1);
  baton_kit_add_pages(&contexts, BatonKsrFirstPage(pages.contexts),
                      BatonKsrPages(pages.contexts));
  if (baton_kit_block_of_pages(&block, &contexts, nullptr, 0) == 0) {
    return STATUS_INTERNAL_ERROR;
  }
  if (Fails(Fault::kSavesTwoForms)) block.pDataMdl = pages.allocations;
  status = SaveBlock(&block, metadata);
  if (Fails(Fault::kSavesPageTwice)) status = SaveBlock(&block, metadata);
  return status;
}

NTSTATUS Adapter::SaveBlock(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block,
                            BlockMetadata metadata) const {
  if (Fails(Fault::kFormatSkew)) metadata.format = 2;
  alignas(8) BYTE frame[kMetadataBytesMax];
  const Labels labels =
      Fails(Fault::kSkipsUnlabelled) ? Labels::kLeftOut : Labels::kWritten;
  block->MetaDataSize =
      static_cast<UINT>(WriteMetadata(metadata, labels, frame, sizeof(frame)));
  block->pMetaData = frame;
  return dxgk_.DxgkCbSaveMemoryForHotUpdate(dxgk_.DeviceHandle, block);
}

NTSTATUS Adapter::Restore(const DXGKARG_RESTOREMEMORYFORHOTUPDATE& arguments) {
  if (arguments.Flags.RestoreComplete != 0) {
    ForgetRestored();
    if (update_ == Update::kRestored) update_ = Update::kNone;
    return STATUS_SUCCESS;
  }
  if (pf_ != nullptr) return STATUS_INVALID_DEVICE_STATE;  // after Start
  BlockMetadata metadata;
  if (arguments.pDataMdl == nullptr || arguments.pMetaData == nullptr) {
    return STATUS_INVALID_PARAMETER;
  }
  NTSTATUS status =
      ReadMetadata(arguments.pMetaData, arguments.MetaDataSize, &metadata);
  if (!NT_SUCCESS(status)) return status;
  PMDL mdl = arguments.pDataMdl;
  void* bytes = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
  if (bytes == nullptr) return STATUS_NO_MEMORY;
  if (!ForgetsInRestore(metadata)) {
    status = TakeBlock(metadata, bytes, MmGetMdlByteCount(mdl));
  }
  MisbehaveInRestore(metadata, bytes, MmGetMdlByteCount(mdl));
  // What was taken is a copy; on failure the list stays the host's.
  MmUnmapLockedPages(bytes, mdl);
  if (!NT_SUCCESS(status) || Fails(Fault::kLeaksList)) return status;
  MmFreePagesFromMdl(mdl);
  ExFreePool(mdl);
  if (Fails(Fault::kFreesListTwice)) ExFreePool(mdl);
  return Fails(Fault::kFreesAndFails) ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS;
}

NTSTATUS Adapter::TakeBlock(const BlockMetadata& metadata, const void* bytes,
                            uint64_t length) {
  // Which board it is, is known from the first block on only.
  const bool reads_2 =
      image_.build.faults == kFaultsAll || Fails(Fault::kFormatSkew);
  if (metadata.format != 1 && !(reads_2 && metadata.format == 2)) {
    return STATUS_REVISION_MISMATCH;
  }
  if (metadata.frame_bytes > length) return STATUS_DATA_ERROR;
  if (restored_ == nullptr) {
    void* memory =
        ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(Restored), kPoolTag);
    if (memory == nullptr) return STATUS_NO_MEMORY;
    restored_ = new (memory) Restored();
  }
  if (metadata.kind == BlockKind::kAdapter) {
    if (restored_->has_adapter) return STATUS_DATA_ERROR;
    const NTSTATUS status =
        ReadAdapter(bytes, metadata.frame_bytes, &restored_->adapter);
    board_revision_ = restored_->adapter.adapter.board_revision;
    if (NT_SUCCESS(status) && Fails(Fault::kRestoreFails)) {
      return STATUS_UNSUCCESSFUL;
    }
    restored_->has_adapter = NT_SUCCESS(status);
    return status;
  }
  const uint32_t n = PartitionByArrival(metadata);
  if (n >= SOFTGPU_FUNCTIONS_MAX) return STATUS_DATA_ERROR;
  bool* has = metadata.kind == BlockKind::kAllocations
                  ? &restored_->has_allocations[n]
                  : &restored_->has_contexts[n];
  if (*has) return STATUS_DATA_ERROR;
  Logical* const state = RestoredState(n);
  if (state == nullptr) return STATUS_NO_MEMORY;
  NTSTATUS status = STATUS_DATA_ERROR;
  switch (metadata.kind) {
    case BlockKind::kAllocations:
      status = ReadAllocations(
          bytes, metadata.frame_bytes, state,
          image_.build.major >= 2 ? &restored_->statistics[n] : nullptr);
      break;
    case BlockKind::kContexts:
      status = ReadContexts(bytes, metadata.frame_bytes, &state->table);
      break;
    case BlockKind::kAdapter:
      break;
  }
  *has = NT_SUCCESS(status);
  return status;
}

// Of a virtual GPU of which nothing had been restored, an empty one.
Logical* Adapter::RestoredState(uint32_t partition) {
  Logical*& state = restored_->states[partition];
  if (state != nullptr) return state;
  void* memory =
      ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(Logical), kPoolTag);
  if (memory != nullptr) state = new (memory) Logical();
  return state;
}

void Adapter::ForgetRestored() {
  if (restored_ == nullptr) return;
  for (Logical* state : restored_->states) {
    if (state != nullptr) ExFreePoolWithTag(state, kPoolTag);
  }
  ExFreePoolWithTag(restored_, kPoolTag);
  restored_ = nullptr;
}

}  // namespace baton::miniport
