#include "driver-shim/miniport/format.h"

#include <cstring>

namespace baton::miniport {
namespace {

NTSTATUS StatusOf(baton_kit_result result) {
  switch (result) {
    case BATON_KIT_OK:
    case BATON_KIT_END:
      return STATUS_SUCCESS;
    case BATON_KIT_TOO_NEW:
      return STATUS_REVISION_MISMATCH;
    case BATON_KIT_NOT_A_FRAME:
    case BATON_KIT_TRUNCATED:
    case BATON_KIT_DAMAGED:
      return STATUS_CRC_ERROR;
  }
  return STATUS_CRC_ERROR;
}

// One record of a frame, whose payload lies in the frame.
struct Record {
  baton_kit_record header = {};
  const uint8_t* payload = nullptr;

  bool Is(uint32_t type) const {
    return header.type == type && header.version == 1;
  }
  // A record may have grown at its end since; what is known of it is in front.
  template <typename T>
  bool ReadInto(T* to) const {
    if (header.bytes < sizeof(T)) return false;
    std::memcpy(static_cast<void*>(to), payload, sizeof(T));
    return true;
  }
};

// Calls `take` with each record; `take` returns what became of it:
// STATUS_NOT_FOUND when it does not know the record.
template <typename Take>
NTSTATUS ForEachRecord(const void* from, uint64_t bytes, BlockKind kind,
                       Take take) {
  baton_kit_reader reader = {};
  baton_kit_result result = baton_kit_open(&reader, from, bytes);
  if (result != BATON_KIT_OK) return StatusOf(result);
  if (reader.kind != static_cast<uint16_t>(kind)) return STATUS_DATA_ERROR;
  while (true) {
    Record record;
    const void* payload = nullptr;
    result = baton_kit_next(&reader, &record.header, &payload);
    if (result != BATON_KIT_OK) return StatusOf(result);
    record.payload = static_cast<const uint8_t*>(payload);
    const NTSTATUS taken = take(record);
    if (taken == STATUS_NOT_FOUND &&
        (record.header.flags & BATON_KIT_OPTIONAL) == 0) {
      return STATUS_REVISION_MISMATCH;
    }
    if (taken != STATUS_NOT_FOUND && !NT_SUCCESS(taken)) return taken;
  }
}

NTSTATUS TakeAllocations(const Record& record, Logical* state) {
  AllocationsHeader header;
  if (!record.ReadInto(&header) || header.count > kAllocationsMax ||
      record.header.bytes <
          sizeof(header) + header.count * sizeof(Allocation)) {
    return STATUS_DATA_ERROR;
  }
  state->next_handle = header.next_handle;
  state->allocations_count = header.count;
  std::memcpy(static_cast<void*>(state->allocations),
              record.payload + sizeof(header),
              header.count * sizeof(Allocation));
  return STATUS_SUCCESS;
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

NTSTATUS ReadAdapter(const void* from, uint64_t bytes, AdapterState* state) {
  uint32_t vgpus = 0;
  const NTSTATUS status = ForEachRecord(
      from, bytes, BlockKind::kAdapter, [&](const Record& record) {
        if (record.Is(kAdapterRecord)) {
          return record.ReadInto(&state->adapter) ? STATUS_SUCCESS
                                                  : STATUS_DATA_ERROR;
        }
        if (!record.Is(kVgpuRecord)) return STATUS_NOT_FOUND;
        if (vgpus == SOFTGPU_FUNCTIONS_MAX ||
            !record.ReadInto(&state->vgpus[vgpus])) {
          return STATUS_DATA_ERROR;
        }
        ++vgpus;
        return STATUS_SUCCESS;
      });
  if (!NT_SUCCESS(status)) return status;
  return vgpus == state->adapter.vgpus ? STATUS_SUCCESS : STATUS_DATA_ERROR;
}

NTSTATUS ReadAllocations(const void* from, uint64_t bytes, Logical* state,
                         Statistics* statistics) {
  bool found = false;
  const NTSTATUS status = ForEachRecord(
      from, bytes, BlockKind::kAllocations, [&](const Record& record) {
        if (record.Is(kAllocationsRecord)) {
          found = true;
          return TakeAllocations(record, state);
        }
        if (record.Is(kStatisticsRecord) && statistics != nullptr) {
          return record.ReadInto(statistics) ? STATUS_SUCCESS
                                             : STATUS_DATA_ERROR;
        }
        return STATUS_NOT_FOUND;
      });
  if (!NT_SUCCESS(status)) return status;
  return found ? STATUS_SUCCESS : STATUS_DATA_ERROR;
}

NTSTATUS ReadContexts(const void* from, uint64_t bytes, ContextTable* table) {
  bool found = false;
  const NTSTATUS status = ForEachRecord(
      from, bytes, BlockKind::kContexts, [&](const Record& record) {
        if (!record.Is(kContextsRecord)) return STATUS_NOT_FOUND;
        found = record.ReadInto(table);
        return found ? STATUS_SUCCESS : STATUS_DATA_ERROR;
      });
  if (!NT_SUCCESS(status)) return status;
  return found ? STATUS_SUCCESS : STATUS_DATA_ERROR;
}

}  // namespace baton::miniport
