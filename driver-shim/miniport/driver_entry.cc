#include "driver-shim/miniport/driver_entry.h"

#include <cstring>
#include <new>

// The C bridge: each DDI finds its adapter and calls it.

namespace baton::miniport {
namespace {

Adapter* Of(PVOID context) { return static_cast<Adapter*>(context); }

NTSTATUS AddDevice(PDEVICE_OBJECT, PVOID* context) {
  void* memory =
      ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(Adapter), kPoolTag);
  if (memory == nullptr) return STATUS_NO_MEMORY;
  *context = new (memory) Adapter(ThisImage());
  return STATUS_SUCCESS;
}

NTSTATUS StartDevice(PVOID context, DXGK_START_INFO*, DXGKRNL_INTERFACE* dxgk,
                     ULONG* sources, ULONG* children) {
  *sources = 0;  // renders, shows nothing
  *children = 0;
  return Of(context)->Start(*dxgk);
}

NTSTATUS StopDevice(PVOID context) { return Of(context)->Stop(); }

NTSTATUS RemoveDevice(PVOID context) {
  Of(context)->~Adapter();
  ExFreePoolWithTag(context, kPoolTag);
  return STATUS_SUCCESS;
}

VOID Unload() {}

BOOLEAN InterruptRoutine(PVOID context, ULONG) {
  Of(context)->QueueDpc();
  return TRUE;
}

VOID DpcRoutine(PVOID context) { Of(context)->Dpc(); }

NTSTATUS QueryAdapterInfo(HANDLE context,
                          const DXGKARG_QUERYADAPTERINFO* query) {
  return Of(context)->QueryInfo(*query);
}

NTSTATUS SaveMemory(HANDLE context,
                    IN_CONST_PDXGKARG_SAVEMEMORYFORHOTUPDATE arguments) {
  return Of(context)->Save(*arguments);
}

NTSTATUS RestoreMemory(HANDLE context,
                       IN_CONST_PDXGKARG_RESTOREMEMORYFORHOTUPDATE arguments) {
  return Of(context)->Restore(*arguments);
}

VOID Reference(PVOID) {}

DXGKDDI_GPU_PARTITION_INTERFACE PartitionInterface(PVOID context) {
  DXGKDDI_GPU_PARTITION_INTERFACE table = {};
  table.Size = sizeof(table);
  table.Version = BATON_GPU_PARTITION_INTERFACE_VERSION;
  table.Context = context;
  table.InterfaceReference = Reference;
  table.InterfaceDereference = Reference;
  table.DxgkDdiGetGpuPartitionInfo = [](HANDLE c, auto* a) {
    return Of(c)->GetPartitionInfo(a);
  };
  table.DxgkDdiSetGpuPartitionCount = [](HANDLE c, auto* a) {
    return Of(c)->SetPartitionCount(*a);
  };
  table.DxgkDdiGetVirtualGpuProfile = [](HANDLE c, auto* a) {
    return Of(c)->GetProfile(a);
  };
  table.DxgkDdiCreateVirtualGpu = [](HANDLE c, auto* a) {
    return Of(c)->CreateVgpu(*a);
  };
  table.DxgkDdiGetVirtualGpuInfo = [](HANDLE c, auto* a) {
    return Of(c)->GetVgpuInfo(a);
  };
  table.DxgkDdiSetVirtualGpuResources = [](HANDLE c, auto* a) {
    return Of(c)->SetVgpuResources(*a);
  };
  table.DxgkDdiDestroyVirtualGpu = [](HANDLE c, auto* a) {
    return Of(c)->DestroyVgpu(*a);
  };
  table.DxgkDdiVirtualGpuDriverEscape = [](HANDLE c, auto* a) {
    return Of(c)->Escape(*a);
  };
  return table;
}

NTSTATUS QueryInterface(PVOID context, QUERY_INTERFACE* query) {
  const GUID known = BATON_GUID_GPU_PARTITION_INTERFACE;
  if (std::memcmp(query->InterfaceType, &known, sizeof(known)) != 0 ||
      query->Version != BATON_GPU_PARTITION_INTERFACE_VERSION) {
    return STATUS_NOT_SUPPORTED;
  }
  const DXGKDDI_GPU_PARTITION_INTERFACE table = PartitionInterface(context);
  if (query->Size < sizeof(table)) return STATUS_BUFFER_TOO_SMALL;
  std::memcpy(query->Interface, &table, sizeof(table));
  return STATUS_SUCCESS;
}

}  // namespace

DRIVER_INITIALIZATION_DATA InitializationData() {
  DRIVER_INITIALIZATION_DATA data = {};
  data.Version = DXGKDDI_INTERFACE_VERSION_WDDM2_6;
  data.DxgkDdiAddDevice = AddDevice;
  data.DxgkDdiStartDevice = StartDevice;
  data.DxgkDdiStopDevice = StopDevice;
  data.DxgkDdiRemoveDevice = RemoveDevice;
  data.DxgkDdiInterruptRoutine = InterruptRoutine;
  data.DxgkDdiDpcRoutine = DpcRoutine;
  data.DxgkDdiUnload = Unload;
  data.DxgkDdiQueryInterface = QueryInterface;
  data.DxgkDdiQueryAdapterInfo = QueryAdapterInfo;
  data.DxgkDdiSaveMemoryForHotUpdate = SaveMemory;
  data.DxgkDdiRestoreMemoryForHotUpdate = RestoreMemory;
  return data;
}

}  // namespace baton::miniport
