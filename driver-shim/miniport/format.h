#ifndef DRIVER_SHIM_MINIPORT_FORMAT_H_
#define DRIVER_SHIM_MINIPORT_FORMAT_H_

#include <cstdint>

#include "driver-shim/ddi/gpu_partition.h"
#include "driver-shim/ddi/status.h"
#include "driver-shim/kit/frame.h"
#include "driver-shim/kit/label.h"
#include "driver-shim/miniport/state.h"

// How state is saved. Format 1 is what 1.x writes and reads; 2.x writes the
// same records, and optional ones beside them, which 1.x skips. So an update in
// either direction can read what it is given.

namespace baton::miniport {

enum class BlockKind : uint16_t {
  kAdapter = 1,      // saved as pData
  kAllocations = 2,  // of one vGPU, saved as pDataMdl
  kContexts = 3,     // of one vGPU, saved as pDataMemoryRanges
};

// What the metadata of each saved block says. It is a frame, too, and labelled
// (kit/label.h).
struct BlockMetadata {
  BlockKind kind = BlockKind::kAdapter;
  uint16_t format = 1;
  uint32_t partition_id = BATON_KIT_NO_PARTITION;
  uint32_t frame_bytes = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(BlockMetadata) == 16);

enum RecordType : uint32_t {
  kAdapterRecord = 1,
  kVgpuRecord = 2,
  kAllocationsRecord = 3,  // uint32 next_handle, uint32 count, Allocation[]
  kContextsRecord = 4,     // ContextTable
  kStatisticsRecord = 5,   // optional, since 2.0
  kBlockRecord = 6,        // BlockMetadata
};

struct AdapterRecord {
  uint32_t board_revision = 0;
  uint32_t partition_count = 0;
  uint64_t vram_bytes = 0;
  uint32_t vgpus = 0;
  uint32_t saved_by_major = 0;
};
static_assert(sizeof(AdapterRecord) == 24);

struct VgpuRecord {
  uint32_t partition_id = 0;
  uint32_t reserved = 0;
  LUID luid = {};
  uint64_t window_base = 0;
  uint64_t window_bytes = 0;
  uint64_t mailbox_sequence = 0;
  DXGK_VIRTUALGPUPROFILE profile = {};
};
static_assert(sizeof(VgpuRecord) == 136);

// What 2.x counts and 1.x does not.
struct Statistics {
  uint64_t allocations_ever = 0;
  uint64_t frees_ever = 0;
  uint64_t bytes_peak = 0;
};
static_assert(sizeof(Statistics) == 24);

struct AllocationsHeader {
  uint32_t next_handle = 1;
  uint32_t count = 0;
};
static_assert(sizeof(AllocationsHeader) == 8);

struct AdapterState {
  AdapterRecord adapter = {};
  VgpuRecord vgpus[SOFTGPU_FUNCTIONS_MAX] = {};
};

// Room that a frame of each kind needs at most.
inline constexpr uint64_t kAdapterBytesMax = uint64_t{3} * 4096;
inline constexpr uint64_t kAllocationsBytesMax = uint64_t{3} * 4096;
inline constexpr uint64_t kContextsBytesMax = 4096;
inline constexpr uint64_t kMetadataBytesMax = 96;

// The writers return the frame's bytes, or 0 when `room` is too small.
// `statistics` may be null.
uint64_t WriteAdapter(const AdapterState& state, void* to, uint64_t room);
uint64_t WriteAllocations(const Logical& state, const Statistics* statistics,
                          void* to, uint64_t room);
uint64_t WriteContexts(const ContextTable& table, void* to, uint64_t room);
enum class Labels { kWritten, kLeftOut };
uint64_t WriteMetadata(const BlockMetadata& metadata, Labels labels, void* to,
                       uint64_t room);

// The readers take any bytes. STATUS_CRC_ERROR: not what was written;
// STATUS_REVISION_MISMATCH: of a format that is not known; STATUS_DATA_ERROR:
// lengths or counts that cannot be.
NTSTATUS ReadAdapter(const void* from, uint64_t bytes, AdapterState* state);
NTSTATUS ReadAllocations(const void* from, uint64_t bytes, Logical* state,
                         Statistics* statistics);
NTSTATUS ReadContexts(const void* from, uint64_t bytes, ContextTable* table);
NTSTATUS ReadMetadata(const void* from, uint64_t bytes,
                      BlockMetadata* metadata);

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_FORMAT_H_
