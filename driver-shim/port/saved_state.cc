#include "driver-shim/port/saved_state.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/rules.h"

namespace baton::port {
namespace {

constexpr uint64_t kPageBytes = PAGE_SIZE;

absl::Status Damaged(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "SAVED_STATE_DAMAGED",
                         message);
}

// Whether all of the block lies inside `pages` pages of memory.
bool LiesInside(const SavedBlock& block, uint64_t pages) {
  for (const PageRun& run : block.runs) {
    if (run.first < kFirstPage || run.pages > pages ||
        run.first - kFirstPage > pages - run.pages) {
      return false;
    }
  }
  return block.byte_offset < kPageBytes &&
         block.byte_offset + block.bytes <= PageCount(block) * kPageBytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SavedStateStore>> SavedStateStore::Create(
    const std::string& directory, size_t memory_bytes) {
  ASSIGN_OR_RETURN(
      std::unique_ptr<NamedMemory> memory,
      NamedMemory::Create(absl::StrCat(directory, "/memory"), memory_bytes));
  auto index = NamedMemory::Create(absl::StrCat(directory, "/blocks"),
                                   BlockIndex::kBytes);
  if (!index.ok()) {
    memory->Remove();
    return index.status();
  }
  return std::unique_ptr<SavedStateStore>(
      new SavedStateStore(std::move(memory), *std::move(index)));
}

absl::StatusOr<SavedState> SavedStateStore::Check() const {
  ASSIGN_OR_RETURN(const std::vector<SavedBlock> blocks, index().Read());
  SavedState saved;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!LiesInside(blocks[i], memory_->bytes() / kPageBytes)) {
      return Damaged(absl::StrCat("block ", i, " lies outside of memory"));
    }
    const Verdict verdict = CheckHandedOver(
        i, blocks[i], DigestOf(blocks[i], memory_->data(), kFirstPage));
    if (verdict.has_value()) return Damaged(verdict->message);
    ++saved.blocks;
    saved.bytes += blocks[i].bytes + blocks[i].metadata.size();
  }
  return saved;
}

void SavedStateStore::Remove() {
  memory_->Remove();
  index_->Remove();
}

}  // namespace baton::port
