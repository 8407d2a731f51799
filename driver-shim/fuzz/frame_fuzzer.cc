// The kit's readers, and the reference driver's readers on top of it: any
// bytes. The first byte of the input says whether header and checksum are made
// right, so that what lies behind them is reached.

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "base/check.h"
#include "driver-shim/fuzz/input.h"
#include "driver-shim/kit/frame.h"
#include "driver-shim/kit/label.h"
#include "driver-shim/kit/records.h"
#include "driver-shim/miniport/format.h"
#include "driver-shim/miniport/state.h"

namespace baton::fuzz {
namespace {

constexpr baton_kit_known kKnown[] = {
    {1, 1, BATON_KIT_REQUIRED, 8},
    {2, 1, BATON_KIT_REPEATED, 0},
    {3, 2, 0, 16},
};
constexpr uint32_t kKnownCount = 3;

void MakeRight(std::vector<uint8_t>& frame) {
  baton_kit_header header;
  frame.resize(std::max((frame.size() + 7) / 8 * 8, sizeof header));
  std::memcpy(&header, frame.data(), sizeof header);
  header.magic = BATON_KIT_MAGIC;
  header.format = BATON_KIT_FORMAT;
  header.bytes = frame.size();
  header.checksum = 0;
  std::memcpy(frame.data(), &header, sizeof header);
  uint64_t sum = 0xcbf29ce484222325u;
  for (size_t at = 0; at < frame.size(); at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, frame.data() + at, sizeof word);
    sum = (sum ^ word) * 0x100000001b3u;
    sum ^= sum >> 32;
  }
  header.checksum = sum;
  std::memcpy(frame.data(), &header, sizeof header);
}

void Walk(const baton_kit_reader& frame) {
  baton_kit_reader reader = frame;
  baton_kit_record record = {};
  const void* payload = nullptr;
  baton_kit_result result = BATON_KIT_OK;
  uint64_t records = 0;
  while ((result = baton_kit_next(&reader, &record, &payload)) ==
         BATON_KIT_OK) {
    const auto* const at = static_cast<const uint8_t*>(payload);
    CHECK(at >= frame.buffer);
    CHECK(record.bytes <=
          static_cast<uint64_t>(frame.buffer + frame.bytes - at));
    uint64_t known[4] = {};
    CHECK(baton_kit_take(&record, payload, known, sizeof known) <=
          sizeof known);
    CHECK(++records <= frame.bytes);
  }
  CHECK(result == BATON_KIT_END || result == BATON_KIT_DAMAGED);
  if (baton_kit_check(&frame, kKnown, kKnownCount) != BATON_KIT_OK) return;
  CHECK(result == BATON_KIT_END);
  CHECK(baton_kit_find(&frame, 1, 1, &record, &payload) == BATON_KIT_OK);
  CHECK(record.bytes >= 8);
}

void ReadAsMiniport(const std::vector<uint8_t>& frame) {
  const auto adapter = std::make_unique<miniport::AdapterState>();
  if (NT_SUCCESS(
          miniport::ReadAdapter(frame.data(), frame.size(), adapter.get()))) {
    CHECK(adapter->adapter.vgpus <= SOFTGPU_FUNCTIONS_MAX);
  }
  const auto state = std::make_unique<miniport::Logical>();
  miniport::Statistics statistics;
  if (NT_SUCCESS(miniport::ReadAllocations(frame.data(), frame.size(),
                                           state.get(), &statistics))) {
    CHECK(state->allocations_count <= miniport::kAllocationsMax);
    miniport::IsSound(*state, uint64_t{1} << 20);
    miniport::DigestOf(*state, 1);
  }
  miniport::ReadContexts(frame.data(), frame.size(), &state->table);
  miniport::BlockMetadata metadata;
  miniport::ReadMetadata(frame.data(), frame.size(), &metadata);
  baton_kit_label label = {};
  CHECK(baton_kit_read_label(frame.data(), frame.size(), &label) !=
        BATON_KIT_UNKNOWN_RECORD);
}

}  // namespace
}  // namespace baton::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  baton::fuzz::Input input(data, bytes);
  const bool right = input.Take<uint8_t>() % 2 != 0;
  std::vector<uint8_t> frame(input.data(), input.data() + input.left());
  if (right) baton::fuzz::MakeRight(frame);
  frame.shrink_to_fit();
  baton_kit_reader reader = {};
  if (baton_kit_open(&reader, frame.data(), frame.size()) == BATON_KIT_OK) {
    baton::fuzz::Walk(reader);
  }
  baton::fuzz::ReadAsMiniport(frame);
  return 0;
}
