#ifndef DRIVER_SHIM_DDI_MDL_H_
#define DRIVER_SHIM_DDI_MDL_H_

#include "driver-shim/ddi/types.h"

// A memory descriptor list: a header, then one page number for each page that
// the described buffer touches [D]. Pages have 4 KiB.
//
// A page number (PFN) is an index into the host's physical address space. What
// lies behind a number is the kernel's affair (here: the port's); a driver only
// passes numbers on.

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _MDL {
  struct _MDL* Next;
  CSHORT Size;  // of this header with its page numbers, in bytes
  CSHORT MdlFlags;
  PVOID Process;
  PVOID MappedSystemVa;  // valid when MdlFlags say so
  PVOID StartVa;         // page aligned; 0 when the pages had no address
  ULONG ByteCount;
  ULONG ByteOffset;  // of the first byte in its page
} MDL;
typedef MDL* PMDL;

#define MDL_MAPPED_TO_SYSTEM_VA 0x0001
#define MDL_PAGES_LOCKED 0x0002
#define MDL_SOURCE_IS_NONPAGED_POOL 0x0004

static_assert(sizeof(MDL) == 0x30, "MDL");
static_assert(offsetof(MDL, Size) == 0x08, "MDL");
static_assert(offsetof(MDL, MdlFlags) == 0x0a, "MDL");
static_assert(offsetof(MDL, MappedSystemVa) == 0x18, "MDL");
static_assert(offsetof(MDL, StartVa) == 0x20, "MDL");
static_assert(offsetof(MDL, ByteCount) == 0x28, "MDL");
static_assert(offsetof(MDL, ByteOffset) == 0x2c, "MDL");

// The accessors, macros in the WDK [D]; functions here, so that arguments are
// checked and evaluated once.

static inline PPFN_NUMBER MmGetMdlPfnArray(const MDL* mdl) {
  return (PPFN_NUMBER)(uintptr_t)(mdl + 1);
}

static inline ULONG MmGetMdlByteCount(const MDL* mdl) { return mdl->ByteCount; }

static inline ULONG MmGetMdlByteOffset(const MDL* mdl) {
  return mdl->ByteOffset;
}

static inline PVOID MmGetMdlVirtualAddress(const MDL* mdl) {
  return (PVOID)((uintptr_t)mdl->StartVa + mdl->ByteOffset);
}

// Pages that `bytes` bytes touch when they start at `address`.
static inline SIZE_T ADDRESS_AND_SIZE_TO_SPAN_PAGES(const void* address,
                                                    SIZE_T bytes) {
  return (((uintptr_t)address & (PAGE_SIZE - 1)) + bytes + PAGE_SIZE - 1) >>
         PAGE_SHIFT;
}

// Pages that `mdl` describes, the length of its page number array [ours].
static inline SIZE_T BatonMdlPageCount(const MDL* mdl) {
  return ((SIZE_T)mdl->ByteOffset + mdl->ByteCount + PAGE_SIZE - 1) >>
         PAGE_SHIFT;
}

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_DDI_MDL_H_
