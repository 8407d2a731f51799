#ifndef DRIVER_SHIM_PORT_BLOCK_SAVER_H_
#define DRIVER_SHIM_PORT_BLOCK_SAVER_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"
#include "driver-shim/ddi/hot_update.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/host_recorder.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/page_set.h"
#include "driver-shim/port/rules.h"

namespace baton::port {

// Carries DxgkCbSaveMemoryForHotUpdate out: checks R2, R3, R4 and R16, keeps
// pages in place or copies data, and writes the index. Confined to the driver
// host's main thread.
class BlockSaver {
 public:
  BlockSaver(KernelMemory& memory, BlockIndex& index, HostRecorder& recorder)
      : memory_(memory), index_(index), recorder_(recorder) {}

  // Save begins: empties the index and lets blocks in.
  void Open();
  // Save is over; a good end seals the index.
  void Seal();
  void Close() { phase_ = SavePhase::kClosed; }
  // The update was cancelled: pages are the driver's again.
  void Forget();

  // The callback. Returns what the driver is told.
  NTSTATUS Save(const DXGKARGCB_SAVEMEMORYFORHOTUPDATE& args);

  size_t blocks() const { return blocks_; }

 private:
  NTSTATUS Refuse(const Violation& violation, NTSTATUS nt_status);
  NTSTATUS SaveInPlace(const SavedBlock& block);
  NTSTATUS SaveCopy(SavedBlock block, const void* data);
  NTSTATUS Add(const SavedBlock& block);
  Verdict CheckPiecesWith(const std::vector<PageRun>& runs);
  // R4, in place and copied pages alike.
  Verdict CheckPages(const std::vector<PageRun>& runs);
  // Pages that data touches, in its own space when it is not host memory.
  std::vector<PageRun> PagesOfData(const void* data, size_t bytes) const;

  KernelMemory& memory_;
  BlockIndex& index_;
  HostRecorder& recorder_;
  SavePhase phase_ = SavePhase::kClosed;
  PageSet pages_;  // but for host memory that was copied: see MarkCopied()
  size_t blocks_ = 0;
  PageSet held_;          // of all blocks: in place, and where copies are
  size_t scattered_ = 0;  // runs of blocks that have several
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_BLOCK_SAVER_H_
