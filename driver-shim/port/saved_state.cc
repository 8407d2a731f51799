#include "driver-shim/port/saved_state.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/piece_digest.h"
#include "driver-shim/port/rules.h"

namespace baton::port {
namespace {

constexpr uint64_t kPageBytes = PAGE_SIZE;

absl::Status Damaged(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "SAVED_STATE_DAMAGED",
                         message);
}

// Whether the block's pages are in memory of `pages` pages, and are those that
// its bytes need.
bool FitsItsPages(const SavedBlock& block, uint64_t pages) {
  for (const PageRun& run : block.runs) {
    if (run.first < kFirstPage || run.pages == 0 || run.pages > pages ||
        run.first - kFirstPage > pages - run.pages) {
      return false;
    }
  }
  const uint64_t count = PageCount(block);
  return block.bytes > 0 && block.byte_offset < kPageBytes &&
         block.bytes <= count * kPageBytes &&
         (block.byte_offset + block.bytes + kPageBytes - 1) / kPageBytes ==
             count;
}

std::string FormOf(BlockKind kind) {
  switch (kind) {
    case BlockKind::kRanges:
      return "RANGES";
    case BlockKind::kMdl:
      return "LIST";
    case BlockKind::kData:
      return "DATA";
  }
  return "";  // the index holds what a driver's host wrote
}

SavedState SizeOf(const std::vector<SavedBlock>& blocks) {
  SavedState saved;
  for (const SavedBlock& block : blocks) {
    ++saved.blocks;
    saved.bytes += block.bytes + block.metadata.size();
  }
  return saved;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SavedStateStore>> SavedStateStore::Create(
    const std::string& directory, size_t memory_bytes, Digests digests) {
  ASSIGN_OR_RETURN(
      std::unique_ptr<NamedMemory> memory,
      NamedMemory::Create(absl::StrCat(directory, "/memory"), memory_bytes));
  auto index = NamedMemory::Create(absl::StrCat(directory, "/blocks"),
                                   BlockIndex::kBytes);
  if (!index.ok()) {
    memory->Remove();
    return index.status();
  }
  WarmDigests();
  return std::unique_ptr<SavedStateStore>(
      new SavedStateStore(std::move(memory), *std::move(index), digests));
}

absl::StatusOr<std::unique_ptr<SavedStateStore>> SavedStateStore::Open(
    const std::string& directory, Digests digests) {
  ASSIGN_OR_RETURN(
      std::unique_ptr<NamedMemory> memory,
      NamedMemory::Open(absl::StrCat(directory, "/memory"), std::nullopt));
  ASSIGN_OR_RETURN(std::unique_ptr<NamedMemory> index,
                   NamedMemory::Open(absl::StrCat(directory, "/blocks"),
                                     BlockIndex::kBytes));
  WarmDigests();
  return std::unique_ptr<SavedStateStore>(
      new SavedStateStore(std::move(memory), std::move(index), digests));
}

absl::StatusOr<std::vector<SavedBlock>> SavedStateStore::Read() const {
  ASSIGN_OR_RETURN(std::vector<SavedBlock> blocks, index().Read());
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!FitsItsPages(blocks[i], memory_->bytes() / kPageBytes)) {
      return Damaged(absl::StrCat("block ", i, " does not fit its pages"));
    }
  }
  return blocks;
}

std::vector<Digest128> SavedStateStore::DigestsOfAll(
    const std::vector<const SavedBlock*>& blocks) const {
  std::vector<Extents> extents;
  extents.reserve(blocks.size());
  for (const SavedBlock* block : blocks) {
    extents.push_back(ExtentsOf(*block, memory_->data(), kFirstPage));
  }
  return DigestsOf(extents);
}

SavedState SavedStateStore::Digest(const std::vector<SavedBlock>& blocks) {
  const SavedState saved = SizeOf(blocks);
  if (digests_ == Digests::kNone || blocks.empty()) return saved;
  std::vector<const SavedBlock*> in_place;
  for (const SavedBlock& block : blocks) {
    if (block.kind != BlockKind::kData) in_place.push_back(&block);
  }
  const std::vector<Digest128> found = DigestsOfAll(in_place);
  std::vector<Digest128> all;
  all.reserve(blocks.size());
  auto next = found.begin();
  for (const SavedBlock& block : blocks) {
    all.push_back(block.kind == BlockKind::kData ? block.digest : *next++);
  }
  index().SetDigests(all);
  return saved;
}

absl::StatusOr<SavedState> SavedStateStore::Check() const {
  ASSIGN_OR_RETURN(const std::vector<SavedBlock> blocks, Read());
  const SavedState saved = SizeOf(blocks);
  if (digests_ == Digests::kNone) return saved;
  std::vector<const SavedBlock*> all;
  all.reserve(blocks.size());
  for (const SavedBlock& block : blocks) all.push_back(&block);
  const std::vector<Digest128> found = DigestsOfAll(all);
  for (size_t i = 0; i < blocks.size(); ++i) {
    const Verdict verdict = CheckHandedOver(i, blocks[i], found[i]);
    if (verdict.has_value()) return Damaged(verdict->message);
  }
  return saved;
}

std::vector<BlockFacts> SavedStateStore::Facts() const {
  std::vector<BlockFacts> facts;
  const absl::StatusOr<std::vector<SavedBlock>> blocks = index().Read();
  if (!blocks.ok()) return facts;
  facts.reserve(blocks->size());
  for (const SavedBlock& block : *blocks) {
    facts.push_back({FormOf(block.kind), block.bytes,
                     static_cast<uint32_t>(block.metadata.size()),
                     block.digest});
  }
  return facts;
}

void SavedStateStore::Remove() {
  memory_->Remove();
  index_->Remove();
}

}  // namespace baton::port
