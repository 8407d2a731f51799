#include "driver-shim/miniport/format.h"

#include <cstring>

#include "driver-shim/kit/records.h"

namespace baton::miniport {
namespace {

NTSTATUS StatusOf(baton_kit_result result) {
  switch (result) {
    case BATON_KIT_OK:
    case BATON_KIT_END:
      return STATUS_SUCCESS;
    case BATON_KIT_TOO_NEW:
    case BATON_KIT_UNKNOWN_RECORD:
      return STATUS_REVISION_MISMATCH;
    case BATON_KIT_NOT_A_FRAME:
    case BATON_KIT_TRUNCATED:
    case BATON_KIT_DAMAGED:
      return STATUS_CRC_ERROR;
    case BATON_KIT_MISSING_RECORD:
    case BATON_KIT_REPEATED_RECORD:
    case BATON_KIT_SHORT_RECORD:
      return STATUS_DATA_ERROR;
  }
  return STATUS_CRC_ERROR;
}

// What a frame of each kind is made of.
constexpr baton_kit_known kOfAdapter[] = {
    {kAdapterRecord, 1, BATON_KIT_REQUIRED, sizeof(AdapterRecord)},
    {kVgpuRecord, 1, BATON_KIT_REPEATED, sizeof(VgpuRecord)},
};
constexpr baton_kit_known kOfAllocations[] = {
    {kAllocationsRecord, 1, BATON_KIT_REQUIRED, sizeof(AllocationsHeader)},
    {kStatisticsRecord, 1, 0, sizeof(Statistics)},
};
constexpr baton_kit_known kOfContexts[] = {
    {kContextsRecord, 1, BATON_KIT_REQUIRED, sizeof(ContextTable)},
};

constexpr baton_kit_known kOfMetadata[] = {
    {kBlockRecord, 1, BATON_KIT_REQUIRED, sizeof(BlockMetadata)},
};
// Of the frame that is a block's metadata: no block is of that kind.
constexpr auto kMetadata = static_cast<BlockKind>(0);

// Of a vGPU are saved its allocations and its contexts.
baton_kit_label LabelOf(const BlockMetadata& metadata) {
  switch (metadata.kind) {
    case BlockKind::kAdapter:
      return {.partition_id = BATON_KIT_NO_PARTITION, .part = 0, .parts = 1};
    case BlockKind::kAllocations:
      return {.partition_id = metadata.partition_id, .part = 0, .parts = 2};
    case BlockKind::kContexts:
      return {.partition_id = metadata.partition_id, .part = 1, .parts = 2};
  }
  return {};
}

// Opens a frame, and sees to it that it has nothing but what is known.
template <size_t count>
NTSTATUS Open(const void* from, uint64_t bytes, BlockKind kind,
              const baton_kit_known (&known)[count], baton_kit_reader* frame) {
  const baton_kit_result opened = baton_kit_open(frame, from, bytes);
  if (opened != BATON_KIT_OK) return StatusOf(opened);
  if (frame->kind != static_cast<uint16_t>(kind)) return STATUS_DATA_ERROR;
  return StatusOf(baton_kit_check(frame, known, count));
}

// Takes the first record of that type; false when there is none.
template <typename T>
bool Take(const baton_kit_reader& frame, RecordType type, T* to) {
  baton_kit_record record = {};
  const void* payload = nullptr;
  if (baton_kit_find(&frame, type, 1, &record, &payload) != BATON_KIT_OK) {
    return false;
  }
  return baton_kit_take(&record, payload, to, sizeof(T)) == sizeof(T);
}

}  // namespace

uint64_t WriteAdapter(const AdapterState& state, void* to, uint64_t room) {
  baton_kit_writer writer = {};
  baton_kit_start(&writer, to, room,
                  static_cast<uint16_t>(BlockKind::kAdapter));
  baton_kit_write(&writer, {kAdapterRecord, 1, 0, sizeof(AdapterRecord)},
                  &state.adapter);
  for (uint32_t i = 0; i < state.adapter.vgpus; ++i) {
    baton_kit_write(&writer, {kVgpuRecord, 1, 0, sizeof(VgpuRecord)},
                    &state.vgpus[i]);
  }
  return baton_kit_finish(&writer);
}

uint64_t WriteAllocations(const Logical& state, const Statistics* statistics,
                          void* to, uint64_t room) {
  baton_kit_writer writer = {};
  baton_kit_start(&writer, to, room,
                  static_cast<uint16_t>(BlockKind::kAllocations));
  const AllocationsHeader header = {state.next_handle, state.allocations_count};
  const uint64_t bytes = state.allocations_count * sizeof(Allocation);
  uint64_t left = 0;
  void* payload =
      baton_kit_begin(&writer, {kAllocationsRecord, 1, 0, 0}, &left);
  if (payload == nullptr || left < sizeof(header) + bytes) return 0;
  std::memcpy(payload, &header, sizeof(header));
  std::memcpy(static_cast<uint8_t*>(payload) + sizeof(header),
              state.allocations, bytes);
  baton_kit_end(&writer, sizeof(header) + bytes);
  if (statistics != nullptr) {
    baton_kit_write(
        &writer, {kStatisticsRecord, 1, BATON_KIT_OPTIONAL, sizeof(Statistics)},
        statistics);
  }
  return baton_kit_finish(&writer);
}

uint64_t WriteContexts(const ContextTable& table, void* to, uint64_t room) {
  baton_kit_writer writer = {};
  baton_kit_start(&writer, to, room,
                  static_cast<uint16_t>(BlockKind::kContexts));
  baton_kit_write(&writer, {kContextsRecord, 1, 0, sizeof(ContextTable)},
                  &table);
  return baton_kit_finish(&writer);
}

uint64_t WriteMetadata(const BlockMetadata& metadata, Labels labels, void* to,
                       uint64_t room) {
  baton_kit_writer writer = {};
  baton_kit_start(&writer, to, room, static_cast<uint16_t>(kMetadata));
  baton_kit_write(&writer, {kBlockRecord, 1, 0, sizeof(metadata)}, &metadata);
  if (labels == Labels::kWritten) {
    const baton_kit_label label = LabelOf(metadata);
    baton_kit_write_label(&writer, &label);
  }
  return baton_kit_finish(&writer);
}

NTSTATUS ReadAdapter(const void* from, uint64_t bytes, AdapterState* state) {
  baton_kit_reader frame = {};
  const NTSTATUS status =
      Open(from, bytes, BlockKind::kAdapter, kOfAdapter, &frame);
  if (!NT_SUCCESS(status)) return status;
  if (!Take(frame, kAdapterRecord, &state->adapter)) return STATUS_DATA_ERROR;
  uint32_t vgpus = 0;
  baton_kit_record record = {};
  const void* payload = nullptr;
  while (baton_kit_next(&frame, &record, &payload) == BATON_KIT_OK) {
    if (record.type != kVgpuRecord || record.version != 1) continue;
    if (vgpus == SOFTGPU_FUNCTIONS_MAX) return STATUS_DATA_ERROR;
    baton_kit_take(&record, payload, &state->vgpus[vgpus++],
                   sizeof(VgpuRecord));
  }
  return vgpus == state->adapter.vgpus ? STATUS_SUCCESS : STATUS_DATA_ERROR;
}

NTSTATUS ReadAllocations(const void* from, uint64_t bytes, Logical* state,
                         Statistics* statistics) {
  baton_kit_reader frame = {};
  const NTSTATUS status =
      Open(from, bytes, BlockKind::kAllocations, kOfAllocations, &frame);
  if (!NT_SUCCESS(status)) return status;
  baton_kit_record record = {};
  const void* payload = nullptr;
  baton_kit_find(&frame, kAllocationsRecord, 1, &record, &payload);
  AllocationsHeader header;
  baton_kit_take(&record, payload, &header, sizeof(header));
  const uint64_t table_bytes = uint64_t{header.count} * sizeof(Allocation);
  if (header.count > kAllocationsMax ||
      record.bytes < sizeof(header) + table_bytes) {
    return STATUS_DATA_ERROR;
  }
  state->next_handle = header.next_handle;
  state->allocations_count = header.count;
  std::memcpy(static_cast<void*>(state->allocations),
              static_cast<const uint8_t*>(payload) + sizeof(header),
              table_bytes);
  // 1.x has no use for it, and 1.x did not write it.
  if (statistics != nullptr) Take(frame, kStatisticsRecord, statistics);
  return STATUS_SUCCESS;
}

NTSTATUS ReadContexts(const void* from, uint64_t bytes, ContextTable* table) {
  baton_kit_reader frame = {};
  const NTSTATUS status =
      Open(from, bytes, BlockKind::kContexts, kOfContexts, &frame);
  if (!NT_SUCCESS(status)) return status;
  return Take(frame, kContextsRecord, table) ? STATUS_SUCCESS
                                             : STATUS_DATA_ERROR;
}

NTSTATUS ReadMetadata(const void* from, uint64_t bytes,
                      BlockMetadata* metadata) {
  baton_kit_reader frame = {};
  const NTSTATUS status = Open(from, bytes, kMetadata, kOfMetadata, &frame);
  if (!NT_SUCCESS(status)) return status;
  return Take(frame, kBlockRecord, metadata) ? STATUS_SUCCESS
                                             : STATUS_DATA_ERROR;
}

}  // namespace baton::miniport
