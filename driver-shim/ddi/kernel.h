#ifndef DRIVER_SHIM_DDI_KERNEL_H_
#define DRIVER_SHIM_DDI_KERNEL_H_

#include "driver-shim/ddi/mdl.h"
#include "driver-shim/ddi/status.h"
#include "driver-shim/ddi/types.h"

// What the kernel exports to a miniport image, with the kernel's names [D].
// The driver host defines these and is linked with -rdynamic; an image is
// opened with RTLD_NOW | RTLD_LOCAL and finds them there. All are called at
// PASSIVE_LEVEL, from the thread that made the DDI call.

#ifdef __cplusplus
extern "C" {
#endif

typedef enum _POOL_TYPE { NonPagedPool = 0, NonPagedPoolNx = 512 } POOL_TYPE;

typedef enum _MEMORY_CACHING_TYPE {
  MmNonCached = 0,
  MmCached = 1,
  MmWriteCombined = 2
} MEMORY_CACHING_TYPE;

// Returns memory that stays where it is until it is freed, or NULL. An
// allocation of a page or more starts on a page boundary [D]; a smaller one
// does not cross one [D] and is aligned to 16 bytes. Not zeroed. Tag: four
// characters, never 0.
PVOID ExAllocatePoolWithTag(POOL_TYPE PoolType, SIZE_T NumberOfBytes,
                            ULONG Tag);
// Frees pool memory, and the list that MmAllocatePagesForMdlEx or a restore
// delivered (not its pages: MmFreePagesFromMdl first).
VOID ExFreePool(PVOID P);
// As ExFreePool; `Tag` must be the one it was allocated with.
VOID ExFreePoolWithTag(PVOID P, ULONG Tag);

#define MM_DONT_ZERO_ALLOCATION 0x00000001
#define MM_ALLOCATE_FULLY_REQUIRED 0x00000004

// Returns a list of whole pages, zeroed unless told otherwise, not mapped at
// any address, not contiguous; NULL when there are none. May return fewer pages
// than asked for unless MM_ALLOCATE_FULLY_REQUIRED. The address arguments bound
// and stride the physical addresses.
PMDL MmAllocatePagesForMdlEx(PHYSICAL_ADDRESS LowAddress,
                             PHYSICAL_ADDRESS HighAddress,
                             PHYSICAL_ADDRESS SkipBytes, SIZE_T TotalBytes,
                             MEMORY_CACHING_TYPE CacheType, ULONG Flags);
// Frees the pages of the list, not the list. [ours] Removes its system mapping
// too, if it has one.
VOID MmFreePagesFromMdl(PMDL Mdl);

// Returns where the pages of the list are mapped in system address space, byte
// offset included, or NULL.
PVOID MmMapLockedPagesSpecifyCache(PMDL Mdl, CHAR AccessMode,
                                   MEMORY_CACHING_TYPE CacheType,
                                   PVOID RequestedAddress, ULONG BugCheck,
                                   ULONG Priority);
VOID MmUnmapLockedPages(PVOID BaseAddress, PMDL Mdl);

#define NormalPagePriority 16

// As in the WDK: maps on first use, then returns the same address [D].
static inline PVOID MmGetSystemAddressForMdlSafe(PMDL mdl, ULONG priority) {
  if ((mdl->MdlFlags &
       (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)) != 0) {
    return mdl->MappedSystemVa;
  }
  return MmMapLockedPagesSpecifyCache(mdl, 0, MmCached, NULL, FALSE, priority);
}

// Returns page-aligned memory whose page numbers follow each other, or NULL.
// Not zeroed.
PVOID MmAllocateContiguousMemory(SIZE_T NumberOfBytes,
                                 PHYSICAL_ADDRESS HighestAcceptableAddress);
VOID MmFreeContiguousMemory(PVOID BaseAddress);

// Returns the physical address behind a valid kernel address; its page number
// is QuadPart >> PAGE_SHIFT.
PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID BaseAddress);

// Returns a list for `Length` bytes at `VirtualAddress`, its page numbers not
// yet filled in, or NULL. The three last arguments: FALSE, FALSE, NULL.
PMDL IoAllocateMdl(PVOID VirtualAddress, ULONG Length, BOOLEAN SecondaryBuffer,
                   BOOLEAN ChargeQuota, PVOID Irp);
VOID IoFreeMdl(PMDL Mdl);
// Fills in the page numbers of a list that describes non-paged pool.
VOID MmBuildMdlForNonPagedPool(PMDL MemoryDescriptorList);

#define DPFLTR_IHVVIDEO_ID 78
#define DPFLTR_ERROR_LEVEL 0
#define DPFLTR_WARNING_LEVEL 1
#define DPFLTR_INFO_LEVEL 3

// Writes a line to the kernel's debug log.
ULONG DbgPrintEx(ULONG ComponentId, ULONG Level, const char* Format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;

// Returns a monotonic time; `PerformanceFrequency` receives its ticks per
// second, and may be NULL.
LARGE_INTEGER KeQueryPerformanceCounter(LARGE_INTEGER* PerformanceFrequency);

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_DDI_KERNEL_H_
