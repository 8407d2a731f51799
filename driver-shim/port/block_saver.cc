#include "driver-shim/port/block_saver.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "driver-shim/port/piece_digest.h"

namespace baton::port {
namespace {

// Page numbers of data that lies elsewhere than in the host's memory: no page
// number of a range can have this bit.
constexpr uint64_t kElsewhere = uint64_t{1} << 62;

std::vector<PageRun> SavedRuns(const DXGKARGCB_SAVEMEMORYFORHOTUPDATE& args) {
  if (args.pDataMemoryRanges != nullptr) {
    std::vector<PageRun> runs;
    runs.reserve(args.NumDataMemoryRanges);
    for (UINT i = 0; i < args.NumDataMemoryRanges; ++i) {
      runs.push_back({.first = BatonKsrFirstPage(args.pDataMemoryRanges[i]),
                      .pages = BatonKsrPages(args.pDataMemoryRanges[i])});
    }
    return runs;
  }
  return RunsOf(MmGetMdlPfnArray(args.pDataMdl),
                BatonMdlPageCount(args.pDataMdl));
}

}  // namespace

void BlockSaver::Open() {
  memory_.ReleaseKept();
  index_.Begin();
  pages_.Clear();
  blocks_ = 0;
  scattered_ = 0;
  held_.Clear();
  phase_ = SavePhase::kOpen;
}

void BlockSaver::Seal() {
  index_.Seal();
  Close();
}

void BlockSaver::Forget() {
  Close();
  index_.Clear();
  pages_.Clear();
  blocks_ = 0;
  scattered_ = 0;
  held_.Clear();
  memory_.ReleaseKept();
}

NTSTATUS BlockSaver::Refuse(const Violation& violation, NTSTATUS nt_status) {
  recorder_.Break(violation);
  return nt_status;
}

NTSTATUS BlockSaver::Save(const DXGKARGCB_SAVEMEMORYFORHOTUPDATE& args) {
  if (phase_ == SavePhase::kOpen && recorder_.refuses_saves()) {
    phase_ = SavePhase::kLate;
  }
  if (const Verdict verdict = CheckSaveIsOpen(phase_); verdict.has_value()) {
    return Refuse(*verdict, STATUS_INVALID_DEVICE_STATE);
  }
  if (const Verdict verdict = CheckOneForm(args); verdict.has_value()) {
    return Refuse(*verdict, STATUS_INVALID_PARAMETER);
  }
  if (const Verdict verdict = CheckMetadata(args.MetaDataSize);
      verdict.has_value()) {
    return Refuse(*verdict, STATUS_NO_MEMORY);
  }
  SavedBlock block;
  block.metadata.assign(reinterpret_cast<const char*>(args.pMetaData),
                        args.MetaDataSize);
  if (args.pData != nullptr) {
    block.kind = BlockKind::kData;
    block.bytes = args.DataSize;
    return SaveCopy(std::move(block), args.pData);
  }
  block.runs = SavedRuns(args);
  if (args.pDataMdl != nullptr) {
    block.kind = BlockKind::kMdl;
    block.byte_offset = MmGetMdlByteOffset(args.pDataMdl);
    block.bytes = MmGetMdlByteCount(args.pDataMdl);
  } else {
    block.kind = BlockKind::kRanges;
    block.bytes = PageCount(block) << PAGE_SHIFT;
  }
  return SaveInPlace(block);
}

Verdict BlockSaver::CheckPages(const std::vector<PageRun>& runs) {
  for (const PageRun& run : runs) {
    const std::optional<uint64_t> copied = memory_.FirstCopied(run);
    if (copied.has_value()) return SavedTwice(*copied);
  }
  return CheckPagesOnce(pages_, runs);
}

NTSTATUS BlockSaver::SaveInPlace(const SavedBlock& block) {
  for (const PageRun& run : block.runs) {
    if (memory_.OwnsAll(run)) continue;
    return Refuse({3, absl::StrFormat("%d pages from page %#x on are not all "
                                      "the driver's",
                                      run.pages, run.first)},
                  STATUS_INVALID_PARAMETER);
  }
  Verdict verdict = CheckListCan(block.bytes);
  if (!verdict.has_value()) verdict = CheckPages(block.runs);
  if (verdict.has_value()) return Refuse(*verdict, STATUS_INVALID_PARAMETER);
  verdict = CheckPiecesWith(block.runs);
  if (verdict.has_value()) return Refuse(*verdict, STATUS_NO_MEMORY);
  const NTSTATUS nt_status = Add(block);
  if (NT_SUCCESS(nt_status)) memory_.Keep(block);
  return nt_status;
}

// R16, with the pages of one more block, which are no other's.
Verdict BlockSaver::CheckPiecesWith(const std::vector<PageRun>& runs) {
  if (runs.size() > 1) scattered_ += runs.size();
  for (const PageRun& run : runs) (void)held_.Add(run);
  return CheckPieces(std::max(scattered_, held_.runs()));
}

std::vector<PageRun> BlockSaver::PagesOfData(const void* data,
                                             size_t bytes) const {
  std::vector<PageRun> runs;
  const auto* at = static_cast<const std::byte*>(data);
  uint64_t left = ADDRESS_AND_SIZE_TO_SPAN_PAGES(data, bytes);
  while (left > 0) {
    const KernelMemory::Behind behind = memory_.BehindOf(at, left);
    const uint64_t number = behind.first.value_or(
        kElsewhere | (reinterpret_cast<uint64_t>(at) >> PAGE_SHIFT));
    AddRun(runs, {.first = number, .pages = behind.pages});
    at += behind.pages << PAGE_SHIFT;
    left -= behind.pages;
  }
  return runs;
}

NTSTATUS BlockSaver::SaveCopy(SavedBlock block, const void* data) {
  for (const PageRun& run : PagesOfData(data, block.bytes)) {
    if (run.first >= kElsewhere) {
      const Verdict twice = CheckPagesOnce(pages_, {run});
      if (twice.has_value()) return Refuse(*twice, STATUS_INVALID_PARAMETER);
      continue;
    }
    std::optional<uint64_t> twice = pages_.FirstOf(run);
    if (!twice.has_value()) twice = memory_.FirstCopied(run);
    if (twice.has_value()) {
      return Refuse(SavedTwice(*twice), STATUS_INVALID_PARAMETER);
    }
    memory_.MarkCopied(run);
  }
  const uint64_t pages = (block.bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
  const Verdict fits = CheckFits(pages, memory_.free_pages());
  if (fits.has_value()) return Refuse(*fits, STATUS_NO_MEMORY);
  block.runs = memory_.TakeForCopy(pages);
  const Verdict few = CheckPiecesWith(block.runs);
  if (few.has_value()) return Refuse(*few, STATUS_NO_MEMORY);
  Extents to;
  uint64_t left = block.bytes;
  for (const PageRun& run : block.runs) {
    const uint64_t bytes = std::min(run.pages << PAGE_SHIFT, left);
    to.Add(memory_.CopyTarget(run.first), bytes);
    left -= bytes;
  }
  block.digest = CopyAndDigest(data, to);
  return Add(block);
}

NTSTATUS BlockSaver::Add(const SavedBlock& block) {
  if (!index_.Append(block)) {
    return Refuse({16, absl::StrFormat("index of saved blocks is full after "
                                       "%d blocks",
                                       blocks_)},
                  STATUS_NO_MEMORY);
  }
  ++blocks_;
  return STATUS_SUCCESS;
}

}  // namespace baton::port
