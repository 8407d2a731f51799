// A miniport that does nothing but hold one block of memory and have it saved.
// BATON_BENCH_BLOCK="FORM BYTES RUNS BLOCKS" in the environment says how: FORM
// is ranges, mdl or data, and the pages of one block lie in RUNS pieces; or the
// bytes are so many blocks of one piece each.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "driver-shim/ddi/escape.h"
#include "driver-shim/ddi/miniport.h"

namespace {

constexpr ULONG kRunsMax = 4096;
constexpr ULONG kBlocksMax = 4096;

enum class Form { kRanges, kMdl, kData };

struct Context {
  DXGKRNL_INTERFACE callbacks;
  Form form;
  SIZE_T bytes;
  ULONG runs;
  ULONG blocks;
  ULONG held;  // of `lists`
  PMDL lists[kBlocksMax];
  PMDL gaps[kRunsMax];
  DXGK_KSR_MEMORY_RANGE ranges[kRunsMax];
};

Context context = {};

PMDL Allocate(SIZE_T bytes) {
  PHYSICAL_ADDRESS anywhere;
  anywhere.QuadPart = -1;
  return MmAllocatePagesForMdlEx(
      {}, anywhere, {}, bytes, MmCached,
      MM_ALLOCATE_FULLY_REQUIRED | MM_DONT_ZERO_ALLOCATION);
}

void Free(PMDL list) {
  MmFreePagesFromMdl(list);
  ExFreePool(list);
}

NTSTATUS AddDevice(PDEVICE_OBJECT, PVOID* out) {
  char form[16] = "";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the driver host has one thread
  const char* const text = std::getenv("BATON_BENCH_BLOCK");
  if (text == nullptr ||
      std::sscanf(text, "%15s %zu %u %u", form, &context.bytes, &context.runs,
                  &context.blocks) != 4) {
    return STATUS_INVALID_PARAMETER;
  }
  context.form = std::strcmp(form, "ranges") == 0 ? Form::kRanges
                 : std::strcmp(form, "mdl") == 0  ? Form::kMdl
                                                  : Form::kData;
  *out = &context;
  return STATUS_SUCCESS;
}

void NoteRanges() {
  const PFN_NUMBER* const pages = MmGetMdlPfnArray(context.lists[0]);
  const SIZE_T each = context.bytes / context.blocks / context.runs / PAGE_SIZE;
  for (ULONG i = 0; i < context.runs; ++i) {
    context.ranges[i] = BatonKsrRange(pages[i * each], each);
  }
}

// Leaves one page that is not ours between two pieces.
NTSTATUS AllocateScattered() {
  static PMDL pieces[kRunsMax];
  for (ULONG i = 0; i < context.runs; ++i) {
    pieces[i] = Allocate(context.bytes / context.runs);
    context.gaps[i] = Allocate(PAGE_SIZE);
    if (pieces[i] == nullptr || context.gaps[i] == nullptr) {
      return STATUS_NO_MEMORY;
    }
  }
  for (ULONG i = 0; i < context.runs; ++i) Free(pieces[i]);
  return STATUS_SUCCESS;
}

NTSTATUS AllocateBlocks() {
  if (context.runs > 1) {
    const NTSTATUS nt_status = AllocateScattered();
    if (!NT_SUCCESS(nt_status)) return nt_status;
  }
  for (; context.held < context.blocks; ++context.held) {
    context.lists[context.held] = Allocate(context.bytes / context.blocks);
    if (context.lists[context.held] == nullptr) return STATUS_NO_MEMORY;
  }
  NoteRanges();
  return STATUS_SUCCESS;
}

NTSTATUS StartDevice(PVOID, DXGK_START_INFO*, DXGKRNL_INTERFACE* callbacks,
                     ULONG*, ULONG*) {
  context.callbacks = *callbacks;
  return context.held > 0 ? STATUS_SUCCESS : AllocateBlocks();
}

NTSTATUS SaveBlock(PMDL list) {
  DXGKARGCB_SAVEMEMORYFORHOTUPDATE save = {};
  switch (context.form) {
    case Form::kRanges:
      save.NumDataMemoryRanges = context.runs;
      save.pDataMemoryRanges = context.ranges;
      break;
    case Form::kMdl:
      save.pDataMdl = list;
      break;
    case Form::kData:
      save.pData = MmGetSystemAddressForMdlSafe(list, NormalPagePriority);
      save.DataSize = MmGetMdlByteCount(list);
      break;
  }
  return context.callbacks.DxgkCbSaveMemoryForHotUpdate(
      context.callbacks.DeviceHandle, &save);
}

NTSTATUS Save(HANDLE, IN_CONST_PDXGKARG_SAVEMEMORYFORHOTUPDATE args) {
  if (args->Flags.CancelHotUpdate) return STATUS_SUCCESS;
  for (ULONG i = 0; i < context.held; ++i) {
    const NTSTATUS nt_status = SaveBlock(context.lists[i]);
    if (!NT_SUCCESS(nt_status)) return nt_status;
  }
  return STATUS_SUCCESS;
}

NTSTATUS Restore(HANDLE, IN_CONST_PDXGKARG_RESTOREMEMORYFORHOTUPDATE args) {
  if (args->Flags.RestoreComplete) return STATUS_SUCCESS;
  context.lists[context.held++] = args->pDataMdl;
  NoteRanges();
  const void* const data =
      MmGetSystemAddressForMdlSafe(args->pDataMdl, NormalPagePriority);
  return data != nullptr ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

NTSTATUS StopDevice(PVOID) { return STATUS_SUCCESS; }

NTSTATUS RemoveDevice(PVOID) {
  for (ULONG i = 0; i < context.held; ++i) Free(context.lists[i]);
  for (ULONG i = 0; i < context.runs; ++i) {
    if (context.gaps[i] != nullptr) Free(context.gaps[i]);
  }
  return STATUS_SUCCESS;
}

VOID Unload() {}
BOOLEAN InterruptRoutine(PVOID, ULONG) { return TRUE; }
VOID DpcRoutine(PVOID) {}

NTSTATUS CreateGpu(HANDLE, DXGKARG_CREATEVIRTUALGPU*) {
  return STATUS_NOT_SUPPORTED;
}
NTSTATUS GetGpuInfo(HANDLE, DXGKARG_GETVIRTUALGPUINFO*) {
  return STATUS_NOT_FOUND;
}
NTSTATUS Escape(HANDLE, DXGK_VIRTUALGPUDRIVERESCAPE*) {
  return STATUS_NOT_FOUND;
}

NTSTATUS QueryInterface(PVOID, QUERY_INTERFACE* query) {
  auto* const out =
      static_cast<DXGKDDI_GPU_PARTITION_INTERFACE*>(query->Interface);
  *out = {};
  out->Size = sizeof *out;
  out->Version = query->Version;
  out->Context = &context;
  out->DxgkDdiCreateVirtualGpu = &CreateGpu;
  out->DxgkDdiGetVirtualGpuInfo = &GetGpuInfo;
  out->DxgkDdiVirtualGpuDriverEscape = &Escape;
  return STATUS_SUCCESS;
}

NTSTATUS QueryAdapterInfo(HANDLE, const DXGKARG_QUERYADAPTERINFO* args) {
  static_cast<DXGK_GPUPCAPS*>(args->pOutputData)->Caps.HotDriverUpdate = 1;
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
