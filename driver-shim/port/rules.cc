#include "driver-shim/port/rules.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "driver-shim/kit/label.h"

namespace baton::port {
namespace {

constexpr size_t kPiecesMax = 10'000;
constexpr uint64_t kMetadataBytesMax = uint64_t{1} << 20;

// How far a driver has come.
enum class Stage { kOpened, kEntered, kAdded, kStarted, kStopped, kRemoved };

struct Transition {
  EntryPoint call = EntryPoint::kNone;
  Stage from = Stage::kOpened;
  Stage to = Stage::kOpened;
};

constexpr Transition kTransitions[] = {
    {EntryPoint::kDriverEntry, Stage::kOpened, Stage::kEntered},
    {EntryPoint::kAddDevice, Stage::kEntered, Stage::kAdded},
    {EntryPoint::kRestoreMemory, Stage::kAdded, Stage::kAdded},
    {EntryPoint::kStartDevice, Stage::kAdded, Stage::kStarted},
    {EntryPoint::kStopDevice, Stage::kStarted, Stage::kStopped},
    {EntryPoint::kRemoveDevice, Stage::kStopped, Stage::kRemoved},
    // A driver that was never started is removed without being stopped.
    {EntryPoint::kRemoveDevice, Stage::kAdded, Stage::kRemoved},
    {EntryPoint::kUnload, Stage::kRemoved, Stage::kOpened},
    {EntryPoint::kUnload, Stage::kEntered, Stage::kOpened},
};

// The blocks of a partition, as their labels say.
struct Parts {
  uint32_t count = 0;  // as there must be
  std::set<uint32_t> there = {};
};

// Where the first call shows that the driver already stands.
Stage StageBefore(EntryPoint call) {
  for (const Transition& transition : kTransitions) {
    if (transition.call == call) return transition.from;
  }
  return Stage::kStarted;
}

}  // namespace

Verdict CheckSavedAnything(size_t blocks, size_t vgpus) {
  if (blocks > 0 || vgpus == 0) return std::nullopt;
  return Violation{
      1, absl::StrCat("driver saved no block, but has ", vgpus, " vGPUs")};
}

Verdict CheckLabels(const std::vector<SavedBlock>& blocks,
                    const std::vector<CensusEntry>& census) {
  std::map<uint32_t, Parts> partitions;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string& metadata = blocks[i].metadata;
    baton_kit_label label = {};
    if (baton_kit_read_label(metadata.data(), metadata.size(), &label) !=
        BATON_KIT_OK) {
      continue;
    }
    Parts& parts = partitions[label.partition_id];
    if (parts.there.empty()) parts.count = label.parts;
    if (label.part >= label.parts || label.parts != parts.count ||
        !parts.there.insert(label.part).second) {
      return Violation{
          1, absl::StrCat("block ", i, " says that it is part ", label.part,
                          " of ", label.parts, " of partition ",
                          label.partition_id, ", which has ",
                          parts.there.size(), " of ", parts.count)};
    }
  }
  if (partitions.empty()) return std::nullopt;
  for (const CensusEntry& entry : census) {
    const Parts& parts = partitions[entry.vgpu.partition_id];
    if (parts.count != 0 && parts.there.size() == parts.count) continue;
    return Violation{
        1,
        absl::StrCat("driver saved ", parts.there.size(),
                     " blocks of partition ", entry.vgpu.partition_id, " ('",
                     entry.vgpu.guest, "'), want ", std::max(parts.count, 1u))};
  }
  return std::nullopt;
}

Verdict CheckSaveIsOpen(SavePhase phase) {
  switch (phase) {
    case SavePhase::kOpen:
      return std::nullopt;
    case SavePhase::kClosed:
      return Violation{2, "driver saved a block outside of Save"};
    case SavePhase::kLate:
      return Violation{2, "driver saved a block after Save's deadline"};
  }
  return std::nullopt;
}

Verdict CheckOneForm(const DXGKARGCB_SAVEMEMORYFORHOTUPDATE& args) {
  const int forms = (args.pDataMemoryRanges != nullptr ? 1 : 0) +
                    (args.pDataMdl != nullptr ? 1 : 0) +
                    (args.pData != nullptr ? 1 : 0);
  if (forms != 1) {
    return Violation{3, absl::StrCat("block has ", forms,
                                     " of ranges, list and data, want 1")};
  }
  if (args.pDataMemoryRanges != nullptr) {
    if (args.NumDataMemoryRanges == 0) {
      return Violation{3, "block has ranges, but their count is 0"};
    }
    for (UINT i = 0; i < args.NumDataMemoryRanges; ++i) {
      if (BatonKsrPages(args.pDataMemoryRanges[i]) == 0) {
        return Violation{3, absl::StrCat("range ", i, " has no pages")};
      }
    }
  }
  if (args.pDataMdl != nullptr && MmGetMdlByteCount(args.pDataMdl) == 0) {
    return Violation{3, "list describes no bytes"};
  }
  if (args.pData != nullptr && args.DataSize == 0) {
    return Violation{3, "block has data, but its size is 0"};
  }
  if ((args.MetaDataSize != 0) != (args.pMetaData != nullptr)) {
    return Violation{3, absl::StrCat("metadata has ", args.MetaDataSize,
                                     " bytes, but its address says otherwise")};
  }
  return std::nullopt;
}

Verdict CheckPagesOnce(PageSet& saved, const std::vector<PageRun>& runs) {
  for (const PageRun& run : runs) {
    const std::optional<uint64_t> twice = saved.Add(run);
    if (twice.has_value()) return SavedTwice(*twice);
  }
  return std::nullopt;
}

Violation SavedTwice(uint64_t page) {
  return {4, absl::StrFormat("page %#x is saved twice", page)};
}

Verdict CheckHandedOver(size_t index, const SavedBlock& block,
                        const Digest128& found) {
  if (found == block.digest) return std::nullopt;
  return Violation{
      5, absl::StrCat("block ", index, " of ", block.bytes,
                      " bytes is not as it was saved: got digest ",
                      found.ToString(), ", want ", block.digest.ToString())};
}

Verdict CheckList(const MDL& list, const SavedBlock& block) {
  const uint64_t want = PageCount(block);
  bool same = list.ByteCount == block.bytes &&
              list.ByteOffset == block.byte_offset &&
              BatonMdlPageCount(&list) == want;
  const PFN_NUMBER* next = MmGetMdlPfnArray(&list);
  for (const PageRun& run : block.runs) {
    for (uint64_t i = 0; same && i < run.pages; ++i, ++next) {
      same = *next == run.first + i;
    }
  }
  if (same) return std::nullopt;
  return Violation{
      6, absl::StrCat("list describes ", list.ByteCount, " bytes in ",
                      BatonMdlPageCount(&list), " pages, want ", block.bytes,
                      " bytes in ", want, " pages of the block")};
}

Verdict CheckListCan(uint64_t bytes) {
  constexpr uint64_t kMost = std::numeric_limits<ULONG>::max();
  if (bytes <= kMost) return std::nullopt;
  return Violation{6, absl::StrCat("block has ", bytes,
                                   " bytes, and is to be restored as a list, "
                                   "which describes at most ",
                                   kMost)};
}

Verdict CheckNothingOutstanding(const KernelMemory::Outstanding& outstanding) {
  if (outstanding.pool + outstanding.lists + outstanding.pages == 0) {
    return std::nullopt;
  }
  return Violation{
      7, absl::StrCat("driver left ", outstanding.pool, " pool allocations, ",
                      outstanding.lists, " lists and ", outstanding.pages,
                      " pages at unload; the first: ", outstanding.first)};
}

Verdict CheckListLeft(bool left, const SavedBlock& block) {
  if (left) return std::nullopt;
  return Violation{8, absl::StrCat("list of a block of ", block.bytes,
                                   " bytes is freed, but its restore failed")};
}

Verdict CheckOrder(const std::vector<EntryPoint>& calls) {
  if (calls.empty()) return std::nullopt;
  Stage stage = StageBefore(calls.front());
  for (const EntryPoint call : calls) {
    const bool moves =
        std::any_of(std::begin(kTransitions), std::end(kTransitions),
                    [call](const Transition& t) { return t.call == call; });
    if (!moves) {
      if (stage == Stage::kStarted) continue;
      return Violation{9, absl::StrCat(EntryPointName(call),
                                       " is called while the device is not "
                                       "started")};
    }
    const auto* const legal = std::find_if(
        std::begin(kTransitions), std::end(kTransitions),
        [&](const Transition& t) { return t.call == call && t.from == stage; });
    if (legal == std::end(kTransitions)) {
      return Violation{
          13, absl::StrCat(EntryPointName(call), " is called out of order")};
    }
    stage = legal->to;
  }
  return std::nullopt;
}

Verdict CheckNoDpcQueued(bool queued) {
  if (!queued) return std::nullopt;
  return Violation{13,
                   "driver returned with a DPC queued, which would run in "
                   "a driver that is gone"};
}

Verdict CheckRestoreComplete(const DXGKARG_RESTOREMEMORYFORHOTUPDATE& args) {
  if (args.Flags.Value != 1) {
    return Violation{
        10, absl::StrFormat("flags are %#x, want %#x", args.Flags.Value, 1)};
  }
  if (args.pDataMdl != nullptr || args.MetaDataSize != 0 ||
      args.pMetaData != nullptr) {
    return Violation{10, "RestoreComplete comes with a list or metadata"};
  }
  return std::nullopt;
}

CancelVerdict JudgeCancel(const SaveOutcome& outcome) {
  switch (outcome.result) {
    case SaveOutcome::Result::kNotTried:
      return CancelVerdict::kDoNotSend;
    case SaveOutcome::Result::kSucceeded:
      return CancelVerdict::kSend;
    case SaveOutcome::Result::kFailed:
      return outcome.blocks > 0 ? CancelVerdict::kSend
                                : CancelVerdict::kDoNotSend;
  }
  return CancelVerdict::kSend;
}

Verdict CheckCapable(DXGK_GPUPCAPS caps) {
  if (caps.Caps.HotDriverUpdate != 0) return std::nullopt;
  return Violation{12,
                   absl::StrFormat("driver does not say HotDriverUpdate: its "
                                   "DXGK_GPUPCAPS are %#x",
                                   caps.Caps.Value)};
}

Verdict CheckRegisters(const CensusEntry& before, const Digest128& after) {
  if (before.registers == after) return std::nullopt;
  return Violation{
      14,
      absl::StrCat("registers of partition ", before.vgpu.partition_id, " ('",
                   before.vgpu.guest, "') changed during the update")};
}

Violation FunctionGone(const CensusEntry& before) {
  return {14, absl::StrCat("virtual function of partition ",
                           before.vgpu.partition_id, " ('", before.vgpu.guest,
                           "') was disabled during the update")};
}

Verdict CheckGoesOn(const CensusEntry& before, uint64_t completed,
                    const FunctionState& now) {
  if (now.commands_completed > completed ||
      now.commands_completed == now.commands_submitted) {
    return std::nullopt;
  }
  return Violation{15,
                   absl::StrCat("partition ", before.vgpu.partition_id, " ('",
                                before.vgpu.guest, "') makes no progress")};
}

Verdict CheckFits(uint64_t pages_wanted, uint64_t pages_free) {
  if (pages_wanted <= pages_free) return std::nullopt;
  return Violation{16, absl::StrCat("block needs ", pages_wanted,
                                    " pages to be copied to, but ", pages_free,
                                    " are free")};
}

Verdict CheckPieces(size_t pieces) {
  if (pieces <= kPiecesMax) return std::nullopt;
  return Violation{16, absl::StrCat("saved pages lie in ", pieces,
                                    " pieces, at most ", kPiecesMax)};
}

Verdict CheckMetadata(uint64_t bytes) {
  if (bytes <= kMetadataBytesMax) return std::nullopt;
  return Violation{16, absl::StrCat("metadata of a block has ", bytes,
                                    " bytes, at most ", kMetadataBytesMax)};
}

Violation TooLate(absl::Duration waited, const std::string& entry_point) {
  return {17, absl::StrCat(
                  "driver did not answer within ", absl::FormatDuration(waited),
                  entry_point.empty() ? "" : ": it is in ", entry_point)};
}

}  // namespace baton::port
