#ifndef DRIVER_SHIM_PORT_HOST_PROTOCOL_H_
#define DRIVER_SHIM_PORT_HOST_PROTOCOL_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "driver-shim/ddi/escape.h"
#include "driver-shim/port/hostility.h"

// What the shim and a driver host say to each other: packets of plain structs
// over a socket, and one page-aligned structure of shared memory that is still
// there when the driver host is not. The socket is one of a pair at first. Once
// a driver is loaded its host outlives the shim; the next one connects to the
// host's named socket, and is told at once the last reply that there was.

namespace baton::port {

// Descriptors that a driver host is started with.
inline constexpr int kHostSocket = 3;
inline constexpr int kHostMemory = 4;
inline constexpr int kHostIndex = 5;
inline constexpr int kHostStatus = 6;
inline constexpr char kHostFlag[] = "--driver-host";

// Of all that is said here. Count it up with every change: a shim of another
// number leaves a driver host alone.
inline constexpr uint32_t kHostProtocol = 1;

enum class EntryPoint : uint32_t {
  kNone = 0,
  kImageOpen,
  kDriverEntry,
  kAddDevice,
  kStartDevice,
  kStopDevice,
  kRemoveDevice,
  kUnload,
  kInterruptRoutine,
  kDpcRoutine,
  kQueryInterface,
  kQueryAdapterInfo,
  kSaveMemory,
  kCancelHotUpdate,
  kRestoreMemory,
  kRestoreComplete,
  kGetGpuPartitionInfo,
  kSetGpuPartitionCount,
  kGetVirtualGpuProfile,
  kCreateVirtualGpu,
  kGetVirtualGpuInfo,
  kVirtualGpuDriverEscape,
  kDestroyVirtualGpu,
};
inline constexpr EntryPoint kLastEntryPoint = EntryPoint::kDestroyVirtualGpu;

enum class HostCommand : uint32_t {
  // Opens the image; maps what the driver will need. OpenRequest.
  kOpen = 1,
  // DriverEntry, AddDevice, StartDevice, QueryInterface, QueryAdapterInfo.
  kLoad,
  // What kLoadSaved begins with, ahead of time: maps the pages of the blocks of
  // the index. None of the driver's code runs.
  kReserveSaved,
  // kLoad, with a Restore for each block of the index before StartDevice.
  // VRAM is read-only from here on. Interrupts wait after both until kRun.
  kLoadSaved,
  // SetGpuPartitionCount, CreateVirtualGpu where missing. CreateRequest.
  kCreateVirtualGpus,
  // DestroyVirtualGpu for each. CreateRequest.
  kDestroyVirtualGpus,
  // Interrupts wait and VRAM is read-only from here on; then kCensus.
  kQuiesce,
  // Interrupts are served and VRAM is writable.
  kRun,
  // Asks the driver for each virtual GPU. The reply has CensusAnswers.
  kCensus,
  kSave,
  kCancelSave,
  // StopDevice, RemoveDevice, Unload, as far as it had come.
  kStop,
  kRestoreComplete,
  // Makes copy-on-write pages permanent.
  kSettle,
};

struct HostRequest {
  HostCommand command = HostCommand::kOpen;
  uint32_t functions = 0;  // of the device; for kQuiesce and kCensus
  uint64_t sequence = 0;
};

// Followed by strings that each end in a zero: the image, the interrupt line,
// the named socket, the base address registers. Their sizes stand before the
// strings.
struct OpenRequest {
  HostRequest request = {};
  uint32_t bars = 0;
  uint32_t next = 0;  // 1: it will be handed saved pages
};

struct CreateRequest {
  HostRequest request = {};
  uint32_t count = 0;  // of WantedGpu that follow
  uint32_t reserved = 0;
};

struct WantedGpu {
  uint32_t partition_id = 0;
  LUID luid = {};
  uint32_t reserved = 0;
  uint64_t vram_bytes = 0;
};

// A rule that the driver broke, and where.
struct BrokenRule {
  int32_t rule = 0;      // 0: none
  uint32_t between = 0;  // 1: while no command was under way
  // In which call that was; else the last one before it.
  EntryPoint entry_point = EntryPoint::kNone;
  std::array<char, 256> message = {};
};

struct HostReply {
  uint64_t sequence = 0;                     // of the request
  HostCommand command = HostCommand::kOpen;  // of the request
  NTSTATUS nt_status = 0;  // of the entry point that failed, else 0
  EntryPoint failed = EntryPoint::kNone;
  uint32_t refused = 0;      // 1: not by the driver; the message says why
  uint32_t gpup_caps = 0;    // DXGK_GPUPCAPS, of kLoad
  uint32_t count = 0;        // of CensusAnswers that follow
  uint32_t blocks = 0;       // saved so far in this update
  uint64_t page_faults = 0;  // that the command took
  BrokenRule broken = {};
  std::array<char, 256> message = {};
};

struct CensusAnswer {
  uint32_t partition_id = 0;
  uint32_t reserved = 0;
  UINT64 vram_bytes = 0;  // GetVirtualGpuInfo's
  BATON_ESCAPE_STATE_DIGEST state = {};
};

inline constexpr size_t kPacketBytesMax = size_t{64} << 10;

// ---- shared memory ----

struct RecordedCall {
  EntryPoint entry_point = EntryPoint::kNone;
  NTSTATUS nt_status = 0;
  int64_t elapsed_ns = 0;
};

inline constexpr size_t kCallsMax = 1024;
inline constexpr size_t kLogLines = 50;
inline constexpr size_t kLogLineBytes = 240;

// The driver host writes, the shim reads: at any time the strings and counters
// can be anything, since a driver may write anywhere. Only `refuse_saves` and
// `hostility` are the shim's.
struct HostStatus {
  std::atomic<EntryPoint> entry_point = EntryPoint::kNone;
  std::atomic<uint32_t> refuse_saves = 0;
  // Set while no command is under way.
  Hostility hostility = {};
  // By the command under way, or by the last one.
  std::atomic<uint32_t> allocations = 0;

  // How it died, if it did in a way that can be caught.
  std::atomic<int32_t> signal = 0;
  uint64_t fault_address = 0;

  // How long the driver's code has run so far, every call counted.
  std::atomic<int64_t> driver_ns = 0;

  // Calls of the command under way, or of the last one. Calls past the end are
  // counted only.
  std::atomic<uint32_t> calls = 0;
  std::array<RecordedCall, kCallsMax> call = {};

  // The first rule that was broken since the last reply, which told of those
  // before; one that the command under way breaks goes before others.
  std::atomic<int32_t> rule = 0;
  std::atomic<uint32_t> rule_between = 0;
  std::atomic<EntryPoint> rule_entry_point = EntryPoint::kNone;
  std::array<char, 256> rule_message = {};

  // Line n is in slot n % kLogLines.
  std::atomic<uint64_t> log_lines = 0;
  std::array<std::array<char, kLogLineBytes>, kLogLines> log = {};
};

// Returns the published name, e.g. "DxgkDdiStartDevice".
const char* EntryPointName(EntryPoint entry_point);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_HOST_PROTOCOL_H_
