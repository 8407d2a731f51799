#include "driver-shim/port/loaded_driver.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "driver-shim/port/kernel_exports.h"
#include "driver-shim/port/profile.h"
#include "driver-shim/port/rules.h"

namespace baton::port {
namespace {

// The registry path that a driver is given. Nothing is behind it.
UNICODE_STRING* RegistryPath() {
  static WCHAR empty = 0;
  static UNICODE_STRING path = {0, sizeof empty, &empty};
  return &path;
}

// Opaque to a driver: it only hands them back.
DRIVER_OBJECT* DriverObject() {
  static uint64_t object = 0;
  return reinterpret_cast<DRIVER_OBJECT*>(&object);
}
DEVICE_OBJECT* DeviceObject() {
  static uint64_t object = 0;
  return reinterpret_cast<DEVICE_OBJECT*>(&object);
}

LoadedDriver::Result Refused(std::string message) {
  return {.nt_status = STATUS_UNSUCCESSFUL, .message = std::move(message)};
}

}  // namespace

LoadedDriver* LoadedDriver::current_ = nullptr;

LoadedDriver::Result LoadedDriver::Open(const std::string& path) {
  current_ = this;
  kit_.recorder.Mark(EntryPoint::kImageOpen, [&] {
    image_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  });
  if (image_ == nullptr) {
    // No other thread uses dlerror(): the driver host has one.
    return Refused(absl::StrCat("image cannot be opened: ",
                                dlerror()));  // NOLINT(concurrency-mt-unsafe)
  }
  driver_entry_ =
      reinterpret_cast<PDRIVER_INITIALIZE>(dlsym(image_, "DriverEntry"));
  if (driver_entry_ == nullptr) {
    return Refused(absl::StrCat("image '", path, "' has no DriverEntry"));
  }
  stage_ = Stage::kOpened;
  return {};
}

// ---- load ----

LoadedDriver::Result LoadedDriver::Load(const std::vector<SavedBlock>& blocks) {
  if (stage_ != Stage::kOpened) return Refused("driver was loaded before");
  if (Result result = Enter(); !result.ok()) return result;
  if (Result result = Restore(blocks); !result.ok()) return result;
  if (Result result = Start(); !result.ok()) return result;
  return Query();
}

LoadedDriver::Result LoadedDriver::Enter() {
  NTSTATUS nt_status = kit_.recorder.Record(EntryPoint::kDriverEntry, [&] {
    return driver_entry_(DriverObject(), RegistryPath());
  });
  if (!NT_SUCCESS(nt_status)) {
    return {.nt_status = nt_status, .failed = EntryPoint::kDriverEntry};
  }
  if (!TheKernel().driver.has_value()) {
    return Refused("DriverEntry succeeded without calling DxgkInitialize");
  }
  driver_ = *TheKernel().driver;
  stage_ = Stage::kEntered;
  nt_status = kit_.recorder.Record(EntryPoint::kAddDevice, [&] {
    return driver_.DxgkDdiAddDevice(DeviceObject(), &context_);
  });
  if (!NT_SUCCESS(nt_status)) {
    return {.nt_status = nt_status, .failed = EntryPoint::kAddDevice};
  }
  stage_ = Stage::kAdded;
  return {};
}

LoadedDriver::Result LoadedDriver::Restore(
    const std::vector<SavedBlock>& blocks) {
  if (!blocks.empty() && driver_.DxgkDdiRestoreMemoryForHotUpdate == nullptr) {
    return {.nt_status = STATUS_NOT_SUPPORTED,
            .failed = EntryPoint::kRestoreMemory};
  }
  for (const Delivery& delivery :
       Deliveries(blocks, kit_.recorder.hostility())) {
    if (Result result = RestoreOne(delivery); !result.ok()) return result;
  }
  return {};
}

LoadedDriver::Result LoadedDriver::RestoreOne(const Delivery& delivery) {
  const SavedBlock& block = delivery.block;
  if (delivery.flips_bytes && !block.runs.empty()) {
    // Its own view of the pages, which lie there one after the other.
    FlipBytes(const_cast<std::byte*>(
                  kit_.memory.AddressOf(block.runs.front().first)) +
                  block.byte_offset,
              block.bytes, kit_.recorder.hostility().seed);
  }
  MDL* const list = kit_.memory.Deliver(block);
  if (const Verdict verdict = CheckList(*list, block); verdict.has_value()) {
    kit_.recorder.Break(*verdict);
  }
  std::string metadata = block.metadata;
  DXGKARG_RESTOREMEMORYFORHOTUPDATE args = {};
  args.pDataMdl = list;
  args.MetaDataSize = static_cast<UINT>(metadata.size());
  args.pMetaData = metadata.empty() ? nullptr : metadata.data();
  const NTSTATUS nt_status =
      kit_.recorder.Record(EntryPoint::kRestoreMemory, [&] {
        return driver_.DxgkDdiRestoreMemoryForHotUpdate(context_, &args);
      });
  if (NT_SUCCESS(nt_status)) return {};
  const bool left = kit_.memory.Withdraw(list, block);
  if (const Verdict verdict = CheckListLeft(left, block); verdict.has_value()) {
    kit_.recorder.Break(*verdict);
  }
  kit_.recorder.Log(absl::StrCat("restore of block ", delivery.index, " of ",
                                 block.bytes, " bytes failed"));
  return {.nt_status = nt_status, .failed = EntryPoint::kRestoreMemory};
}

LoadedDriver::Result LoadedDriver::Start() {
  callbacks_ = {};
  callbacks_.Size = sizeof callbacks_;
  callbacks_.Version = DXGKDDI_INTERFACE_VERSION_WDDM2_6;
  callbacks_.DeviceHandle = this;
  callbacks_.DxgkCbGetDeviceInformation = &GetDeviceInformation;
  callbacks_.DxgkCbMapMemory = &MapMemory;
  callbacks_.DxgkCbUnmapMemory = &UnmapMemory;
  callbacks_.DxgkCbQueueDpc = &QueueDpc;
  callbacks_.DxgkCbSaveMemoryForHotUpdate = &SaveMemory;
  DXGK_START_INFO info = {};
  info.AdapterLuid.LowPart = 1;
  ULONG sources = 0;
  ULONG children = 0;
  const NTSTATUS nt_status =
      kit_.recorder.Record(EntryPoint::kStartDevice, [&] {
        return driver_.DxgkDdiStartDevice(context_, &info, &callbacks_,
                                          &sources, &children);
      });
  if (!NT_SUCCESS(nt_status)) {
    return {.nt_status = nt_status, .failed = EntryPoint::kStartDevice};
  }
  stage_ = Stage::kStarted;
  return {};
}

LoadedDriver::Result LoadedDriver::Query() {
  const GUID guid = BATON_GUID_GPU_PARTITION_INTERFACE;
  partitions_ = {};
  QUERY_INTERFACE query = {};
  query.InterfaceType = &guid;
  query.Size = sizeof partitions_;
  query.Version = BATON_GPU_PARTITION_INTERFACE_VERSION;
  query.Interface = &partitions_;
  NTSTATUS nt_status = kit_.recorder.Record(EntryPoint::kQueryInterface, [&] {
    return driver_.DxgkDdiQueryInterface(context_, &query);
  });
  const bool whole = partitions_.DxgkDdiCreateVirtualGpu != nullptr &&
                     partitions_.DxgkDdiGetVirtualGpuInfo != nullptr &&
                     partitions_.DxgkDdiVirtualGpuDriverEscape != nullptr;
  if (NT_SUCCESS(nt_status) && !whole) nt_status = STATUS_NOT_SUPPORTED;
  if (!NT_SUCCESS(nt_status)) {
    return {.nt_status = nt_status, .failed = EntryPoint::kQueryInterface};
  }
  DXGKARG_QUERYADAPTERINFO info = {};
  info.Type = DXGKQAITYPE_GPUPCAPS;
  info.pOutputData = &gpup_caps_;
  info.OutputDataSize = sizeof gpup_caps_;
  nt_status = kit_.recorder.Record(EntryPoint::kQueryAdapterInfo, [&] {
    return driver_.DxgkDdiQueryAdapterInfo(context_, &info);
  });
  // A driver that does not know the question has no capability.
  if (!NT_SUCCESS(nt_status)) gpup_caps_ = {};
  return {};
}

LoadedDriver::Result LoadedDriver::CreateVirtualGpus(
    const std::vector<WantedGpu>& wanted) {
  if (!started()) return Refused("driver is not started");
  const bool missing = std::any_of(
      wanted.begin(), wanted.end(),
      [&](const WantedGpu& gpu) { return !Knows(gpu.partition_id); });
  if (!missing) return {};
  if (partitions_.DxgkDdiSetGpuPartitionCount != nullptr) {
    std::array<USHORT, 64> options = {};
    DXGKARG_GETGPUPARTITIONINFO info = {};
    info.NumGpuPartitionOptions = options.size();
    info.pGpuPartitionOptions = options.data();
    if (partitions_.DxgkDdiGetGpuPartitionInfo != nullptr) {
      kit_.recorder.Record(EntryPoint::kGetGpuPartitionInfo, [&] {
        return partitions_.DxgkDdiGetGpuPartitionInfo(partitions_.Context,
                                                      &info);
      });
    }
    // The least division that has room for all.
    DXGKARG_SETGPUPARTITIONCOUNT count = {};
    for (const USHORT option : options) {
      if (option < wanted.size()) continue;
      if (count.PartitionCount == 0 || option < count.PartitionCount) {
        count.PartitionCount = option;
      }
    }
    if (count.PartitionCount == 0) {
      return Refused(absl::StrCat("GPU cannot be divided into ", wanted.size(),
                                  " partitions"));
    }
    if (info.CurrentGpuPartitionCount < count.PartitionCount) {
      const NTSTATUS nt_status =
          kit_.recorder.Record(EntryPoint::kSetGpuPartitionCount, [&] {
            return partitions_.DxgkDdiSetGpuPartitionCount(partitions_.Context,
                                                           &count);
          });
      if (!NT_SUCCESS(nt_status)) {
        return {.nt_status = nt_status,
                .failed = EntryPoint::kSetGpuPartitionCount};
      }
    }
  }
  for (const WantedGpu& gpu : wanted) {
    if (Knows(gpu.partition_id)) continue;
    DXGKARG_CREATEVIRTUALGPU args = {};
    args.PartitionId = gpu.partition_id;
    args.Profile = ProfileOf(gpu.vram_bytes);
    args.VirtualGpuLuid = gpu.luid;
    const NTSTATUS nt_status =
        kit_.recorder.Record(EntryPoint::kCreateVirtualGpu, [&] {
          return partitions_.DxgkDdiCreateVirtualGpu(partitions_.Context,
                                                     &args);
        });
    if (!NT_SUCCESS(nt_status)) {
      return {.nt_status = nt_status, .failed = EntryPoint::kCreateVirtualGpu};
    }
  }
  return {};
}

LoadedDriver::Result LoadedDriver::DestroyVirtualGpus(
    const std::vector<WantedGpu>& unwanted) {
  if (!started()) return Refused("driver is not started");
  if (partitions_.DxgkDdiDestroyVirtualGpu == nullptr) {
    return {.nt_status = STATUS_NOT_SUPPORTED,
            .failed = EntryPoint::kDestroyVirtualGpu};
  }
  for (const WantedGpu& gpu : unwanted) {
    if (!Knows(gpu.partition_id)) continue;
    DXGKARG_DESTROYVIRTUALGPU args = {};
    args.PartitionId = gpu.partition_id;
    const NTSTATUS nt_status =
        kit_.recorder.Record(EntryPoint::kDestroyVirtualGpu, [&] {
          return partitions_.DxgkDdiDestroyVirtualGpu(partitions_.Context,
                                                      &args);
        });
    if (!NT_SUCCESS(nt_status)) {
      return {.nt_status = nt_status, .failed = EntryPoint::kDestroyVirtualGpu};
    }
  }
  return {};
}

// ---- while it runs ----

bool LoadedDriver::Knows(uint32_t partition_id) {
  DXGKARG_GETVIRTUALGPUINFO info = {};
  info.PartitionId = partition_id;
  return NT_SUCCESS(kit_.recorder.Record(EntryPoint::kGetVirtualGpuInfo, [&] {
    return partitions_.DxgkDdiGetVirtualGpuInfo(partitions_.Context, &info);
  }));
}

LoadedDriver::Result LoadedDriver::Census(uint32_t functions,
                                          std::vector<CensusAnswer>& answers) {
  if (!started()) return Refused("driver is not started");
  for (uint32_t id = 0; id < functions; ++id) {
    DXGKARG_GETVIRTUALGPUINFO info = {};
    info.PartitionId = id;
    NTSTATUS nt_status = STATUS_SUCCESS;
    kit_.recorder.Mark(EntryPoint::kGetVirtualGpuInfo, [&] {
      nt_status =
          partitions_.DxgkDdiGetVirtualGpuInfo(partitions_.Context, &info);
    });
    if (nt_status == STATUS_NOT_FOUND) continue;
    if (!NT_SUCCESS(nt_status)) {
      return {.nt_status = nt_status, .failed = EntryPoint::kGetVirtualGpuInfo};
    }
    CensusAnswer answer = {};
    answer.partition_id = id;
    answer.vram_bytes =
        info.Capability[DXGK_VGPU_CAPABILITY_MEMORY].CurrentValue;
    BATON_ESCAPE_INPUT input = {};
    input.Command = kEscapeStateDigest;
    DXGK_VIRTUALGPUDRIVERESCAPE escape = {};
    escape.PartitionId = id;
    escape.InputBufferSize = sizeof input;
    escape.OutputBufferSize = sizeof answer.state;
    escape.pInputBuffer = &input;
    escape.pOutputBuffer = &answer.state;
    kit_.recorder.Mark(EntryPoint::kVirtualGpuDriverEscape, [&] {
      nt_status = partitions_.DxgkDdiVirtualGpuDriverEscape(partitions_.Context,
                                                            &escape);
    });
    if (!NT_SUCCESS(nt_status)) {
      return {.nt_status = nt_status,
              .failed = EntryPoint::kVirtualGpuDriverEscape};
    }
    answers.push_back(answer);
  }
  return {};
}

void LoadedDriver::Interrupt(uint32_t message_number) {
  if (!started()) return;
  kit_.recorder.Mark(EntryPoint::kInterruptRoutine, [&] {
    driver_.DxgkDdiInterruptRoutine(context_, message_number);
  });
}

void LoadedDriver::RunDpcs() {
  if (!dpc_queued_ || !started()) return;
  dpc_queued_ = false;
  kit_.recorder.Mark(EntryPoint::kDpcRoutine,
                     [&] { driver_.DxgkDdiDpcRoutine(context_); });
}

// ---- hot update ----

LoadedDriver::Result LoadedDriver::CallSave(EntryPoint entry_point,
                                            UINT flags) {
  if (!started()) return Refused("driver is not started");
  if (driver_.DxgkDdiSaveMemoryForHotUpdate == nullptr) {
    return {.nt_status = STATUS_NOT_SUPPORTED, .failed = entry_point};
  }
  DXGKARG_SAVEMEMORYFORHOTUPDATE args = {};
  args.Flags.Value = flags;
  const NTSTATUS nt_status = kit_.recorder.Record(entry_point, [&] {
    return driver_.DxgkDdiSaveMemoryForHotUpdate(context_, &args);
  });
  if (NT_SUCCESS(nt_status)) return {};
  return {.nt_status = nt_status, .failed = entry_point};
}

LoadedDriver::Result LoadedDriver::Save() {
  kit_.saver.Open();
  Result result = CallSave(EntryPoint::kSaveMemory, 0);
  if (result.ok() && !kit_.recorder.broken()) {
    kit_.saver.Seal();
  } else {
    kit_.saver.Close();
  }
  return result;
}

LoadedDriver::Result LoadedDriver::CancelSave() {
  Result result = CallSave(EntryPoint::kCancelHotUpdate, 1);
  kit_.saver.Forget();
  return result;
}

LoadedDriver::Result LoadedDriver::RestoreComplete() {
  if (!started()) return Refused("driver is not started");
  if (driver_.DxgkDdiRestoreMemoryForHotUpdate == nullptr) return {};
  DXGKARG_RESTOREMEMORYFORHOTUPDATE args = {};
  args.Flags.RestoreComplete = 1;
  if (const Verdict verdict = CheckRestoreComplete(args); verdict.has_value()) {
    kit_.recorder.Break(*verdict);
  }
  const NTSTATUS nt_status =
      kit_.recorder.Record(EntryPoint::kRestoreComplete, [&] {
        return driver_.DxgkDdiRestoreMemoryForHotUpdate(context_, &args);
      });
  if (NT_SUCCESS(nt_status)) return {};
  return {.nt_status = nt_status, .failed = EntryPoint::kRestoreComplete};
}

LoadedDriver::Result LoadedDriver::Stop() {
  Result result;
  const auto note = [&result](EntryPoint entry_point, NTSTATUS nt_status) {
    if (NT_SUCCESS(nt_status) || !result.ok()) return;
    result = {.nt_status = nt_status, .failed = entry_point};
  };
  // One that waits since before is the host's, which keeps interrupts back.
  dpc_queued_ = false;
  const auto call = [&](EntryPoint entry_point, auto&& into_driver) {
    note(entry_point, kit_.recorder.Record(entry_point, into_driver));
    const Verdict verdict = CheckNoDpcQueued(dpc_queued_);
    if (verdict.has_value()) kit_.recorder.Break(*verdict);
    dpc_queued_ = false;
  };
  if (stage_ == Stage::kStarted) {
    call(EntryPoint::kStopDevice,
         [&] { return driver_.DxgkDdiStopDevice(context_); });
    stage_ = Stage::kAdded;
  }
  if (stage_ == Stage::kAdded) {
    call(EntryPoint::kRemoveDevice,
         [&] { return driver_.DxgkDdiRemoveDevice(context_); });
    stage_ = Stage::kEntered;
  }
  if (stage_ == Stage::kEntered) {
    call(EntryPoint::kUnload, [&] {
      driver_.DxgkDdiUnload();
      return STATUS_SUCCESS;
    });
    stage_ = Stage::kClosed;
  }
  const Verdict left = CheckNothingOutstanding(kit_.memory.outstanding());
  if (left.has_value()) kit_.recorder.Break(*left);
  return result;
}

// ---- callbacks ----

NTSTATUS LoadedDriver::GetDeviceInformation(HANDLE device,
                                            DXGK_DEVICE_INFO* info) {
  if (device != current_ || info == nullptr) return STATUS_INVALID_PARAMETER;
  *info = {};
  info->MiniportDeviceContext = current_->context_;
  info->PhysicalDeviceObject = DeviceObject();
  info->DeviceRegistryPath = *RegistryPath();
  info->TranslatedResourceList = current_->kit_.bars.resources();
  const uint64_t bytes = current_->kit_.memory.bytes();
  info->SystemMemorySize.QuadPart = static_cast<LONGLONG>(bytes);
  info->HighestPhysicalAddress.QuadPart =
      static_cast<LONGLONG>((kFirstPage << PAGE_SHIFT) + bytes - 1);
  return STATUS_SUCCESS;
}

// As many parameters as were published.
// NOLINTNEXTLINE(readability-function-size)
NTSTATUS LoadedDriver::MapMemory(HANDLE device, PHYSICAL_ADDRESS address,
                                 ULONG length, BOOLEAN io_space,
                                 BOOLEAN user_mode, MEMORY_CACHING_TYPE,
                                 PVOID* mapped) {
  if (device != current_ || mapped == nullptr || length == 0 ||
      io_space != FALSE || user_mode != FALSE) {
    return STATUS_INVALID_PARAMETER;
  }
  *mapped =
      current_->kit_.bars.Map(static_cast<uint64_t>(address.QuadPart), length);
  return *mapped != nullptr ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS LoadedDriver::UnmapMemory(HANDLE device, PVOID address) {
  if (device != current_ || !current_->kit_.bars.IsMapped(address)) {
    return STATUS_INVALID_PARAMETER;
  }
  return STATUS_SUCCESS;
}

BOOLEAN LoadedDriver::QueueDpc(HANDLE device) {
  if (device != current_) return FALSE;
  const bool was_queued = current_->dpc_queued_;
  current_->dpc_queued_ = true;
  return was_queued ? FALSE : TRUE;
}

NTSTATUS LoadedDriver::SaveMemory(
    HANDLE device, IN_CONST_PDXGKARGCB_SAVEMEMORYFORHOTUPDATE args) {
  if (device != current_ || args == nullptr) return STATUS_INVALID_PARAMETER;
  return current_->kit_.saver.Save(*args);
}

}  // namespace baton::port
