// A miniport with as little in it as the port's tests need: a counter for each
// virtual GPU, kept in pages, lists and plain data, in turn. FAULT, fixed when
// it is built, says how it misbehaves.

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "driver-shim/ddi/escape.h"
#include "driver-shim/ddi/miniport.h"

#define FAULT_NONE 0
#define FAULT_CRASH_IN_START 1
#define FAULT_HANG_IN_START 2
#define FAULT_ABORT_IN_ADD 3
#define FAULT_EXIT_IN_STOP 4
#define FAULT_SAVES_PAGE_TWICE 5
#define FAULT_SAVES_TWO_FORMS 6
#define FAULT_SAVES_OUTSIDE 7
#define FAULT_FREES_TWICE 8
#define FAULT_FREES_AND_FAILS 9
#define FAULT_WRITES_VRAM_IN_STOP 10
#define FAULT_NO_CAPS 11
#define FAULT_SAVES_NOTHING 12
#define FAULT_HANG_IN_SAVE 13
#define FAULT_SLOW_SAVE 14
#define FAULT_CHANGES_AFTER_SAVE 15
#define FAULT_LEAKS 16
#define FAULT_SAVES_TOO_MUCH 17
#define FAULT_FAILS_AFTER_A_BLOCK 18
#define FAULT_LOSES_VGPU 19
#define FAULT_CHANGES_VGPU 20
#define FAULT_HANG_IN_INTERRUPT 21
#define FAULT_WRITES_VRAM_IN_START 22
#define FAULT_START_FAILS 23
#define FAULT_CRASH_IN_SAVE 24
#define FAULT_STOP_HANGS 25
#define FAULT_REFUSES_CANCEL 26
#define FAULT_CRASH_IN_INTERRUPT 27
#define FAULT_SAVES_DATA_TWICE 28
#define FAULT_FREES_TWICE_IN_DPC 29
#define FAULT_STOP_QUEUES_DPC 30
#define FAULT_HOARDS_IN_START 31

#ifndef FAULT
#define FAULT FAULT_NONE
#endif

namespace {

constexpr ULONG kTag = 0x54534554;
constexpr ULONG kGpusMax = 4;

struct Gpu {
  LUID luid;
  DXGK_VIRTUALGPUPROFILE profile;
  UINT64 value;  // the guest-visible state
  ULONG exists;
};

struct Context {
  DXGKRNL_INTERFACE callbacks;
  PMDL list;  // of the pages that hold the GPUs
  Gpu* gpus;
  UCHAR* vram;
  ULONG restored;
  ULONG cancelled;
  ULONG saved;
  UINT64 interrupts;
};

[[noreturn]] void Hang() {
  while (true) pause();
}

// Takes memory until there is none, and does not look. Gives up where it would
// be for ever.
void Hoard() {
  constexpr size_t kBytes = size_t{64} << 20;
  for (int i = 0; i < 1024; ++i) {
    auto* const taken = static_cast<volatile UCHAR*>(std::malloc(kBytes));
    *taken = 1;
  }
}

PHYSICAL_ADDRESS Anywhere() {
  PHYSICAL_ADDRESS address;
  address.QuadPart = -1;
  return address;
}

NTSTATUS AddDevice(PDEVICE_OBJECT, PVOID* context) {
  if (FAULT == FAULT_ABORT_IN_ADD) std::abort();
  auto* const c = static_cast<Context*>(
      ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(Context), kTag));
  std::memset(c, 0, sizeof *c);
  *context = c;
  DbgPrintEx(DPFLTR_IHVVIDEO_ID, DPFLTR_INFO_LEVEL, "test: device added\n");
  return STATUS_SUCCESS;
}

NTSTATUS Restore(HANDLE context,
                 IN_CONST_PDXGKARG_RESTOREMEMORYFORHOTUPDATE a) {
  auto* const c = static_cast<Context*>(context);
  if (a->Flags.RestoreComplete) return STATUS_SUCCESS;
  ++c->restored;
  if (a->MetaDataSize != 4 ||
      std::memcmp(a->pMetaData, "gpus", 4) != 0) {  // not the main block
    MmFreePagesFromMdl(a->pDataMdl);
    if (FAULT == FAULT_FREES_AND_FAILS) return STATUS_DATA_ERROR;
    ExFreePool(a->pDataMdl);
    if (FAULT == FAULT_FREES_TWICE) ExFreePool(a->pDataMdl);
    return STATUS_SUCCESS;
  }
  c->list = a->pDataMdl;
  c->gpus = static_cast<Gpu*>(
      MmGetSystemAddressForMdlSafe(c->list, NormalPagePriority));
  if (c->gpus == nullptr) return STATUS_NO_MEMORY;
  if (FAULT == FAULT_LOSES_VGPU) {
    for (ULONG i = kGpusMax; i-- > 0;) {
      if (!c->gpus[i].exists) continue;
      c->gpus[i].exists = 0;
      break;
    }
  }
  if (FAULT == FAULT_CHANGES_VGPU) c->gpus[0].value += 1;
  return STATUS_SUCCESS;
}

NTSTATUS StartDevice(PVOID context, DXGK_START_INFO*,
                     DXGKRNL_INTERFACE* callbacks, ULONG*, ULONG*) {
  auto* const c = static_cast<Context*>(context);
  c->callbacks = *callbacks;
  DXGK_DEVICE_INFO info;
  NTSTATUS status =
      callbacks->DxgkCbGetDeviceInformation(callbacks->DeviceHandle, &info);
  if (!NT_SUCCESS(status)) return status;
  const auto* const vram = &info.TranslatedResourceList->List[0]
                                .PartialResourceList.PartialDescriptors[1];
  status = callbacks->DxgkCbMapMemory(
      callbacks->DeviceHandle, vram->u.Memory.Start, PAGE_SIZE, FALSE, FALSE,
      MmWriteCombined, reinterpret_cast<PVOID*>(&c->vram));
  if (!NT_SUCCESS(status)) return status;
  if (FAULT == FAULT_CRASH_IN_START) *reinterpret_cast<volatile int*>(8) = 1;
  if (FAULT == FAULT_HANG_IN_START) Hang();
  if (FAULT == FAULT_HOARDS_IN_START) Hoard();
  if (FAULT == FAULT_START_FAILS) return STATUS_DEVICE_NOT_READY;
  if (FAULT == FAULT_WRITES_VRAM_IN_START) {
    *const_cast<volatile UCHAR*>(c->vram) = 1;
  }
  if (c->list == nullptr) {
    c->list = MmAllocatePagesForMdlEx({}, Anywhere(), {}, SIZE_T{2} * PAGE_SIZE,
                                      MmCached, MM_ALLOCATE_FULLY_REQUIRED);
    c->gpus = static_cast<Gpu*>(
        MmGetSystemAddressForMdlSafe(c->list, NormalPagePriority));
  }
  return STATUS_SUCCESS;
}

NTSTATUS SaveBlocks(Context* c) {
  const auto save = c->callbacks.DxgkCbSaveMemoryForHotUpdate;
  const HANDLE adapter = c->callbacks.DeviceHandle;
  BYTE metadata[] = {'g', 'p', 'u', 's'};
  DXGKARGCB_SAVEMEMORYFORHOTUPDATE args = {};
  args.pDataMdl = c->list;
  args.MetaDataSize = sizeof metadata;
  args.pMetaData = metadata;
  NTSTATUS status = save(adapter, &args);
  if (!NT_SUCCESS(status)) return status;
  if (FAULT == FAULT_FAILS_AFTER_A_BLOCK) return STATUS_UNSUCCESSFUL;
  if (FAULT == FAULT_SAVES_PAGE_TWICE) return save(adapter, &args);
  static UCHAR data[2 * PAGE_SIZE] = {1, 2, 3};
  args = {};
  args.pData = data;
  args.DataSize = 5000;
  if (FAULT == FAULT_SAVES_TWO_FORMS) args.pDataMdl = c->list;
  if (FAULT == FAULT_SAVES_TOO_MUCH) {
    static UCHAR large[64 << 20];
    args.pData = large;
    args.DataSize = sizeof large;
  }
  // A driver that does not look at what it is told: the host must.
  save(adapter, &args);
  static PVOID pool = nullptr;
  if (pool == nullptr) {
    pool = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, kTag);
  }
  DXGK_KSR_MEMORY_RANGE range = BatonKsrRange(
      static_cast<UINT64>(MmGetPhysicalAddress(pool).QuadPart) >> PAGE_SHIFT,
      1);
  args = {};
  args.NumDataMemoryRanges = 1;
  args.pDataMemoryRanges = &range;
  status = save(adapter, &args);
  if (!NT_SUCCESS(status)) return status;
  // Memory that is saved, freed, and saved again as something else.
  for (int i = 0; i < 2; ++i) {
    void* const scratch =
        ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, kTag);
    args = {};
    args.pData = scratch;
    args.DataSize = 100;
    status = save(adapter, &args);
    if (FAULT == FAULT_SAVES_DATA_TWICE) status = save(adapter, &args);
    ExFreePoolWithTag(scratch, kTag);
    if (!NT_SUCCESS(status)) return status;
  }
  return status;
}

NTSTATUS Save(HANDLE context, IN_CONST_PDXGKARG_SAVEMEMORYFORHOTUPDATE args) {
  auto* const c = static_cast<Context*>(context);
  if (args->Flags.CancelHotUpdate) {
    DbgPrintEx(DPFLTR_IHVVIDEO_ID, DPFLTR_INFO_LEVEL, "test: cancelled");
    ++c->cancelled;
    return FAULT == FAULT_REFUSES_CANCEL ? STATUS_UNSUCCESSFUL : STATUS_SUCCESS;
  }
  ++c->saved;
  if (FAULT == FAULT_SAVES_NOTHING) return STATUS_SUCCESS;
  if (FAULT == FAULT_HANG_IN_SAVE) Hang();
  if (FAULT == FAULT_CRASH_IN_SAVE) std::abort();
  if (FAULT == FAULT_SLOW_SAVE) usleep(300'000);
  return SaveBlocks(c);
}

NTSTATUS StopDevice(PVOID context) {
  auto* const c = static_cast<Context*>(context);
  // A fault. NOLINTNEXTLINE(concurrency-mt-unsafe)
  if (FAULT == FAULT_EXIT_IN_STOP) std::exit(7);
  if (FAULT == FAULT_STOP_HANGS) Hang();
  if (FAULT == FAULT_STOP_QUEUES_DPC) {
    c->callbacks.DxgkCbQueueDpc(c->callbacks.DeviceHandle);
  }
  if (FAULT == FAULT_WRITES_VRAM_IN_STOP) {
    *const_cast<volatile UCHAR*>(c->vram) = 1;
  }
  if (FAULT == FAULT_CHANGES_AFTER_SAVE) c->gpus[0].value += 1;
  return STATUS_SUCCESS;
}

NTSTATUS RemoveDevice(PVOID context) {
  auto* const c = static_cast<Context*>(context);
  if (c->list != nullptr && FAULT != FAULT_LEAKS) {
    MmFreePagesFromMdl(c->list);
    ExFreePool(c->list);
  }
  ExFreePoolWithTag(c, kTag);
  return STATUS_SUCCESS;
}

VOID Unload() {}

BOOLEAN InterruptRoutine(PVOID context, ULONG) {
  auto* const c = static_cast<Context*>(context);
  if (FAULT == FAULT_HANG_IN_INTERRUPT) Hang();
  if (FAULT == FAULT_CRASH_IN_INTERRUPT) std::abort();
  c->callbacks.DxgkCbQueueDpc(c->callbacks.DeviceHandle);
  return TRUE;
}

// The state that a guest sees advances with each interrupt.
VOID DpcRoutine(PVOID context) {
  auto* const c = static_cast<Context*>(context);
  ++c->interrupts;
  if (FAULT == FAULT_FREES_TWICE_IN_DPC) {
    void* const scratch = ExAllocatePoolWithTag(NonPagedPoolNx, 8, kTag);
    ExFreePoolWithTag(scratch, kTag);
    ExFreePoolWithTag(scratch, kTag);
  }
  for (ULONG i = 0; i < kGpusMax; ++i) c->gpus[i].value += 1;
}

NTSTATUS GetPartitionInfo(HANDLE, DXGKARG_GETGPUPARTITIONINFO* args) {
  if (args->NumGpuPartitionOptions < 2) return STATUS_BUFFER_TOO_SMALL;
  args->NumGpuPartitionOptions = 2;
  args->pGpuPartitionOptions[0] = 2;
  args->pGpuPartitionOptions[1] = kGpusMax;
  return STATUS_SUCCESS;
}

NTSTATUS SetPartitionCount(HANDLE, DXGKARG_SETGPUPARTITIONCOUNT*) {
  return STATUS_SUCCESS;
}

NTSTATUS CreateGpu(HANDLE context, DXGKARG_CREATEVIRTUALGPU* args) {
  auto* const c = static_cast<Context*>(context);
  if (args->PartitionId >= kGpusMax) return STATUS_INVALID_PARAMETER;
  Gpu& gpu = c->gpus[args->PartitionId];
  gpu.luid = args->VirtualGpuLuid;
  gpu.profile = args->Profile;
  gpu.value = 100 + args->PartitionId;
  gpu.exists = 1;
  return STATUS_SUCCESS;
}

Gpu* Find(HANDLE context, ULONG id) {
  auto* const c = static_cast<Context*>(context);
  return id < kGpusMax && c->gpus[id].exists ? &c->gpus[id] : nullptr;
}

NTSTATUS GetGpuInfo(HANDLE context, DXGKARG_GETVIRTUALGPUINFO* args) {
  const Gpu* const gpu = Find(context, args->PartitionId);
  if (gpu == nullptr) return STATUS_NOT_FOUND;
  args->Capability[DXGK_VGPU_CAPABILITY_MEMORY].CurrentValue =
      gpu->profile.Capability[DXGK_VGPU_CAPABILITY_MEMORY].OptimalValue;
  return STATUS_SUCCESS;
}

NTSTATUS Escape(HANDLE context, DXGK_VIRTUALGPUDRIVERESCAPE* args) {
  const Gpu* const gpu = Find(context, args->PartitionId);
  if (gpu == nullptr) return STATUS_NOT_FOUND;
  if (args->OutputBufferSize < sizeof(BATON_ESCAPE_STATE_DIGEST)) {
    return STATUS_BUFFER_TOO_SMALL;
  }
  auto* const out =
      static_cast<BATON_ESCAPE_STATE_DIGEST*>(args->pOutputBuffer);
  std::memset(out, 0, sizeof *out);
  out->VirtualGpuLuid = gpu->luid;
  out->VramBytes =
      gpu->profile.Capability[DXGK_VGPU_CAPABILITY_MEMORY].OptimalValue;
  out->Profile = gpu->profile;
  std::memcpy(out->Digest, &gpu->value, sizeof gpu->value);
  return STATUS_SUCCESS;
}

NTSTATUS QueryInterface(PVOID context, QUERY_INTERFACE* query) {
  auto* const out =
      static_cast<DXGKDDI_GPU_PARTITION_INTERFACE*>(query->Interface);
  *out = {};
  out->Size = sizeof *out;
  out->Version = query->Version;
  out->Context = context;
  out->DxgkDdiGetGpuPartitionInfo = &GetPartitionInfo;
  out->DxgkDdiSetGpuPartitionCount = &SetPartitionCount;
  out->DxgkDdiCreateVirtualGpu = &CreateGpu;
  out->DxgkDdiGetVirtualGpuInfo = &GetGpuInfo;
  out->DxgkDdiVirtualGpuDriverEscape = &Escape;
  return STATUS_SUCCESS;
}

NTSTATUS QueryAdapterInfo(HANDLE context, const DXGKARG_QUERYADAPTERINFO* a) {
  auto* const c = static_cast<Context*>(context);
  auto* const caps = static_cast<DXGK_GPUPCAPS*>(a->pOutputData);
  caps->Caps.HotDriverUpdate = FAULT == FAULT_NO_CAPS ? 0 : 1;
  if (FAULT == FAULT_SAVES_OUTSIDE) {
    BYTE data = 0;
    DXGKARGCB_SAVEMEMORYFORHOTUPDATE args = {};
    args.pData = &data;
    args.DataSize = 1;
    c->callbacks.DxgkCbSaveMemoryForHotUpdate(c->callbacks.DeviceHandle, &args);
  }
  return STATUS_SUCCESS;
}

}  // namespace

extern "C" NTSTATUS DriverEntry(PDRIVER_OBJECT object, PUNICODE_STRING path) {
  DRIVER_INITIALIZATION_DATA data = {};
  data.Version = DXGKDDI_INTERFACE_VERSION_WDDM2_6;
  data.DxgkDdiAddDevice = &AddDevice;
  data.DxgkDdiStartDevice = &StartDevice;
  data.DxgkDdiStopDevice = &StopDevice;
  data.DxgkDdiRemoveDevice = &RemoveDevice;
  data.DxgkDdiInterruptRoutine = &InterruptRoutine;
  data.DxgkDdiDpcRoutine = &DpcRoutine;
  data.DxgkDdiUnload = &Unload;
  data.DxgkDdiQueryInterface = &QueryInterface;
  data.DxgkDdiQueryAdapterInfo = &QueryAdapterInfo;
  data.DxgkDdiSaveMemoryForHotUpdate = &Save;
  data.DxgkDdiRestoreMemoryForHotUpdate = &Restore;
  return DxgkInitialize(object, path, &data);
}
