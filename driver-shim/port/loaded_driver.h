#ifndef DRIVER_SHIM_PORT_LOADED_DRIVER_H_
#define DRIVER_SHIM_PORT_LOADED_DRIVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "driver-shim/ddi/miniport.h"
#include "driver-shim/port/bars.h"
#include "driver-shim/port/block_saver.h"
#include "driver-shim/port/host_protocol.h"
#include "driver-shim/port/host_recorder.h"
#include "driver-shim/port/hostile_delivery.h"
#include "driver-shim/port/kernel_memory.h"

namespace baton::port {

// One image and every call into it, each in its place in the documented order.
// Confined to the driver host's main thread; one in a process.
class LoadedDriver {
 public:
  struct Kit {
    KernelMemory& memory;
    HostRecorder& recorder;
    BlockSaver& saver;
    Bars& bars;
  };

  // What became of a group of calls: the first that failed, if one did.
  struct Result {
    NTSTATUS nt_status = STATUS_SUCCESS;
    EntryPoint failed = EntryPoint::kNone;
    std::string message = "";  // set when it was refused before any call

    bool ok() const { return NT_SUCCESS(nt_status) && message.empty(); }
  };

  explicit LoadedDriver(const Kit& kit) : kit_(kit) {}
  LoadedDriver(const LoadedDriver&) = delete;
  LoadedDriver& operator=(const LoadedDriver&) = delete;

  // Opens the image; its constructors run, none of its entry points.
  Result Open(const std::string& path);

  // DriverEntry, AddDevice, a Restore for each of `blocks`, StartDevice,
  // QueryInterface and QueryAdapterInfo. Stops at the first that fails.
  Result Load(const std::vector<SavedBlock>& blocks);

  // StopDevice, RemoveDevice, Unload, as far as Load() had come. Goes on after
  // one that fails; returns the first that did.
  Result Stop();

  Result Save();
  Result CancelSave();
  Result RestoreComplete();
  Result CreateVirtualGpus(const std::vector<WantedGpu>& wanted);
  // Of each, the partition id alone matters. Leaves out whom the driver does
  // not know. Stops at the first that fails.
  Result DestroyVirtualGpus(const std::vector<WantedGpu>& unwanted);

  // Asks for each virtual GPU with a partition id below `functions`. One that
  // the driver does not have is left out.
  Result Census(uint32_t functions, std::vector<CensusAnswer>& answers);

  // Delivers one interrupt. Call RunDpcs() next.
  void Interrupt(uint32_t message_number);
  // Runs the DPC if one is queued. One that queues itself again waits.
  void RunDpcs();

  bool started() const { return stage_ == Stage::kStarted; }
  DXGK_GPUPCAPS gpup_caps() const { return gpup_caps_; }

 private:
  enum class Stage { kClosed, kOpened, kEntered, kAdded, kStarted };

  static LoadedDriver* current_;
  static NTSTATUS GetDeviceInformation(HANDLE device, DXGK_DEVICE_INFO* info);
  static NTSTATUS MapMemory(HANDLE device, PHYSICAL_ADDRESS address,
                            ULONG length, BOOLEAN io_space, BOOLEAN user_mode,
                            MEMORY_CACHING_TYPE cache, PVOID* mapped);
  static NTSTATUS UnmapMemory(HANDLE device, PVOID address);
  static BOOLEAN QueueDpc(HANDLE device);
  static NTSTATUS SaveMemory(HANDLE device,
                             IN_CONST_PDXGKARGCB_SAVEMEMORYFORHOTUPDATE args);

  Result Enter();
  Result Restore(const std::vector<SavedBlock>& blocks);
  Result RestoreOne(const Delivery& delivery);
  Result Start();
  Result Query();
  Result CallSave(EntryPoint entry_point, UINT flags);
  bool Knows(uint32_t partition_id);

  const Kit kit_;
  void* image_ = nullptr;
  PDRIVER_INITIALIZE driver_entry_ = nullptr;
  DRIVER_INITIALIZATION_DATA driver_ = {};
  Stage stage_ = Stage::kClosed;
  PVOID context_ = nullptr;
  DXGKRNL_INTERFACE callbacks_ = {};
  DXGKDDI_GPU_PARTITION_INTERFACE partitions_ = {};
  DXGK_GPUPCAPS gpup_caps_ = {};
  bool dpc_queued_ = false;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_LOADED_DRIVER_H_
