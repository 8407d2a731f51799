#ifndef DRIVER_SHIM_DDI_GPU_PARTITION_H_
#define DRIVER_SHIM_DDI_GPU_PARTITION_H_

#include "driver-shim/ddi/status.h"
#include "driver-shim/ddi/types.h"

// The GPU partition interface of dispmprt.h: how the host creates, asks and
// destroys virtual GPUs. All calls at PASSIVE_LEVEL.

#ifdef __cplusplus
extern "C" {
#endif

// [ours] The interface's GUID is not published; this is the one that we ask
// QueryInterface for, with version 1.
#define BATON_GUID_GPU_PARTITION_INTERFACE           \
  {                                                  \
    0x6f1c3a52, 0x8d0e, 0x4b7a, {                    \
      0x9c, 0x41, 0x2e, 0x5d, 0x70, 0xb8, 0x13, 0xfa \
    }                                                \
  }
#define BATON_GPU_PARTITION_INTERFACE_VERSION 1

// [D] the four kinds; [ours] their numbers. Memory is in bytes, compute in
// gigaflops, video in units of 540p60.
enum {
  DXGK_VGPU_CAPABILITY_MEMORY = 0,
  DXGK_VGPU_CAPABILITY_ENCODE = 1,
  DXGK_VGPU_CAPABILITY_DECODE = 2,
  DXGK_VGPU_CAPABILITY_COMPUTE = 3,
  DXGK_VGPU_CAPABILITY_MAX = 4
};

typedef struct _DXGK_VIRTUALGPUCAPABILITY {
  UINT64 MinValue;
  UINT64 MaxValue;
  UINT64 OptimalValue;
} DXGK_VIRTUALGPUCAPABILITY;

typedef struct _DXGK_VIRTUALGPUPROFILE {
  DXGK_VIRTUALGPUCAPABILITY Capability[DXGK_VGPU_CAPABILITY_MAX];
} DXGK_VIRTUALGPUPROFILE;

typedef struct _DXGK_VGPU_CAPABILITY {
  UINT64 MinValue;
  UINT64 MaxValue;
  UINT64 CurrentValue;
} DXGK_VGPU_CAPABILITY;

// In how many ways the GPU can be divided; each option is a partition count.
typedef struct _DXGKARG_GETGPUPARTITIONINFO {
  ULONG NumGpuPartitionOptions;  // in: room; out: options there are
  USHORT* pGpuPartitionOptions;
  USHORT CurrentGpuPartitionCount;
} DXGKARG_GETGPUPARTITIONINFO;

// Called once, before the first virtual GPU is created.
typedef struct _DXGKARG_SETGPUPARTITIONCOUNT {
  USHORT PartitionCount;
} DXGKARG_SETGPUPARTITIONCOUNT;

// [ours] ProfileCapability has the fields of DXGK_VIRTUALGPUCAPABILITY.
typedef struct _DXGKARG_GETVIRTUALGPUPROFILE {
  ULONG PartitionCount;       // in
  ULONG VirtualizationFlags;  // out
  DXGK_VIRTUALGPUCAPABILITY ProfileCapability[DXGK_VGPU_CAPABILITY_MAX];
} DXGKARG_GETVIRTUALGPUPROFILE;

// [D] Fields and sizes; segments and engines, which we do not carry (their
// counts are 0), are kept as bytes.
typedef struct _DXGKARG_CREATEVIRTUALGPU {
  ULONG PartitionId;  // below the partition count
  DXGK_VIRTUALGPUPROFILE Profile;
  CLSID UserModeVirtualDeviceProvider;
  LUID VirtualGpuLuid;
  ULONG NumMemorySegments;
  UINT64 SegmentInfo[0x600 / 8];
  ULONG NumEngines;
  ULONG EngineInfo[0x300 / 4];
} DXGKARG_CREATEVIRTUALGPU;

// [D] Memory's CurrentValue is the VRAM of the virtual GPU, in bytes. LUID and
// profile have no place here: escape.h has them.
typedef struct _DXGKARG_GETVIRTUALGPUINFO {
  ULONG PartitionId;
  DXGK_VGPU_CAPABILITY Capability[DXGK_VGPU_CAPABILITY_MAX];
} DXGKARG_GETVIRTUALGPUINFO;

// [ours] AllocationAddress is the offset into the board's VRAM.
typedef struct _DXGK_VIRTUALGPUMEMORYRESOURCE {
  HANDLE DriverAllocationHandle;
  struct {
    UINT64 SegmentId;
    UINT64 SegmentOffset;
  } AllocationAddress;
  UINT64 AllocationSize;
} DXGK_VIRTUALGPUMEMORYRESOURCE;

typedef struct _DXGKARG_SETVIRTUALGPURESOURCES {
  ULONG PartitionId;
  ULONG NumMemoryAllocations;
  DXGK_VIRTUALGPUMEMORYRESOURCE MemoryInfo[1];
} DXGKARG_SETVIRTUALGPURESOURCES;

typedef struct _DXGKARG_DESTROYVIRTUALGPU {
  ULONG PartitionId;
} DXGKARG_DESTROYVIRTUALGPU;

// [D] The input starts with GPUP_DRIVER_ESCAPE_INPUT; see escape.h.
typedef struct _DXGK_VIRTUALGPUDRIVERESCAPE {
  ULONG PartitionId;
  ULONG InputBufferSize;
  ULONG OutputBufferSize;
  PVOID pInputBuffer;
  PVOID pOutputBuffer;  // never the input buffer
} DXGK_VIRTUALGPUDRIVERESCAPE;

typedef NTSTATUS (*PDXGKDDI_GETGPUPARTITIONINFO)(HANDLE,
                                                 DXGKARG_GETGPUPARTITIONINFO*);
typedef NTSTATUS (*PDXGKDDI_SETGPUPARTITIONCOUNT)(
    HANDLE, DXGKARG_SETGPUPARTITIONCOUNT*);
typedef NTSTATUS (*PDXGKDDI_GETVIRTUALGPUPROFILE)(
    HANDLE, DXGKARG_GETVIRTUALGPUPROFILE*);
typedef NTSTATUS (*PDXGKDDI_CREATEVIRTUALGPU)(HANDLE,
                                              DXGKARG_CREATEVIRTUALGPU*);
typedef NTSTATUS (*PDXGKDDI_GETVIRTUALGPUINFO)(HANDLE,
                                               DXGKARG_GETVIRTUALGPUINFO*);
typedef NTSTATUS (*PDXGKDDI_SETVIRTUALGPURESOURCES)(
    HANDLE, DXGKARG_SETVIRTUALGPURESOURCES*);
typedef NTSTATUS (*PDXGKDDI_DESTROYVIRTUALGPU)(HANDLE,
                                               DXGKARG_DESTROYVIRTUALGPU*);
typedef NTSTATUS (*PDXGKDDI_VIRTUALGPUDRIVERESCAPE)(
    HANDLE, DXGK_VIRTUALGPUDRIVERESCAPE*);
typedef VOID (*PINTERFACE_REFERENCE)(PVOID Context);
typedef VOID (*PINTERFACE_DEREFERENCE)(PVOID Context);

// [D] Filled in by the miniport in QueryInterface. A member that it does not
// carry is NULL. Suspend and Resume are documented as never used; engines and
// VMBus are not carried by us.
typedef struct _DXGKDDI_GPU_PARTITION_INTERFACE {
  USHORT Size;
  USHORT Version;
  PVOID Context;  // first argument of every call below
  PINTERFACE_REFERENCE InterfaceReference;
  PINTERFACE_DEREFERENCE InterfaceDereference;
  PDXGKDDI_GETGPUPARTITIONINFO DxgkDdiGetGpuPartitionInfo;
  PDXGKDDI_SETGPUPARTITIONCOUNT DxgkDdiSetGpuPartitionCount;
  PVOID DxgkDdiGetGpuEngines;
  PDXGKDDI_GETVIRTUALGPUPROFILE DxgkDdiGetVirtualGpuProfile;
  PDXGKDDI_CREATEVIRTUALGPU DxgkDdiCreateVirtualGpu;
  PDXGKDDI_GETVIRTUALGPUINFO DxgkDdiGetVirtualGpuInfo;
  PDXGKDDI_SETVIRTUALGPURESOURCES DxgkDdiSetVirtualGpuResources;
  PDXGKDDI_DESTROYVIRTUALGPU DxgkDdiDestroyVirtualGpu;
  PVOID DxgkDdiSuspendVirtualGpu;
  PVOID DxgkDdiResumeVirtualGpu;
  PDXGKDDI_VIRTUALGPUDRIVERESCAPE DxgkDdiVirtualGpuDriverEscape;
  PVOID DxgkDdiSetVirtualGpuVmBus;
} DXGKDDI_GPU_PARTITION_INTERFACE;

static_assert(sizeof(DXGK_VIRTUALGPUPROFILE) == 0x60, "profile");
static_assert(sizeof(DXGKARG_CREATEVIRTUALGPU) == 0x990, "create");
static_assert(offsetof(DXGKARG_CREATEVIRTUALGPU, Profile) == 0x08, "create");
static_assert(offsetof(DXGKARG_CREATEVIRTUALGPU, VirtualGpuLuid) == 0x78,
              "create");
static_assert(offsetof(DXGKARG_CREATEVIRTUALGPU, NumMemorySegments) == 0x80,
              "create");
static_assert(offsetof(DXGKARG_CREATEVIRTUALGPU, NumEngines) == 0x688,
              "create");
static_assert(sizeof(DXGKARG_GETVIRTUALGPUINFO) == 0x68, "info");
static_assert(sizeof(DXGK_VIRTUALGPUDRIVERESCAPE) == 0x20, "escape");
static_assert(sizeof(DXGKDDI_GPU_PARTITION_INTERFACE) == 0x80, "interface");

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_DDI_GPU_PARTITION_H_
