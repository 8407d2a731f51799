// A miniport that does nothing but hold one block of memory and have it saved.
// BATON_BENCH_BLOCK="FORM BYTES RUNS" in the environment says how: FORM is
// ranges, mdl or data, and the pages lie in RUNS pieces.

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "driver-shim/ddi/escape.h"
#include "driver-shim/ddi/miniport.h"

namespace {

constexpr ULONG kRunsMax = 4096;

enum class Form { kRanges, kMdl, kData };

struct Context {
  DXGKRNL_INTERFACE callbacks;
  Form form;
  SIZE_T bytes;
  ULONG runs;
  PMDL list;
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
  if (text == nullptr || std::sscanf(text, "%15s %zu %u", form, &context.bytes,
                                     &context.runs) != 3) {
    return STATUS_INVALID_PARAMETER;
  }
  context.form = std::strcmp(form, "ranges") == 0 ? Form::kRanges
                 : std::strcmp(form, "mdl") == 0  ? Form::kMdl
                                                  : Form::kData;
  *out = &context;
  return STATUS_SUCCESS;
}

void NoteRanges() {
  const PFN_NUMBER* const pages = MmGetMdlPfnArray(context.list);
  const SIZE_T each = context.bytes / context.runs / PAGE_SIZE;
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
  context.list = Allocate(context.bytes);
  if (context.list == nullptr) return STATUS_NO_MEMORY;
  NoteRanges();
  return STATUS_SUCCESS;
}

NTSTATUS StartDevice(PVOID, DXGK_START_INFO*, DXGKRNL_INTERFACE* callbacks,
                     ULONG*, ULONG*) {
  context.callbacks = *callbacks;
  return context.list != nullptr ? STATUS_SUCCESS : AllocateScattered();
}

NTSTATUS Save(HANDLE, IN_CONST_PDXGKARG_SAVEMEMORYFORHOTUPDATE args) {
  if (args->Flags.CancelHotUpdate) return STATUS_SUCCESS;
  DXGKARGCB_SAVEMEMORYFORHOTUPDATE save = {};
  switch (context.form) {
    case Form::kRanges:
      save.NumDataMemoryRanges = context.runs;
      save.pDataMemoryRanges = context.ranges;
      break;
    case Form::kMdl:
      save.pDataMdl = context.list;
      break;
    case Form::kData:
      save.pData =
          MmGetSystemAddressForMdlSafe(context.list, NormalPagePriority);
      save.DataSize = static_cast<UINT>(context.bytes);
      break;
  }
  return context.callbacks.DxgkCbSaveMemoryForHotUpdate(
      context.callbacks.DeviceHandle, &save);
}

NTSTATUS Restore(HANDLE, IN_CONST_PDXGKARG_RESTOREMEMORYFORHOTUPDATE args) {
  if (args->Flags.RestoreComplete) return STATUS_SUCCESS;
  context.list = args->pDataMdl;
  NoteRanges();
  const void* const data =
      MmGetSystemAddressForMdlSafe(context.list, NormalPagePriority);
  return data != nullptr ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

NTSTATUS StopDevice(PVOID) { return STATUS_SUCCESS; }

NTSTATUS RemoveDevice(PVOID) {
  if (context.list != nullptr) Free(context.list);
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
