#include <pthread.h>
#include <time.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "driver-shim/miniport/adapter.h"
#include "driver-shim/softgpu/doorbell.h"

// What the builds with faults (faults.h) do wherever the driver asks. In the
// others Fails() is always false.

namespace baton::miniport {
namespace {

constexpr ULONG kHoardBytes = 64 * 1024;
// Longer than any host waits for a save, and yet it ends.
constexpr timespec kHungSave = {4, 0};

[[noreturn]] void Hang() {
  while (true) {
    const timespec hour = {3600, 0};
    nanosleep(&hour, nullptr);
  }
}

// Sanitizers stay out of these: the machine is to notice.
__attribute__((no_sanitize("address", "thread", "undefined"))) void Crash() {
  volatile uint32_t* volatile nowhere = nullptr;
  *nowhere = 1;
}

// Mapped by nobody: far from heap, stacks and images.
__attribute__((no_sanitize("address", "thread", "undefined"))) void
WriteWild() {
  auto* volatile wild = reinterpret_cast<volatile uint32_t*>(0x5a5a5a5a5000);
  *wild = 1;
}

void Deadlock() {
  pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  pthread_mutex_lock(&lock);
}

void Loop() {
  volatile uint64_t rounds = 0;
  while (true) rounds = rounds + 1;
}

}  // namespace

bool Adapter::Fails(Fault fault) const {
  return Acts(fault, image_.build, board_revision_);
}

bool Adapter::IsLast(const Vgpu& vgpu) const {
  for (const Vgpu* next = &vgpu + 1; next < vgpus_ + SOFTGPU_FUNCTIONS_MAX;
       ++next) {
    if (next->state != nullptr) return false;
  }
  return true;
}

// ---- start and stop ----

NTSTATUS Adapter::MisbehaveInStart() {
  if (Fails(Fault::kStartCrashes)) Crash();
  if (Fails(Fault::kStartHangs)) Hang();
  if (Fails(Fault::kWritesVramInStart)) WriteVram();
  if (Fails(Fault::kFirmwareMismatch)) return STATUS_REVISION_MISMATCH;
  if (Fails(Fault::kStartFails) || Fails(Fault::kScribbles)) {
    return STATUS_UNSUCCESSFUL;
  }
  return STATUS_SUCCESS;
}

void Adapter::MisbehaveAfterRestore() {
  Vgpu* last = nullptr;
  for (Vgpu& vgpu : vgpus_) {
    if (vgpu.state != nullptr) last = &vgpu;
  }
  if (last == nullptr) return;
  if (Fails(Fault::kWrongState)) {
    Logical& state = *restored_->states[last->record.partition_id];
    if (state.allocations_count != 0) {
      state.allocations[0].bytes += kAllocationAlignment;
    } else {
      state.next_handle += 1;
    }
    last->state->Import(state);
  }
  if (Fails(Fault::kSwapsVgpus)) {
    for (Vgpu& vgpu : vgpus_) {
      if (vgpu.state == nullptr) continue;
      std::swap(vgpu.record.luid, last->record.luid);
      break;
    }
  }
  if (Fails(Fault::kLosesVgpu)) {
    DestroyGuestState(last->state);
    *last = {};
  }
}

void Adapter::MisbehaveInStop() {
  if (Fails(Fault::kStopResets)) {
    for (softgpu_context& context : pf_->functions[0].contexts) context = {};
  }
  if (Fails(Fault::kStopHangs)) Deadlock();
  if (Fails(Fault::kStopCrashes)) Crash();
  if (Fails(Fault::kStopQueuesDpc)) QueueDpc();
  if (!Fails(Fault::kChangesAfterSave)) return;
  for (const Vgpu& vgpu : vgpus_) {
    if (vgpu.state != nullptr) vgpu.state->SignalFence(0, UINT64_MAX);
  }
}

// In a hot update only: an ordinary end stays in order.
void Adapter::MisbehaveInRemove() const {
  if (update_ != Update::kSaved) return;
  if (Fails(Fault::kRemoveHangs)) Hang();
  if (Fails(Fault::kLeaksPool)) {
    ExAllocatePoolWithTag(NonPagedPoolNx, 100, kPoolTag);
  }
}

void Adapter::MisbehaveInDpc() const {
  if (update_ != Update::kRestored) return;
  if (Fails(Fault::kDpcHangs)) Hang();
  if (Fails(Fault::kDpcFreesTwice)) {
    void* memory = ExAllocatePoolWithTag(NonPagedPoolNx, 100, kPoolTag);
    ExFreePoolWithTag(memory, kPoolTag);
    ExFreePoolWithTag(memory, kPoolTag);
  }
}

void Adapter::WriteVram() const {
  DXGK_DEVICE_INFO info = {};
  PVOID vram = nullptr;
  if (!NT_SUCCESS(
          dxgk_.DxgkCbGetDeviceInformation(dxgk_.DeviceHandle, &info)) ||
      !NT_SUCCESS(dxgk_.DxgkCbMapMemory(
          dxgk_.DeviceHandle,
          BatonResourceAt(info.TranslatedResourceList, 1)->u.Memory.Start,
          PAGE_SIZE, FALSE, FALSE, MmNonCached, &vram))) {
    return;
  }
  *static_cast<volatile uint8_t*>(vram) = 0x5a;
  dxgk_.DxgkCbUnmapMemory(dxgk_.DeviceHandle, vram);
}

// ---- save ----

// Called once the adapter's block is saved; kSaveHangs, before that.
NTSTATUS Adapter::MisbehaveInSave() {
  if (Fails(Fault::kSaveFails)) return STATUS_UNSUCCESSFUL;
  if (Fails(Fault::kSaveHangs)) {
    nanosleep(&kHungSave, nullptr);
    return STATUS_IO_TIMEOUT;
  }
  if (Fails(Fault::kSaveCrashes)) Crash();
  if (Fails(Fault::kSaveAborts)) std::abort();
  if (Fails(Fault::kWritesVramInSave)) WriteVram();
  if (Fails(Fault::kSavesEmptyBlock)) {
    DXGKARGCB_SAVEMEMORYFORHOTUPDATE block = {};
    uint64_t nothing = 0;
    block.pData = &nothing;
    SaveBlock(&block, {});
  }
  return STATUS_SUCCESS;
}

bool Adapter::SkipsInSave(const Vgpu& vgpu) const {
  return (Fails(Fault::kSkipsVgpu) || Fails(Fault::kSkipsUnlabelled)) &&
         IsLast(vgpu);
}

// Called for the census that comes before Save, when the engines stand still.
void Adapter::MisbehaveInEscape() const {
  if (!Fails(Fault::kSavesOutside) || update_ != Update::kNone ||
      softgpu_read32(&pf_->functions[0].run_request) == SOFTGPU_RUN) {
    return;
  }
  DXGKARGCB_SAVEMEMORYFORHOTUPDATE block = {};
  uint64_t data = 1;
  block.pData = &data;
  block.DataSize = sizeof(data);
  SaveBlock(&block, {});
}

void Adapter::TakeAllMemory() {
  for (ULONG bytes = kHoardBytes; bytes >= sizeof(void*);) {
    void* taken = ExAllocatePoolWithTag(NonPagedPoolNx, bytes, kPoolTag);
    if (taken == nullptr) {
      bytes /= 2;
      continue;
    }
    std::memcpy(taken, &hoard_, sizeof(hoard_));
    hoard_ = taken;
  }
}

void Adapter::GiveMemoryBack() {
  while (hoard_ != nullptr) {
    void* next = nullptr;
    std::memcpy(&next, hoard_, sizeof(next));
    ExFreePoolWithTag(hoard_, kPoolTag);
    hoard_ = next;
  }
}

// ---- restore ----

// Called for each block that was taken.
void Adapter::MisbehaveInRestore(const BlockMetadata& metadata, void* bytes,
                                 uint64_t length) const {
  if (metadata.kind == BlockKind::kAdapter) return;
  if (Fails(Fault::kRestoreLoops)) Loop();
  if (Fails(Fault::kRestoreWildWrite)) WriteWild();
  if (Fails(Fault::kScribbles)) std::memset(bytes, 0x5a, length);
}

bool Adapter::ForgetsInRestore(const BlockMetadata& metadata) const {
  return Fails(Fault::kKeepsNothing) && metadata.kind != BlockKind::kAdapter;
}

// Whose block it is; a build that mixes them up counts from the end.
uint32_t Adapter::PartitionByArrival(const BlockMetadata& metadata) {
  const uint32_t vgpus = restored_->adapter.adapter.vgpus;
  if (!Fails(Fault::kMixesBlocks) || metadata.kind != BlockKind::kAllocations ||
      restored_->allocations_arrived >= vgpus) {
    return metadata.partition_id;
  }
  const uint32_t at = vgpus - ++restored_->allocations_arrived;
  return restored_->adapter.vgpus[at].partition_id;
}

}  // namespace baton::miniport
