#include "driver-shim/port/host_protocol.h"

namespace baton::port {

const char* EntryPointName(EntryPoint entry_point) {
  switch (entry_point) {
    case EntryPoint::kNone:
      return "";
    case EntryPoint::kImageOpen:
      return "image open";
    case EntryPoint::kDriverEntry:
      return "DriverEntry";
    case EntryPoint::kAddDevice:
      return "DxgkDdiAddDevice";
    case EntryPoint::kStartDevice:
      return "DxgkDdiStartDevice";
    case EntryPoint::kStopDevice:
      return "DxgkDdiStopDevice";
    case EntryPoint::kRemoveDevice:
      return "DxgkDdiRemoveDevice";
    case EntryPoint::kUnload:
      return "DxgkDdiUnload";
    case EntryPoint::kInterruptRoutine:
      return "DxgkDdiInterruptRoutine";
    case EntryPoint::kDpcRoutine:
      return "DxgkDdiDpcRoutine";
    case EntryPoint::kQueryInterface:
      return "DxgkDdiQueryInterface";
    case EntryPoint::kQueryAdapterInfo:
      return "DxgkDdiQueryAdapterInfo";
    case EntryPoint::kSaveMemory:
      return "DxgkDdiSaveMemoryForHotUpdate";
    case EntryPoint::kCancelHotUpdate:
      return "DxgkDdiSaveMemoryForHotUpdate(CancelHotUpdate)";
    case EntryPoint::kRestoreMemory:
      return "DxgkDdiRestoreMemoryForHotUpdate";
    case EntryPoint::kRestoreComplete:
      return "DxgkDdiRestoreMemoryForHotUpdate(RestoreComplete)";
    case EntryPoint::kGetGpuPartitionInfo:
      return "DxgkDdiGetGpuPartitionInfo";
    case EntryPoint::kSetGpuPartitionCount:
      return "DxgkDdiSetGpuPartitionCount";
    case EntryPoint::kGetVirtualGpuProfile:
      return "DxgkDdiGetVirtualGpuProfile";
    case EntryPoint::kCreateVirtualGpu:
      return "DxgkDdiCreateVirtualGpu";
    case EntryPoint::kGetVirtualGpuInfo:
      return "DxgkDdiGetVirtualGpuInfo";
    case EntryPoint::kVirtualGpuDriverEscape:
      return "DxgkDdiVirtualGpuDriverEscape";
    case EntryPoint::kDestroyVirtualGpu:
      return "DxgkDdiDestroyVirtualGpu";
  }
  // Read from shared memory that a driver may have written to.
  return "an unknown entry point";
}

}  // namespace baton::port
