#ifndef DRIVER_SHIM_PORT_PIECE_DIGEST_H_
#define DRIVER_SHIM_PORT_PIECE_DIGEST_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "base/digest.h"

// Digests of large blocks, on all cores. A block of at most one piece has the
// XXH3-128 of its bytes; a larger one that of its pieces' digests, in order, so
// that pieces can be digested at the same time.

namespace baton::port {

inline constexpr uint64_t kPieceBytes = uint64_t{1} << 20;

// Where a block's bytes lie, in order. Adding is for one thread, reading for
// any.
class Extents {
 public:
  void Add(std::byte* data, uint64_t bytes);

  uint64_t bytes() const { return bytes_; }
  size_t pieces() const {
    return static_cast<size_t>((bytes_ + kPieceBytes - 1) / kPieceBytes);
  }

  // Calls `visit(data, offset, bytes)` for each part of a piece, at most
  // `step_bytes` at a time. `offset` is that in the block.
  template <typename Visit>
  void VisitPiece(size_t piece, uint64_t step_bytes, Visit visit) const {
    uint64_t at = piece * kPieceBytes;
    const uint64_t end = std::min(bytes_, at + kPieceBytes);
    for (auto extent = Find(at); at < end; ++extent) {
      while (at < std::min(end, extent->offset + extent->bytes)) {
        const uint64_t inside = at - extent->offset;
        const uint64_t bytes =
            std::min({step_bytes, extent->bytes - inside, end - at});
        visit(extent->data + inside, at, bytes);
        at += bytes;
      }
    }
  }

 private:
  struct Extent {
    uint64_t offset = 0;  // in the block
    std::byte* data = nullptr;
    uint64_t bytes = 0;
  };

  // Most blocks lie in one place.
  using All = absl::InlinedVector<Extent, 1>;

  All::const_iterator Find(uint64_t offset) const;

  All extents_;
  uint64_t bytes_ = 0;
};

// The digest of one piece; of a whole block from those of its pieces, at least
// one.
Digest128 DigestOfPiece(const Extents& extents, size_t piece);
Digest128 Combine(const std::vector<Digest128>& pieces);

// Has the first digest and the first copy cost what others do. Call it before
// the pause.
void WarmDigests();

// The digest of each block, in order, on all cores.
std::vector<Digest128> DigestsOf(const std::vector<Extents>& blocks);

// Copies `from` to where `to` lies, past the caches, and returns the digest of
// what was copied. On all cores where it pays.
Digest128 CopyAndDigest(const void* from, const Extents& to);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_PIECE_DIGEST_H_
