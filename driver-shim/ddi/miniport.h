#ifndef DRIVER_SHIM_DDI_MINIPORT_H_
#define DRIVER_SHIM_DDI_MINIPORT_H_

#include "driver-shim/ddi/gpu_partition.h"
#include "driver-shim/ddi/hot_update.h"
#include "driver-shim/ddi/kernel.h"
#include "driver-shim/ddi/resources.h"

// The part of dispmprt.h and d3dkmddi.h between the host and a miniport that we
// carry. Everything is called on one thread, the driver host's main one,
// InterruptRoutine and DpcRoutine included [ours]; a call may block.

#ifdef __cplusplus
extern "C" {
#endif

// [ours] The lowest and only version.
#define DXGKDDI_INTERFACE_VERSION_WDDM2_6 0xA004

// ---- what the host offers ----

typedef struct _DXGK_DEVICE_INFO {
  PVOID MiniportDeviceContext;
  PDEVICE_OBJECT PhysicalDeviceObject;
  UNICODE_STRING DeviceRegistryPath;
  PCM_RESOURCE_LIST TranslatedResourceList;  // the host's; valid until Remove
  LARGE_INTEGER SystemMemorySize;
  PHYSICAL_ADDRESS HighestPhysicalAddress;
} DXGK_DEVICE_INFO;

typedef NTSTATUS (*DXGKCB_GET_DEVICE_INFORMATION)(HANDLE DeviceHandle,
                                                  DXGK_DEVICE_INFO* DeviceInfo);
// [ours] VRAM is mapped read-only while a hot update is in progress.
typedef NTSTATUS (*DXGKCB_MAP_MEMORY)(HANDLE DeviceHandle,
                                      PHYSICAL_ADDRESS TranslatedAddress,
                                      ULONG Length, BOOLEAN InIoSpace,
                                      BOOLEAN MapToUserMode,
                                      MEMORY_CACHING_TYPE CacheType,
                                      PVOID* VirtualAddress);
typedef NTSTATUS (*DXGKCB_UNMAP_MEMORY)(HANDLE DeviceHandle,
                                        PVOID VirtualAddress);
// Returns TRUE when the call was queued, FALSE when one was queued already.
// [ours] May be called from any DDI, not from InterruptRoutine alone.
typedef BOOLEAN (*DXGKCB_QUEUE_DPC)(HANDLE DeviceHandle);

// [D] Offsets. Members that we do not carry are NULL.
typedef struct _DXGKRNL_INTERFACE {
  ULONG Size;
  ULONG Version;
  HANDLE DeviceHandle;  // first argument of every call below
  PVOID DxgkCbEvalAcpiMethod;
  DXGKCB_GET_DEVICE_INFORMATION DxgkCbGetDeviceInformation;
  PVOID DxgkCbIndicateChildStatus;
  DXGKCB_MAP_MEMORY DxgkCbMapMemory;
  DXGKCB_QUEUE_DPC DxgkCbQueueDpc;
  PVOID DxgkCbQueryServices;
  PVOID DxgkCbReadDeviceSpace;
  PVOID DxgkCbSynchronizeExecution;
  DXGKCB_UNMAP_MEMORY DxgkCbUnmapMemory;
  PVOID NotCarried[(0x1d8 - 0x58) / 8];
  DXGKCB_SAVEMEMORYFORHOTUPDATE DxgkCbSaveMemoryForHotUpdate;
} DXGKRNL_INTERFACE;

static_assert(offsetof(DXGKRNL_INTERFACE, DxgkCbGetDeviceInformation) == 0x18,
              "DXGKRNL_INTERFACE");
static_assert(offsetof(DXGKRNL_INTERFACE, DxgkCbMapMemory) == 0x28,
              "DXGKRNL_INTERFACE");
static_assert(offsetof(DXGKRNL_INTERFACE, DxgkCbUnmapMemory) == 0x50,
              "DXGKRNL_INTERFACE");
static_assert(offsetof(DXGKRNL_INTERFACE, DxgkCbSaveMemoryForHotUpdate) ==
                  0x1d8,
              "DXGKRNL_INTERFACE");
static_assert(sizeof(DXGKRNL_INTERFACE) == 0x1e0, "DXGKRNL_INTERFACE");

// ---- what the miniport offers ----

typedef struct _DXGK_START_INFO {
  ULONG RequiredDmaQueueEntry;
  GUID AdapterGuid;
  LUID AdapterLuid;
} DXGK_START_INFO;

typedef enum _DXGK_QUERYADAPTERINFOTYPE {
  DXGKQAITYPE_GPUPCAPS = 30
} DXGK_QUERYADAPTERINFOTYPE;

typedef struct _DXGKARG_QUERYADAPTERINFO {
  DXGK_QUERYADAPTERINFOTYPE Type;
  PVOID pInputData;
  UINT InputDataSize;
  PVOID pOutputData;
  UINT OutputDataSize;
} DXGKARG_QUERYADAPTERINFO;

typedef struct _QUERY_INTERFACE {
  const GUID* InterfaceType;
  USHORT Size;  // of what Interface points to
  USHORT Version;
  PVOID Interface;
  PVOID InterfaceSpecificData;
} QUERY_INTERFACE;

typedef NTSTATUS (*PDXGKDDI_ADD_DEVICE)(PDEVICE_OBJECT PhysicalDeviceObject,
                                        PVOID* MiniportDeviceContext);
typedef NTSTATUS (*PDXGKDDI_START_DEVICE)(PVOID MiniportDeviceContext,
                                          DXGK_START_INFO* DxgkStartInfo,
                                          DXGKRNL_INTERFACE* DxgkInterface,
                                          ULONG* NumberOfVideoPresentSources,
                                          ULONG* NumberOfChildren);
typedef NTSTATUS (*PDXGKDDI_STOP_DEVICE)(PVOID MiniportDeviceContext);
typedef NTSTATUS (*PDXGKDDI_REMOVE_DEVICE)(PVOID MiniportDeviceContext);
// Returns TRUE when the interrupt was the device's. `MessageNumber` is the byte
// that was read from the interrupt line.
typedef BOOLEAN (*PDXGKDDI_INTERRUPT_ROUTINE)(PVOID MiniportDeviceContext,
                                              ULONG MessageNumber);
typedef VOID (*PDXGKDDI_DPC_ROUTINE)(PVOID MiniportDeviceContext);
typedef VOID (*PDXGKDDI_UNLOAD)(VOID);
typedef NTSTATUS (*PDXGKDDI_QUERY_INTERFACE)(PVOID MiniportDeviceContext,
                                             QUERY_INTERFACE* QueryInterface);
typedef NTSTATUS (*PDXGKDDI_QUERYADAPTERINFO)(
    HANDLE hAdapter, const DXGKARG_QUERYADAPTERINFO* pQueryAdapterInfo);

// Published names in the published order; the published structure has further
// members before the two last, so binaries of the WDK do not fit, sources do.
// Members that we do not carry are NULL.
typedef struct _DRIVER_INITIALIZATION_DATA {
  ULONG Version;
  PDXGKDDI_ADD_DEVICE DxgkDdiAddDevice;
  PDXGKDDI_START_DEVICE DxgkDdiStartDevice;
  PDXGKDDI_STOP_DEVICE DxgkDdiStopDevice;
  PDXGKDDI_REMOVE_DEVICE DxgkDdiRemoveDevice;
  PVOID DxgkDdiDispatchIoRequest;
  PDXGKDDI_INTERRUPT_ROUTINE DxgkDdiInterruptRoutine;
  PDXGKDDI_DPC_ROUTINE DxgkDdiDpcRoutine;
  PVOID DxgkDdiQueryChildRelations;
  PVOID DxgkDdiQueryChildStatus;
  PVOID DxgkDdiQueryDeviceDescriptor;
  PVOID DxgkDdiSetPowerState;
  PVOID DxgkDdiNotifyAcpiEvent;
  PVOID DxgkDdiResetDevice;
  PDXGKDDI_UNLOAD DxgkDdiUnload;
  PDXGKDDI_QUERY_INTERFACE DxgkDdiQueryInterface;
  PVOID DxgkDdiControlEtwLogging;
  PDXGKDDI_QUERYADAPTERINFO DxgkDdiQueryAdapterInfo;
  PDXGKDDI_SAVEMEMORYFORHOTUPDATE DxgkDdiSaveMemoryForHotUpdate;
  PDXGKDDI_RESTOREMEMORYFORHOTUPDATE DxgkDdiRestoreMemoryForHotUpdate;
} DRIVER_INITIALIZATION_DATA;

// Exported by the host; an image calls it from DriverEntry.
NTSTATUS DxgkInitialize(PDRIVER_OBJECT DriverObject,
                        PUNICODE_STRING RegistryPath,
                        DRIVER_INITIALIZATION_DATA* DriverInitializationData);

// Exported by an image.
NTSTATUS DriverEntry(PDRIVER_OBJECT DriverObject, PUNICODE_STRING RegistryPath);
typedef NTSTATUS (*PDRIVER_INITIALIZE)(PDRIVER_OBJECT DriverObject,
                                       PUNICODE_STRING RegistryPath);

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_DDI_MINIPORT_H_
