#include "driver-shim/port/block_index.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/reason.h"

namespace baton::port {
namespace {

constexpr uint64_t kMagic = 0x31584449'4e544142;  // "BATNIDX1"
constexpr uint64_t kPageBytes = 4096;

enum class IndexState : uint32_t { kEmpty = 0, kOpen = 1, kSealed = 2 };

struct IndexHeader {
  Digest128 checksum = {};  // of the rest of the header and all records
  uint64_t magic = kMagic;
  IndexState state = IndexState::kEmpty;
  uint32_t blocks = 0;
  uint64_t used = 0;  // bytes of records after the header
};

struct Record {
  Digest128 digest = {};
  uint64_t bytes = 0;
  BlockKind kind = BlockKind::kRanges;
  uint32_t byte_offset = 0;
  uint32_t runs = 0;            // PageRun each, right after the record
  uint32_t metadata_bytes = 0;  // after the runs, padded to 8
};

size_t Padded(size_t bytes) { return (bytes + 7) & ~size_t{7}; }

size_t SizeOf(const Record& record) {
  return sizeof(Record) + record.runs * sizeof(PageRun) +
         Padded(record.metadata_bytes);
}

Digest128 ChecksumOf(const std::byte* data, const IndexHeader& header) {
  return Xxh3Of(data + sizeof(Digest128),
                sizeof(IndexHeader) - sizeof(Digest128) + header.used);
}

IndexHeader HeaderOf(const std::byte* data) {
  IndexHeader header;
  std::memcpy(&header, data, sizeof header);
  return header;
}

void Write(std::byte* data, const IndexHeader& header) {
  std::memcpy(data, &header, sizeof header);
}

absl::Status Damaged(absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "SAVED_STATE_DAMAGED",
                         absl::StrCat("index of saved blocks is ", why));
}

// Of an empty vector there is no address to copy to or from.
void CopyRuns(void* to, const void* from, size_t runs) {
  if (runs > 0) std::memcpy(to, from, runs * sizeof(PageRun));
}

SavedBlock Decode(const std::byte* at, const Record& record) {
  SavedBlock block;
  block.kind = record.kind;
  block.byte_offset = record.byte_offset;
  block.bytes = record.bytes;
  block.digest = record.digest;
  block.runs.resize(record.runs);
  at += sizeof(Record);
  CopyRuns(block.runs.data(), at, record.runs);
  at += record.runs * sizeof(PageRun);
  block.metadata.assign(reinterpret_cast<const char*>(at),
                        record.metadata_bytes);
  return block;
}

}  // namespace

uint64_t PageCount(const SavedBlock& block) {
  uint64_t pages = 0;
  for (const PageRun& run : block.runs) pages += run.pages;
  return pages;
}

Extents ExtentsOf(const SavedBlock& block, std::byte* memory,
                  uint64_t first_page) {
  Extents extents;
  uint64_t left = block.bytes;
  uint64_t skip = block.byte_offset;
  for (const PageRun& run : block.runs) {
    CHECK(run.first >= first_page);
    const uint64_t bytes = std::min(run.pages * kPageBytes - skip, left);
    extents.Add(memory + (run.first - first_page) * kPageBytes + skip, bytes);
    left -= bytes;
    skip = 0;
  }
  return extents;
}

Digest128 DigestOf(const SavedBlock& block, std::byte* memory,
                   uint64_t first_page) {
  return DigestsOf({ExtentsOf(block, memory, first_page)})[0];
}

void BlockIndex::Begin() { Write(data_, {.state = IndexState::kOpen}); }

bool BlockIndex::Append(const SavedBlock& block) {
  IndexHeader header = HeaderOf(data_);
  CHECK(header.state == IndexState::kOpen);
  const Record record = {
      .digest = block.digest,
      .bytes = block.bytes,
      .kind = block.kind,
      .byte_offset = block.byte_offset,
      .runs = static_cast<uint32_t>(block.runs.size()),
      .metadata_bytes = static_cast<uint32_t>(block.metadata.size()),
  };
  if (SizeOf(record) > kBytes - sizeof header - header.used) return false;
  std::byte* at = data_ + sizeof header + header.used;
  std::memcpy(at, &record, sizeof record);
  at += sizeof record;
  CopyRuns(at, block.runs.data(), record.runs);
  at += record.runs * sizeof(PageRun);
  std::memset(at, 0, Padded(block.metadata.size()));
  std::memcpy(at, block.metadata.data(), block.metadata.size());
  header.used += SizeOf(record);
  ++header.blocks;
  Write(data_, header);
  return true;
}

void BlockIndex::Seal() {
  IndexHeader header = HeaderOf(data_);
  CHECK(header.state == IndexState::kOpen);
  header.state = IndexState::kSealed;
  Write(data_, header);
  header.checksum = ChecksumOf(data_, header);
  Write(data_, header);
}

void BlockIndex::SetDigests(const std::vector<Digest128>& digests) {
  IndexHeader header = HeaderOf(data_);
  CHECK(header.blocks == digests.size());
  uint64_t at = sizeof header;
  for (const Digest128& digest : digests) {
    Record record;
    CHECK(at + sizeof record <= kBytes);
    std::memcpy(&record, data_ + at, sizeof record);
    record.digest = digest;
    std::memcpy(data_ + at, &record, sizeof record);
    at += SizeOf(record);
  }
  header.checksum = ChecksumOf(data_, header);
  Write(data_, header);
}

void BlockIndex::Clear() { Write(data_, {}); }

absl::StatusOr<std::vector<SavedBlock>> BlockIndex::Read() const {
  const IndexHeader header = HeaderOf(data_);
  if (header.magic == 0 || header.state == IndexState::kEmpty) {
    return std::vector<SavedBlock>();
  }
  if (header.magic != kMagic || header.used > kBytes - sizeof header) {
    return Damaged("not an index");
  }
  if (header.state != IndexState::kSealed) return Damaged("not complete");
  if (header.checksum != ChecksumOf(data_, header)) {
    return Damaged("damaged: its checksum differs");
  }
  std::vector<SavedBlock> blocks;
  uint64_t at = 0;
  while (blocks.size() < header.blocks) {
    Record record;
    if (header.used - at < sizeof record) return Damaged("cut short");
    std::memcpy(&record, data_ + sizeof header + at, sizeof record);
    if (header.used - at < SizeOf(record)) return Damaged("cut short");
    blocks.push_back(Decode(data_ + sizeof header + at, record));
    at += SizeOf(record);
  }
  return blocks;
}

}  // namespace baton::port
