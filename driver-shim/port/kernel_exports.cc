#include "driver-shim/port/kernel_exports.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "absl/time/time.h"
#include "base/clock.h"

namespace baton::port {

Kernel& TheKernel() {
  static Kernel& kernel = *new Kernel;
  return kernel;
}

namespace {

KernelMemory& Memory() { return *TheKernel().memory; }

// See Hostility::failing_allocation.
bool OutOfMemory() { return TheKernel().recorder->AllocationFails(); }

// Pages whose every byte lies between the two physical addresses.
PageRun PagesBetween(PHYSICAL_ADDRESS low, PHYSICAL_ADDRESS high) {
  const auto lowest = static_cast<uint64_t>(low.QuadPart);
  const auto highest = static_cast<uint64_t>(high.QuadPart);
  const uint64_t first = (lowest + PAGE_SIZE - 1) >> PAGE_SHIFT;
  const uint64_t end = highest == ~uint64_t{0} ? highest >> PAGE_SHIFT
                                               : (highest + 1) >> PAGE_SHIFT;
  return {.first = first, .pages = end > first ? end - first : 0};
}

}  // namespace
}  // namespace baton::port

using baton::port::Memory;
using baton::port::OutOfMemory;
using baton::port::TheKernel;

extern "C" {

NTSTATUS DxgkInitialize(PDRIVER_OBJECT, PUNICODE_STRING,
                        DRIVER_INITIALIZATION_DATA* data) {
  if (data == nullptr) return STATUS_INVALID_PARAMETER;
  if (data->Version != DXGKDDI_INTERFACE_VERSION_WDDM2_6) {
    return STATUS_REVISION_MISMATCH;
  }
  if (data->DxgkDdiAddDevice == nullptr ||
      data->DxgkDdiStartDevice == nullptr ||
      data->DxgkDdiStopDevice == nullptr ||
      data->DxgkDdiRemoveDevice == nullptr || data->DxgkDdiUnload == nullptr ||
      data->DxgkDdiInterruptRoutine == nullptr ||
      data->DxgkDdiDpcRoutine == nullptr ||
      data->DxgkDdiQueryInterface == nullptr ||
      data->DxgkDdiQueryAdapterInfo == nullptr) {
    return STATUS_INVALID_PARAMETER;
  }
  TheKernel().driver = *data;
  return STATUS_SUCCESS;
}

PVOID ExAllocatePoolWithTag(POOL_TYPE, SIZE_T bytes, ULONG tag) {
  return OutOfMemory() ? nullptr : Memory().AllocatePool(bytes, tag);
}

VOID ExFreePool(PVOID address) { Memory().FreePool(address, std::nullopt); }

VOID ExFreePoolWithTag(PVOID address, ULONG tag) {
  Memory().FreePool(address, tag);
}

// As many parameters as were published.
// NOLINTNEXTLINE(readability-function-size)
PMDL MmAllocatePagesForMdlEx(PHYSICAL_ADDRESS low, PHYSICAL_ADDRESS high,
                             PHYSICAL_ADDRESS skip, SIZE_T bytes,
                             MEMORY_CACHING_TYPE, ULONG flags) {
  // Strides are for machines with several memory nodes; there is one here.
  if (skip.QuadPart != 0 || OutOfMemory()) return nullptr;
  const SIZE_T pages = (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
  MDL* const list =
      Memory().AllocatePages(pages, baton::port::PagesBetween(low, high));
  if (list == nullptr) return nullptr;
  if ((flags & MM_ALLOCATE_FULLY_REQUIRED) != 0 &&
      BatonMdlPageCount(list) < pages) {
    Memory().FreePages(list);
    Memory().FreeList(list);
    return nullptr;
  }
  if ((flags & MM_DONT_ZERO_ALLOCATION) == 0) Memory().Zero(list);
  return list;
}

VOID MmFreePagesFromMdl(PMDL list) { Memory().FreePages(list); }

// As many parameters as were published.
// NOLINTNEXTLINE(readability-function-size)
PVOID MmMapLockedPagesSpecifyCache(PMDL list, CHAR, MEMORY_CACHING_TYPE, PVOID,
                                   ULONG, ULONG) {
  return OutOfMemory() ? nullptr : Memory().MapPages(list);
}

VOID MmUnmapLockedPages(PVOID, PMDL list) { Memory().UnmapPages(list); }

PVOID MmAllocateContiguousMemory(SIZE_T bytes, PHYSICAL_ADDRESS highest) {
  if (OutOfMemory()) return nullptr;
  return Memory().AllocateContiguous(bytes,
                                     static_cast<uint64_t>(highest.QuadPart));
}

VOID MmFreeContiguousMemory(PVOID address) { Memory().FreeContiguous(address); }

PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID address) {
  const std::optional<uint64_t> page = Memory().PageOf(address);
  PHYSICAL_ADDRESS physical = {};
  if (!page.has_value()) return physical;
  physical.QuadPart = static_cast<LONGLONG>(
      (*page << PAGE_SHIFT) |
      (reinterpret_cast<uint64_t>(address) & (PAGE_SIZE - 1)));
  return physical;
}

PMDL IoAllocateMdl(PVOID address, ULONG length, BOOLEAN secondary,
                   BOOLEAN charge, PVOID irp) {
  if (length == 0 || secondary != FALSE || charge != FALSE || irp != nullptr) {
    return nullptr;
  }
  if (OutOfMemory()) return nullptr;
  return Memory().AllocateList(address, length);
}

VOID IoFreeMdl(PMDL list) { Memory().FreeList(list); }

VOID MmBuildMdlForNonPagedPool(PMDL list) { Memory().FillList(list); }

ULONG DbgPrintEx(ULONG, ULONG, const char* format, ...) {
  std::array<char, baton::port::kLogLineBytes> line = {};
  va_list args;
  va_start(args, format);
  std::vsnprintf(line.data(), line.size(), format, args);
  va_end(args);
  absl::string_view text(line.data());
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  TheKernel().recorder->Log(text);
  return STATUS_SUCCESS;
}

LARGE_INTEGER KeQueryPerformanceCounter(LARGE_INTEGER* frequency) {
  if (frequency != nullptr) frequency->QuadPart = 1'000'000'000;
  LARGE_INTEGER now = {};
  now.QuadPart = absl::ToInt64Nanoseconds(baton::RealClock().Monotonic());
  return now;
}

}  // extern "C"
