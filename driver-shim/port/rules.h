#ifndef DRIVER_SHIM_PORT_RULES_H_
#define DRIVER_SHIM_PORT_RULES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "base/digest.h"
#include "driver-shim/ddi/hot_update.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/device.h"
#include "driver-shim/port/host_protocol.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/page_set.h"

// The rules of the driver hot-update interface (DDI.md), one check each. All
// are pure.

namespace baton::port {

// A rule that was broken, and by what, for the operator.
struct Violation {
  int rule = 0;
  std::string message = "";

  bool operator==(const Violation&) const = default;
};
using Verdict = std::optional<Violation>;

// R1: the state of every active vGPU is saved. No blocks cannot be it.
Verdict CheckSavedAnything(size_t blocks, size_t vgpus);

// R1, where blocks say whose they are (kit/label.h): each vGPU of the census
// has blocks, and all of them. Where none does, nothing can be said.
Verdict CheckLabels(const std::vector<SavedBlock>& blocks,
                    const std::vector<CensusEntry>& census);

// R2: blocks are saved inside Save only, and while it is not late.
enum class SavePhase { kClosed, kOpen, kLate };
Verdict CheckSaveIsOpen(SavePhase phase);

// R3: exactly one form, with a size.
Verdict CheckOneForm(const DXGKARGCB_SAVEMEMORYFORHOTUPDATE& args);

// R4: no page twice. Adds the runs to `saved` up to the one that was there; the
// update is over then.
Verdict CheckPagesOnce(PageSet& saved, const std::vector<PageRun>& runs);

// R4, for a page whose bytes were copied before.
Violation SavedTwice(uint64_t page);

// R5: each block is handed over as it was saved.
// `index`  its place in the order of saving
Verdict CheckHandedOver(size_t index, const SavedBlock& block,
                        const Digest128& found);

// R6: a list describes all of its block's pages and nothing else.
Verdict CheckList(const MDL& list, const SavedBlock& block);

// R6, when it is saved: a list can describe so many bytes.
Verdict CheckListCan(uint64_t bytes);

// R7: nothing is outstanding once the driver is unloaded. Memory that is freed
// twice is KernelMemory's to report.
Verdict CheckNothingOutstanding(const KernelMemory::Outstanding& outstanding);

// R8: the list of a block whose restore failed is left alone.
// `left`  whether list and pages are still there
Verdict CheckListLeft(bool left, const SavedBlock& block);

// R9 and R13: restores come after AddDevice and before StartDevice, and vGPUs
// are neither created nor asked for before that; stop, remove and unload follow
// each other. `calls` is one driver's, from its DriverEntry on or any later
// point.
Verdict CheckOrder(const std::vector<EntryPoint>& calls);

// R13: StopDevice, RemoveDevice and Unload leave no DPC queued. It would run in
// a driver whose device, or whose image, is gone.
// `queued`  whether one is, as such a call returns
Verdict CheckNoDpcQueued(bool queued);

// R10: with RestoreComplete every other input is NULL.
Verdict CheckRestoreComplete(const DXGKARG_RESTOREMEMORYFORHOTUPDATE& args);

// R11: whether Save must be called again with CancelHotUpdate when no unload
// will follow.
struct SaveOutcome {
  enum class Result { kNotTried, kSucceeded, kFailed };
  Result result = Result::kNotTried;
  size_t blocks = 0;
};
// A Save that failed after it saved a block gets it too: the driver may have
// changed its state at the first block, and learns in no other way that all is
// off. One that failed before that has nothing to take back.
enum class CancelVerdict { kSend, kDoNotSend };
CancelVerdict JudgeCancel(const SaveOutcome& outcome);

// R12: the adapter says that it can be hot updated.
Verdict CheckCapable(DXGK_GPUPCAPS caps);

// R14: the registers of virtual functions are not touched by an unload or load.
Verdict CheckRegisters(const CensusEntry& before, const Digest128& after);
// R14, for a function that is not enabled any more.
Violation FunctionGone(const CensusEntry& before);

// R15: a vGPU goes on once engines run: it has completed a command since the
// pause, or has none to complete. Nothing here suspends or resumes one.
// `completed`  commands, at the pause
Verdict CheckGoesOn(const CensusEntry& before, uint64_t completed,
                    const FunctionState& now);

// R16: what a driver saves fits: what is copied, ...
Verdict CheckFits(uint64_t pages_wanted, uint64_t pages_free);
// ... in how many pieces pages lie, since each costs mappings in the next
// driver host, which cannot have any number of them, ...
Verdict CheckPieces(size_t pieces);
// ... and what is said of a block.
Verdict CheckMetadata(uint64_t bytes);

// R17: a call that has not returned in time.
// `entry_point`  which one; "" when the driver is in none
Violation TooLate(absl::Duration waited, const std::string& entry_point);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_RULES_H_
