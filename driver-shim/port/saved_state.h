#ifndef DRIVER_SHIM_PORT_SAVED_STATE_H_
#define DRIVER_SHIM_PORT_SAVED_STATE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/named_memory.h"

namespace baton::port {

// The host's memory and the index of what was saved in it, as the shim holds
// them: two named files that outlive it. Confined to one thread.
class SavedStateStore {
 public:
  // Whether bytes are digested; without, R5 rests on the index alone.
  enum class Digests { kTaken, kNone };

  // Makes both files in `directory`.
  // `memory_bytes`  of the host's memory, a multiple of the page size
  //
  // Errors: those of NamedMemory::Create()
  static absl::StatusOr<std::unique_ptr<SavedStateStore>> Create(
      const std::string& directory, size_t memory_bytes,
      Digests digests = Digests::kTaken);

  // Opens the files that another one made in `directory`.
  //
  // Errors: those of NamedMemory::Open()
  static absl::StatusOr<std::unique_ptr<SavedStateStore>> Open(
      const std::string& directory, Digests digests = Digests::kTaken);

  // Reads the index, and sees to it that each block's pages are in the memory.
  //
  // Errors: DATA_LOSS, reason SAVED_STATE_DAMAGED
  absl::StatusOr<std::vector<SavedBlock>> Read() const;

  // Save is over: takes the digest of each block that was saved in place. What
  // was copied has one from the copying. On all cores.
  // `blocks`  as they were read
  SavedState Digest(const std::vector<SavedBlock>& blocks);

  // Reads the index and every saved byte, and compares the digests (R5). On all
  // cores.
  //
  // Errors: DATA_LOSS, reason SAVED_STATE_DAMAGED
  absl::StatusOr<SavedState> Check() const;

  // Returns what was saved, block by block; none when the index is damaged.
  std::vector<BlockFacts> Facts() const;

  // Forgets what was saved.
  void Clear() { index().Clear(); }

  // Takes the files' names away.
  void Remove();

  int memory_fd() const { return memory_->fd(); }
  int index_fd() const { return index_->fd(); }

 private:
  SavedStateStore(std::unique_ptr<NamedMemory> memory,
                  std::unique_ptr<NamedMemory> index, Digests digests)
      : memory_(std::move(memory)),
        index_(std::move(index)),
        digests_(digests) {}

  std::vector<Digest128> DigestsOfAll(
      const std::vector<const SavedBlock*>& blocks) const;

  BlockIndex index() const { return BlockIndex(index_->data()); }

  const std::unique_ptr<NamedMemory> memory_;
  const std::unique_ptr<NamedMemory> index_;
  const Digests digests_;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_SAVED_STATE_H_
