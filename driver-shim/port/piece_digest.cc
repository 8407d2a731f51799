#include "driver-shim/port/piece_digest.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <array>
#include <cstring>
#include <iterator>

#include "driver-shim/port/cores.h"
#include "driver-shim/port/stream_digest.h"

namespace baton::port {
namespace {

// Digested and copied step by step, so that the second finds each in the
// nearest cache. Small, so that the processor does a bit of both at a time:
// from 4 KiB on, the memory waits in between.
constexpr uint64_t kStepBytes = uint64_t{1} << 10;
// As it writes, the copy asks for what the digest wants next: it reads what is
// in the cache, so that the memory would give nothing meanwhile.
constexpr uint64_t kAheadBytes = 2 * kStepBytes;
// Smaller copies stay in the caches: whoever reads them next is near.
constexpr uint64_t kCachedBytes = uint64_t{256} << 10;

#if defined(__x86_64__)
__attribute__((target("avx2"))) void StreamCopy(std::byte* to,
                                                const std::byte* from,
                                                uint64_t bytes) {
  constexpr uint64_t kLine = 64;
  const uint64_t head =
      std::min<uint64_t>(bytes, -reinterpret_cast<uint64_t>(to) % kLine);
  std::memcpy(to, from, head);
  to += head;
  from += head;
  bytes -= head;
  for (; bytes >= kLine; bytes -= kLine, to += kLine, from += kLine) {
    const auto* const in = reinterpret_cast<const __m256i*>(from);
    auto* const out = reinterpret_cast<__m256i*>(to);
    // Past the end it is a hint that the processor does not take.
    _mm_prefetch(from + kAheadBytes, _MM_HINT_T0);
    const __m256i low = _mm256_loadu_si256(in);
    const __m256i high = _mm256_loadu_si256(in + 1);
    _mm256_stream_si256(out, low);
    _mm256_stream_si256(out + 1, high);
  }
  std::memcpy(to, from, bytes);
}
void EndStream() { _mm_sfence(); }
bool CanStream() { return __builtin_cpu_supports("avx2") != 0; }
#else
void StreamCopy(std::byte* to, const std::byte* from, uint64_t bytes) {
  std::memcpy(to, from, bytes);
}
void EndStream() {}
bool CanStream() { return false; }
#endif

Digest128 CopyPiece(const std::byte* from, const Extents& to, size_t piece) {
  const bool stream = to.bytes() > kCachedBytes && CanStream();
  StreamDigest digest;
  to.VisitPiece(piece, kStepBytes,
                [&](std::byte* data, uint64_t offset, uint64_t bytes) {
                  digest.Update(from + offset, bytes);
                  if (stream) {
                    StreamCopy(data, from + offset, bytes);
                  } else {
                    std::memcpy(data, from + offset, bytes);
                  }
                });
  if (stream) EndStream();
  return digest.Finish();
}

}  // namespace

void Extents::Add(std::byte* data, uint64_t bytes) {
  if (bytes == 0) return;
  if (!extents_.empty() &&
      extents_.back().data + extents_.back().bytes == data) {
    extents_.back().bytes += bytes;
  } else {
    extents_.push_back({.offset = bytes_, .data = data, .bytes = bytes});
  }
  bytes_ += bytes;
}

Extents::All::const_iterator Extents::Find(uint64_t offset) const {
  return std::prev(std::upper_bound(
      extents_.begin(), extents_.end(), offset,
      [](uint64_t at, const Extent& extent) { return at < extent.offset; }));
}

Digest128 DigestOfPiece(const Extents& extents, size_t piece) {
  StreamDigest digest;
  extents.VisitPiece(piece, kPieceBytes,
                     [&](std::byte* data, uint64_t, uint64_t bytes) {
                       digest.Update(data, bytes);
                     });
  return digest.Finish();
}

Digest128 Combine(const std::vector<Digest128>& pieces) {
  if (pieces.size() == 1) return pieces[0];
  return Xxh3Of(pieces.data(), pieces.size() * sizeof(Digest128));
}

void WarmDigests() {
  StartCores();
  // Looks the library's functions up, and the processor's abilities.
  std::array<std::byte, 4 * kStepBytes> bytes = {};
  Extents copy;
  copy.Add(bytes.data(), kStepBytes);
  (void)CopyAndDigest(bytes.data() + bytes.size() / 2, copy);
}

std::vector<Digest128> DigestsOf(const std::vector<Extents>& blocks) {
  struct Piece {
    size_t block = 0;
    size_t piece = 0;
  };
  std::vector<Piece> all;  // those of a block follow each other
  all.reserve(blocks.size());
  uint64_t bytes = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    bytes += blocks[i].bytes();
    for (size_t k = 0; k < std::max<size_t>(1, blocks[i].pieces()); ++k) {
      all.push_back({.block = i, .piece = k});
    }
  }
  std::vector<Digest128> found(all.size());
  OnAllCores(all.size(), all.empty() ? 0 : bytes / all.size(), [&](size_t i) {
    found[i] = DigestOfPiece(blocks[all[i].block], all[i].piece);
  });
  if (found.size() == blocks.size()) return found;  // one piece each
  std::vector<Digest128> digests;
  digests.reserve(blocks.size());
  auto next = found.begin();
  for (const Extents& block : blocks) {
    const auto end =
        next + static_cast<ptrdiff_t>(std::max<size_t>(1, block.pieces()));
    digests.push_back(Combine({next, end}));
    next = end;
  }
  return digests;
}

Digest128 CopyAndDigest(const void* from, const Extents& to) {
  const auto* const data = static_cast<const std::byte*>(from);
  if (to.pieces() == 1) return CopyPiece(data, to, 0);
  std::vector<Digest128> pieces(to.pieces());
  OnAllCores(pieces.size(), kPieceBytes,
             [&](size_t i) { pieces[i] = CopyPiece(data, to, i); });
  return Combine(pieces);
}

}  // namespace baton::port
