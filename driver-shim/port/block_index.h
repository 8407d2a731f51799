#ifndef DRIVER_SHIM_PORT_BLOCK_INDEX_H_
#define DRIVER_SHIM_PORT_BLOCK_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/digest.h"
#include "driver-shim/port/page_set.h"
#include "driver-shim/port/piece_digest.h"

namespace baton::port {

// Which of the three forms of DxgkCbSaveMemoryForHotUpdate saved a block.
enum class BlockKind : uint32_t { kRanges = 1, kMdl = 2, kData = 3 };

// One saved block: where its pages are, and what is known of them. The bytes
// themselves stay in the host's memory.
struct SavedBlock {
  BlockKind kind = BlockKind::kRanges;
  std::vector<PageRun> runs = {};  // in the order of the block
  uint32_t byte_offset = 0;        // of the first byte in the first page
  uint64_t bytes = 0;
  std::string metadata = "";
  // Of the bytes, see DigestOf(). Who saves pages in place leaves it zero: the
  // shim takes it once Save is over.
  Digest128 digest = {};

  bool operator==(const SavedBlock&) const = default;
};

uint64_t PageCount(const SavedBlock& block);

// Returns the digest of the block's bytes, as piece_digest does.
// `memory`      all of the host's memory
// `first_page`  page number of its first page; each run must lie inside
Digest128 DigestOf(const SavedBlock& block, std::byte* memory,
                   uint64_t first_page);

// Where the block's bytes lie; parameters as DigestOf().
Extents ExtentsOf(const SavedBlock& block, std::byte* memory,
                  uint64_t first_page);

// The list of saved blocks, in memory that outlives whoever wrote it. The
// driver's host writes, the shim reads; never both at once. Not thread-safe.
//
// Flat: a header, then the records. It is valid only once sealed, and carries a
// digest of itself.
class BlockIndex {
 public:
  // Enough for 100,000 blocks with 100 bytes of metadata each.
  static constexpr size_t kBytes = size_t{16} << 20;

  // `data`  kBytes of memory that outlives this object, zeroed or an index
  explicit BlockIndex(std::byte* data) : data_(data) {}

  // Empties it and opens it for Append().
  void Begin();

  // Returns false when the block does not fit any more, which changes nothing.
  [[nodiscard]] bool Append(const SavedBlock& block);

  // Makes it valid. Call it once all blocks are in.
  void Seal();

  // Puts a digest on each block of what Read() returned, and makes it valid
  // again.
  void SetDigests(const std::vector<Digest128>& digests);

  // Empties it.
  void Clear();

  // Returns all blocks in the order in which they were saved; none when it was
  // cleared.
  //
  // Errors: DATA_LOSS  it was never sealed, or is damaged; reason
  //                    SAVED_STATE_DAMAGED
  absl::StatusOr<std::vector<SavedBlock>> Read() const;

 private:
  std::byte* const data_;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_BLOCK_INDEX_H_
