#ifndef DRIVER_SHIM_MINIPORT_ADAPTER_H_
#define DRIVER_SHIM_MINIPORT_ADAPTER_H_

#include <cstdint>

#include "driver-shim/ddi/escape.h"
#include "driver-shim/ddi/miniport.h"
#include "driver-shim/miniport/faults.h"
#include "driver-shim/miniport/format.h"
#include "driver-shim/miniport/guest_state.h"
#include "driver-shim/softgpu/registers.h"

namespace baton::miniport {

// What differs between the images that are linked from this source.
struct Image {
  Build build = {};
  MakeGuestState make_state = nullptr;
};

// One software GPU under this driver, from AddDevice to RemoveDevice. Each
// public call is the DDI of that name; all on one thread. It never touches
// VRAM: windows are registers.
class Adapter {
 public:
  explicit Adapter(const Image& image) : image_(image) {}
  ~Adapter();
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  NTSTATUS Start(const DXGKRNL_INTERFACE& dxgk);
  // In a hot update leaves every register as it is; else disables functions.
  NTSTATUS Stop();

  // Answers waiting requests, of functions whose engines run, unless an update
  // is in progress: from Save on, what was saved must stay true.
  void Dpc();
  void QueueDpc() const;

  NTSTATUS Save(const DXGKARG_SAVEMEMORYFORHOTUPDATE& arguments);
  NTSTATUS Restore(const DXGKARG_RESTOREMEMORYFORHOTUPDATE& arguments);

  NTSTATUS QueryInfo(const DXGKARG_QUERYADAPTERINFO& query) const;
  NTSTATUS GetPartitionInfo(DXGKARG_GETGPUPARTITIONINFO* info) const;
  NTSTATUS SetPartitionCount(const DXGKARG_SETGPUPARTITIONCOUNT& count);
  NTSTATUS GetProfile(DXGKARG_GETVIRTUALGPUPROFILE* profile) const;
  NTSTATUS CreateVgpu(const DXGKARG_CREATEVIRTUALGPU& wanted);
  NTSTATUS DestroyVgpu(const DXGKARG_DESTROYVIRTUALGPU& which);
  NTSTATUS GetVgpuInfo(DXGKARG_GETVIRTUALGPUINFO* info) const;
  NTSTATUS SetVgpuResources(const DXGKARG_SETVIRTUALGPURESOURCES& wanted);
  NTSTATUS Escape(const DXGK_VIRTUALGPUDRIVERESCAPE& escape) const;

 private:
  // A row is in use when `state` is not null.
  struct Vgpu {
    VgpuRecord record = {};
    GuestState* state = nullptr;
  };

  // What Restore has been given so far, until Start puts it together.
  struct Restored {
    AdapterState adapter = {};
    bool has_adapter = false;
    bool has_allocations[SOFTGPU_FUNCTIONS_MAX] = {};
    bool has_contexts[SOFTGPU_FUNCTIONS_MAX] = {};
    Logical* states[SOFTGPU_FUNCTIONS_MAX] = {};  // in pool
    Statistics statistics[SOFTGPU_FUNCTIONS_MAX] = {};
    uint32_t allocations_arrived = 0;
  };

  // Where the adapter stands in a hot update.
  enum class Update {
    kNone,
    kSaved,     // saved: the next call is Stop or a cancel
    kRestored,  // restored, and not yet told that the restore is complete
  };

  // The builds that misbehave on purpose; misbehave.cc. In others, none of
  // these does anything.
  bool Fails(Fault fault) const;
  NTSTATUS MisbehaveInStart();
  void MisbehaveAfterRestore();
  void MisbehaveInStop();
  void MisbehaveInRemove() const;
  void MisbehaveInDpc() const;
  void MisbehaveInEscape() const;
  NTSTATUS MisbehaveInSave();
  void MisbehaveInRestore(const BlockMetadata& metadata, void* bytes,
                          uint64_t length) const;
  bool IsLast(const Vgpu& vgpu) const;
  bool SkipsInSave(const Vgpu& vgpu) const;
  bool ForgetsInRestore(const BlockMetadata& metadata) const;
  uint32_t PartitionByArrival(const BlockMetadata& metadata);
  void WriteVram() const;
  void TakeAllMemory();
  void GiveMemoryBack();

  NTSTATUS MapBars();
  void UnmapBars();
  NTSTATUS StartFresh();
  NTSTATUS StartRestored();
  NTSTATUS Rebuild(const VgpuRecord& record);
  NTSTATUS Enable(uint32_t partition, bool enable) const;
  void ForgetVgpus();
  uint64_t SlotBytes() const;
  const Vgpu* Find(ULONG partition) const;

  NTSTATUS SaveAll();
  NTSTATUS SaveAdapter();
  NTSTATUS SaveVgpu(const Vgpu& vgpu) const;
  NTSTATUS SaveBlock(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block,
                     BlockMetadata metadata) const;
  void CancelSave();
  NTSTATUS TakeBlock(const BlockMetadata& metadata, const void* bytes,
                     uint64_t length);
  Logical* RestoredState(uint32_t partition);
  void ForgetRestored();

  const Image image_;
  DXGKRNL_INTERFACE dxgk_ = {};
  softgpu_pf* pf_ = nullptr;
  softgpu_vf* pages_[SOFTGPU_FUNCTIONS_MAX] = {};
  uint32_t functions_ = 0;
  uint32_t partition_count_ = 0;
  uint32_t board_revision_ = 0;
  Vgpu vgpus_[SOFTGPU_FUNCTIONS_MAX] = {};
  Update update_ = Update::kNone;
  Update before_save_ = Update::kNone;  // where a cancel goes back to
  Restored* restored_ = nullptr;        // in pool
  void* hoard_ = nullptr;               // what TakeAllMemory() took, linked
};

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_ADAPTER_H_
