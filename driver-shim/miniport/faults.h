#ifndef DRIVER_SHIM_MINIPORT_FAULTS_H_
#define DRIVER_SHIM_MINIPORT_FAULTS_H_

#include <cstdint>

namespace baton::miniport {

// How a build of this driver misbehaves on purpose. The number is also the
// board revision that makes the builds with all faults misbehave so.
enum class Fault : uint32_t {
  kNone = 0,
  kSaveFails = 1,     // saves one block, then returns an error
  kSaveHangs = 2,     // saves nothing for some seconds, then returns an error
  kStartFails = 3,    // StartDevice returns an error
  kStartCrashes = 4,  // StartDevice writes through a null pointer
  kLosesVgpu = 5,     // after a restore, the last vGPU is missing
  kWrongState = 6,    // after a restore, one allocation is another
  kRestoreFails = 7,  // Restore refuses the adapter's block
  kStartHangs = 8,    // StartDevice never returns
  kStopResets = 9,    // StopDevice in a hot update resets a function's contexts
  kSaveCrashes = 10,  // Save writes through a null pointer
  kSaveAborts = 11,   // Save gives up by abort()
  kSavesPageTwice = 12,     // saves the contexts of each vGPU twice
  kSavesEmptyBlock = 13,    // saves 0 bytes, and ignores that it was refused
  kSavesTwoForms = 14,      // saves ranges and a list in one block
  kSavesOutside = 15,       // saves a block before it is asked to
  kSkipsVgpu = 16,          // does not save the last vGPU at all
  kLosesBlock = 17,         // does not save the contexts of the last vGPU
  kChangesAfterSave = 18,   // StopDevice writes to a page that was saved
  kSaveExhausts = 19,       // Save takes all memory, then saves data
  kWritesVramInSave = 20,   // Save writes to VRAM
  kStopHangs = 21,          // StopDevice waits for a lock that it holds
  kStopCrashes = 22,        // StopDevice writes through a null pointer
  kLeaksPool = 23,          // leaves pool memory behind when it is unloaded
  kRemoveHangs = 24,        // RemoveDevice never returns
  kDeniesHotUpdate = 25,    // does not say HotDriverUpdate
  kRefusesCancel = 26,      // returns an error to CancelHotUpdate
  kStopQueuesDpc = 27,      // StopDevice returns with a DPC queued
  kFirmwareMismatch = 28,   // StartDevice finds firmware that it does not know
  kWritesVramInStart = 29,  // StartDevice writes to VRAM
  kStartsFresh =
      30,  // StartDevice forgets the restore, and disables all functions
  kScribbles = 31,     // writes all over restored pages, then StartDevice fails
  kRestoreLoops = 32,  // Restore is an endless loop
  kRestoreWildWrite = 33,  // Restore writes far outside of its memory
  kKeepsNothing = 34,      // Restore succeeds, and keeps nothing of any vGPU
  kLeaksList = 35,         // never frees the lists that it was given
  kFreesListTwice = 36,    // frees a list twice
  kFreesAndFails = 37,     // frees a list, then returns an error
  kMixesBlocks = 38,       // takes allocations by the order of arrival
  kSwapsVgpus = 39,        // gives two vGPUs the identity of each other
  kFormatSkew = 40,        // saves what 1.x cannot read: going to 1.x fails
  kDpcHangs = 41,          // DpcRoutine never returns once guests go on
  kDpcFreesTwice = 42,     // DpcRoutine frees memory twice once guests go on
  kSkipsUnlabelled = 43,   // as kSkipsVgpu, and no block says whose it is
  kDeniesNextUpdate = 44,  // as kDeniesHotUpdate, but the one updated to
};

// How a host's update ends that meets the fault.
enum class Ending {
  kDone,         // the next driver serves; the report tells what was wrong
  kCancelled,    // the driver that was there serves on
  kRolledBack,   // the driver that was there serves again, from the same blocks
  kQuarantined,  // a person must look
};

struct FaultRow {
  Fault fault = Fault::kNone;
  const char* name = "";         // as on command lines; '_' in target names
  uint32_t acts_in = 0;          // the driver's major version
  const char* reason = "";       // of the step that notices; "" when none fails
  const char* entry_point = "";  // that is named; "" where none is to blame
  const char* rule = "";         // of DDI.md, that is named; "" when none broke
  Ending ending = Ending::kDone;
};

inline constexpr FaultRow kFaults[] = {
    {Fault::kSaveFails, "save-fails", 1, "DRIVER_REFUSED",
     "DxgkDdiSaveMemoryForHotUpdate", "", Ending::kCancelled},
    {Fault::kSaveHangs, "save-hangs", 1, "DRIVER_HUNG",
     "DxgkDdiSaveMemoryForHotUpdate", "R17", Ending::kCancelled},
    {Fault::kStartFails, "start-fails", 2, "DRIVER_REFUSED",
     "DxgkDdiStartDevice", "", Ending::kRolledBack},
    {Fault::kStartCrashes, "start-crashes", 2, "DRIVER_CRASHED",
     "DxgkDdiStartDevice", "", Ending::kRolledBack},
    {Fault::kLosesVgpu, "loses-vgpu", 2, "VGPU_MISSING", "", "",
     Ending::kRolledBack},
    {Fault::kWrongState, "wrong-state", 2, "VGPU_CHANGED", "", "",
     Ending::kRolledBack},
    {Fault::kRestoreFails, "restore-fails", 2, "DRIVER_REFUSED",
     "DxgkDdiRestoreMemoryForHotUpdate", "", Ending::kRolledBack},
    {Fault::kStartHangs, "start-hangs", 2, "DRIVER_HUNG", "DxgkDdiStartDevice",
     "R17", Ending::kRolledBack},
    {Fault::kStopResets, "stop-resets", 1, "VGPU_CHANGED", "DxgkDdiStopDevice",
     "R14", Ending::kQuarantined},
    {Fault::kSaveCrashes, "save-crashes", 1, "DRIVER_CRASHED",
     "DxgkDdiSaveMemoryForHotUpdate", "", Ending::kQuarantined},
    {Fault::kSaveAborts, "save-aborts", 1, "DRIVER_CRASHED",
     "DxgkDdiSaveMemoryForHotUpdate", "", Ending::kQuarantined},
    {Fault::kSavesPageTwice, "saves-page-twice", 1, "RULE_BROKEN",
     "DxgkDdiSaveMemoryForHotUpdate", "R4", Ending::kCancelled},
    {Fault::kSavesEmptyBlock, "saves-empty-block", 1, "RULE_BROKEN",
     "DxgkDdiSaveMemoryForHotUpdate", "R3", Ending::kCancelled},
    {Fault::kSavesTwoForms, "saves-two-forms", 1, "RULE_BROKEN",
     "DxgkDdiSaveMemoryForHotUpdate", "R3", Ending::kCancelled},
    {Fault::kSavesOutside, "saves-outside", 1, "RULE_BROKEN",
     "DxgkDdiVirtualGpuDriverEscape", "R2", Ending::kCancelled},
    {Fault::kSkipsVgpu, "skips-vgpu", 1, "RULE_BROKEN",
     "DxgkDdiSaveMemoryForHotUpdate", "R1", Ending::kCancelled},
    {Fault::kLosesBlock, "loses-block", 1, "RULE_BROKEN",
     "DxgkDdiSaveMemoryForHotUpdate", "R1", Ending::kCancelled},
    {Fault::kChangesAfterSave, "changes-after-save", 1, "SAVED_STATE_DAMAGED",
     "", "R5", Ending::kQuarantined},
    {Fault::kSaveExhausts, "save-exhausts", 1, "RULE_BROKEN",
     "DxgkDdiSaveMemoryForHotUpdate", "R16", Ending::kCancelled},
    {Fault::kWritesVramInSave, "writes-vram-in-save", 1, "DRIVER_CRASHED",
     "DxgkDdiSaveMemoryForHotUpdate", "R14", Ending::kQuarantined},
    {Fault::kStopHangs, "stop-hangs", 1, "DRIVER_HUNG", "DxgkDdiStopDevice",
     "R17", Ending::kDone},
    {Fault::kStopCrashes, "stop-crashes", 1, "DRIVER_CRASHED",
     "DxgkDdiStopDevice", "", Ending::kDone},
    {Fault::kLeaksPool, "leaks-pool", 1, "RULE_BROKEN", "DxgkDdiUnload", "R7",
     Ending::kDone},
    {Fault::kRemoveHangs, "remove-hangs", 1, "DRIVER_HUNG",
     "DxgkDdiRemoveDevice", "R17", Ending::kDone},
    {Fault::kDeniesHotUpdate, "denies-hot-update", 1, "HOT_UPDATE_UNSUPPORTED",
     "", "R12", Ending::kCancelled},
    {Fault::kRefusesCancel, "refuses-cancel", 1, "DRIVER_REFUSED",
     "DxgkDdiSaveMemoryForHotUpdate(CancelHotUpdate)", "R11",
     Ending::kCancelled},
    {Fault::kStopQueuesDpc, "stop-queues-dpc", 1, "RULE_BROKEN",
     "DxgkDdiStopDevice", "R13", Ending::kDone},
    {Fault::kFirmwareMismatch, "firmware-mismatch", 2, "DRIVER_REFUSED",
     "DxgkDdiStartDevice", "", Ending::kRolledBack},
    {Fault::kWritesVramInStart, "writes-vram-in-start", 2, "DRIVER_CRASHED",
     "DxgkDdiStartDevice", "R14", Ending::kRolledBack},
    {Fault::kStartsFresh, "starts-fresh", 2, "VGPU_MISSING",
     "DxgkDdiStartDevice", "R14", Ending::kQuarantined},
    {Fault::kScribbles, "scribbles", 2, "DRIVER_REFUSED", "DxgkDdiStartDevice",
     "", Ending::kRolledBack},
    {Fault::kRestoreLoops, "restore-loops", 2, "DRIVER_HUNG",
     "DxgkDdiRestoreMemoryForHotUpdate", "R17", Ending::kRolledBack},
    {Fault::kRestoreWildWrite, "restore-wild-write", 2, "DRIVER_CRASHED",
     "DxgkDdiRestoreMemoryForHotUpdate", "", Ending::kRolledBack},
    {Fault::kKeepsNothing, "keeps-nothing", 2, "VGPU_MISSING", "", "",
     Ending::kRolledBack},
    {Fault::kLeaksList, "leaks-list", 2, "RULE_BROKEN", "DxgkDdiUnload", "R7",
     Ending::kDone},
    {Fault::kFreesListTwice, "frees-list-twice", 2, "RULE_BROKEN",
     "DxgkDdiRestoreMemoryForHotUpdate", "R7", Ending::kRolledBack},
    {Fault::kFreesAndFails, "frees-and-fails", 2, "RULE_BROKEN",
     "DxgkDdiRestoreMemoryForHotUpdate", "R8", Ending::kRolledBack},
    {Fault::kMixesBlocks, "mixes-blocks", 2, "VGPU_CHANGED", "", "",
     Ending::kRolledBack},
    {Fault::kSwapsVgpus, "swaps-vgpus", 2, "VGPU_CHANGED", "", "",
     Ending::kRolledBack},
    {Fault::kFormatSkew, "format-skew", 2, "DRIVER_REFUSED",
     "DxgkDdiRestoreMemoryForHotUpdate", "", Ending::kRolledBack},
    {Fault::kDpcHangs, "dpc-hangs", 2, "DRIVER_HUNG", "DxgkDdiDpcRoutine",
     "R17", Ending::kQuarantined},
    {Fault::kDpcFreesTwice, "dpc-frees-twice", 2, "RULE_BROKEN",
     "DxgkDdiDpcRoutine", "R7", Ending::kRolledBack},
    {Fault::kSkipsUnlabelled, "skips-unlabelled", 1, "VGPU_MISSING", "", "",
     Ending::kQuarantined},
    {Fault::kDeniesNextUpdate, "denies-next-update", 2,
     "HOT_UPDATE_UNSUPPORTED", "", "R12", Ending::kRolledBack},
};

// Which faults an image has: none, all of them, or one (its number).
inline constexpr int kFaultsNone = 0;
inline constexpr int kFaultsAll = -1;

// What an image is: fixed when it is linked.
struct Build {
  uint32_t major = 1;
  int faults = kFaultsNone;
};

// Returns whether `fault` acts in `build` on a board of that revision.
constexpr bool Acts(Fault fault, const Build& build, uint32_t board_revision) {
  const int number = static_cast<int>(fault);
  if (build.faults == number) return number != kFaultsNone;
  if (build.faults != kFaultsAll ||
      board_revision != static_cast<uint32_t>(number)) {
    return false;
  }
  for (const FaultRow& row : kFaults) {
    if (row.fault == fault) return row.acts_in == build.major;
  }
  return false;
}

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_FAULTS_H_
