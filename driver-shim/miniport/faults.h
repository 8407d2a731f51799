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
};

struct FaultRow {
  Fault fault = Fault::kNone;
  const char* name = "";       // as on command lines, and in target names
  uint32_t acts_in = 0;        // the driver's major version
  const char* caught_by = "";  // what the host must notice
};

inline constexpr FaultRow kFaults[] = {
    {Fault::kSaveFails, "save-fails", 1, "the status of Save"},
    {Fault::kSaveHangs, "save-hangs", 1, "the deadline of Save"},
    {Fault::kStartFails, "start-fails", 2, "the status of StartDevice"},
    {Fault::kStartCrashes, "start-crashes", 2, "the driver host's death"},
    {Fault::kLosesVgpu, "loses-vgpu", 2, "the census"},
    {Fault::kWrongState, "wrong-state", 2, "the census"},
    {Fault::kRestoreFails, "restore-fails", 2, "the status of Restore"},
    {Fault::kStartHangs, "start-hangs", 2, "the deadline of StartDevice"},
    {Fault::kStopResets, "stop-resets", 1, "the device's registers"},
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
