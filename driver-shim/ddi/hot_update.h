#ifndef DRIVER_SHIM_DDI_HOT_UPDATE_H_
#define DRIVER_SHIM_DDI_HOT_UPDATE_H_

#include "driver-shim/ddi/mdl.h"
#include "driver-shim/ddi/status.h"
#include "driver-shim/ddi/types.h"

// Driver hot update, as published in d3dkmddi.h (WDDM 2.6): names, fields,
// order and sizes [D].

#ifdef __cplusplus
extern "C" {
#endif

typedef struct _DXGK_SAVEMEMORYFORHOTUPDATEFLAGS {
  union {
    struct {
      UINT CancelHotUpdate : 1;
      UINT Reserved : 31;
    };
    UINT Value;
  };
} DXGK_SAVEMEMORYFORHOTUPDATEFLAGS;

// [I] With CancelHotUpdate the driver goes on as if it had never been asked to
// save, and must not call DxgkCbSaveMemoryForHotUpdate.
typedef struct _DXGKARG_SAVEMEMORYFORHOTUPDATE {
  DXGK_SAVEMEMORYFORHOTUPDATEFLAGS Flags;
} DXGKARG_SAVEMEMORYFORHOTUPDATE;
typedef const DXGKARG_SAVEMEMORYFORHOTUPDATE*
    IN_CONST_PDXGKARG_SAVEMEMORYFORHOTUPDATE;

// Bits 0-39: number of the first page. Bits 40-63: number of pages. So one
// range holds at most 16,777,215 pages.
typedef struct _DXGK_KSR_MEMORY_RANGE {
  ULONGLONG MemoryRangeDesc;
} DXGK_KSR_MEMORY_RANGE;

#define BATON_KSR_FIRST_PAGE_MAX ((UINT64)0xFFFFFFFFFF)
#define BATON_KSR_PAGES_MAX ((UINT64)0xFFFFFF)

static inline DXGK_KSR_MEMORY_RANGE BatonKsrRange(UINT64 first_page,
                                                  UINT64 pages) {
  DXGK_KSR_MEMORY_RANGE range = {(first_page & BATON_KSR_FIRST_PAGE_MAX) |
                                 (pages << 40)};
  return range;
}
static inline UINT64 BatonKsrFirstPage(DXGK_KSR_MEMORY_RANGE range) {
  return range.MemoryRangeDesc & BATON_KSR_FIRST_PAGE_MAX;
}
static inline UINT64 BatonKsrPages(DXGK_KSR_MEMORY_RANGE range) {
  return range.MemoryRangeDesc >> 40;
}

// Exactly one of pDataMemoryRanges, pDataMdl and pData is not NULL [D]. [ours]
// What the structure points to (metadata, page lists, range arrays) is read
// before the callback returns and stays the caller's. From then on the host
// holds the pages themselves: the driver does not change them unless the update
// is cancelled, and frees all of its memory when it is removed, as ever; the
// host keeps what they hold until the restored driver has it.
typedef struct _DXGKARGCB_SAVEMEMORYFORHOTUPDATE {
  UINT NumDataMemoryRanges;
  DXGK_KSR_MEMORY_RANGE* pDataMemoryRanges;
  PMDL pDataMdl;
  UINT DataSize;  // of pData, in bytes
  PVOID pData;
  UINT MetaDataSize;  // in bytes
  BYTE* pMetaData;
} DXGKARGCB_SAVEMEMORYFORHOTUPDATE;
typedef const DXGKARGCB_SAVEMEMORYFORHOTUPDATE*
    IN_CONST_PDXGKARGCB_SAVEMEMORYFORHOTUPDATE;

typedef struct _DXGK_RESTOREMEMORYFORHOTUPDATEFLAGS {
  union {
    struct {
      UINT RestoreComplete : 1;
      UINT Reserved : 31;
    };
    UINT Value;
  };
} DXGK_RESTOREMEMORYFORHOTUPDATEFLAGS;

// On STATUS_SUCCESS the driver owns pDataMdl: it frees its pages with
// MmFreePagesFromMdl and then the list with ExFreePool [D]. On failure the list
// stays the caller's [I]. pMetaData is valid during the call [ours]. With
// RestoreComplete every other input is NULL or 0 [D].
typedef struct _DXGKARG_RESTOREMEMORYFORHOTUPDATE {
  DXGK_RESTOREMEMORYFORHOTUPDATEFLAGS Flags;
  PMDL pDataMdl;
  UINT MetaDataSize;
  PVOID pMetaData;
} DXGKARG_RESTOREMEMORYFORHOTUPDATE;
typedef const DXGKARG_RESTOREMEMORYFORHOTUPDATE*
    IN_CONST_PDXGKARG_RESTOREMEMORYFORHOTUPDATE;

// [D] <= APC_LEVEL. hContext is what AddDevice returned [I].
typedef NTSTATUS (*PDXGKDDI_SAVEMEMORYFORHOTUPDATE)(
    HANDLE hContext, IN_CONST_PDXGKARG_SAVEMEMORYFORHOTUPDATE pArgs);
typedef NTSTATUS (*PDXGKDDI_RESTOREMEMORYFORHOTUPDATE)(
    HANDLE hContext, IN_CONST_PDXGKARG_RESTOREMEMORYFORHOTUPDATE pArgs);
// [D] PASSIVE_LEVEL. hAdapter is DXGKRNL_INTERFACE.DeviceHandle [I].
typedef NTSTATUS (*DXGKCB_SAVEMEMORYFORHOTUPDATE)(
    HANDLE hAdapter, IN_CONST_PDXGKARGCB_SAVEMEMORYFORHOTUPDATE pArgs);

// The answer to DXGKQAITYPE_GPUPCAPS, asked after StartDevice [D].
typedef struct _DXGK_GPUPCAPS {
  union {
    struct {
      UINT VirtualMachineHibernation : 1;
      UINT HotDriverUpdate : 1;
      UINT LiveMigration : 1;
      UINT ScatterMapReserve : 1;
      UINT Reserved : 28;
    };
    UINT Value;
  } Caps;
} DXGK_GPUPCAPS;

static_assert(sizeof(DXGK_SAVEMEMORYFORHOTUPDATEFLAGS) == 4, "flags");
static_assert(sizeof(DXGKARG_SAVEMEMORYFORHOTUPDATE) == 4, "save");
static_assert(sizeof(DXGK_KSR_MEMORY_RANGE) == 8, "range");
static_assert(sizeof(DXGKARGCB_SAVEMEMORYFORHOTUPDATE) == 0x38, "callback");
static_assert(offsetof(DXGKARGCB_SAVEMEMORYFORHOTUPDATE, NumDataMemoryRanges) ==
                  0x00,
              "callback");
static_assert(offsetof(DXGKARGCB_SAVEMEMORYFORHOTUPDATE, pDataMemoryRanges) ==
                  0x08,
              "callback");
static_assert(offsetof(DXGKARGCB_SAVEMEMORYFORHOTUPDATE, pDataMdl) == 0x10,
              "callback");
static_assert(offsetof(DXGKARGCB_SAVEMEMORYFORHOTUPDATE, DataSize) == 0x18,
              "callback");
static_assert(offsetof(DXGKARGCB_SAVEMEMORYFORHOTUPDATE, pData) == 0x20,
              "callback");
static_assert(offsetof(DXGKARGCB_SAVEMEMORYFORHOTUPDATE, MetaDataSize) == 0x28,
              "callback");
static_assert(offsetof(DXGKARGCB_SAVEMEMORYFORHOTUPDATE, pMetaData) == 0x30,
              "callback");
static_assert(sizeof(DXGK_RESTOREMEMORYFORHOTUPDATEFLAGS) == 4, "flags");
static_assert(sizeof(DXGKARG_RESTOREMEMORYFORHOTUPDATE) == 0x20, "restore");
static_assert(offsetof(DXGKARG_RESTOREMEMORYFORHOTUPDATE, pDataMdl) == 0x08,
              "restore");
static_assert(offsetof(DXGKARG_RESTOREMEMORYFORHOTUPDATE, MetaDataSize) == 0x10,
              "restore");
static_assert(offsetof(DXGKARG_RESTOREMEMORYFORHOTUPDATE, pMetaData) == 0x18,
              "restore");
static_assert(sizeof(DXGK_GPUPCAPS) == 4, "caps");

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_DDI_HOT_UPDATE_H_
