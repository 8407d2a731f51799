#include "driver-shim/port/piece_digest.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <atomic>
#include <cstring>
#include <iterator>
#include <thread>

#include "driver-shim/port/stream_digest.h"

namespace baton::port {
namespace {

// Below this much a thread costs more than it brings.
constexpr uint64_t kBytesPerThread = uint64_t{4} << 20;
// Digested and copied step by step, so that the second finds each in the
// nearest cache.
constexpr uint64_t kStepBytes = uint64_t{16} << 10;
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

std::vector<Extents::Extent>::const_iterator Extents::Find(
    uint64_t offset) const {
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

std::vector<Digest128> DigestsOf(const std::vector<Extents>& blocks) {
  struct Piece {
    size_t block = 0;
    size_t piece = 0;
  };
  std::vector<Piece> all;
  std::vector<std::vector<Digest128>> found(blocks.size());
  uint64_t bytes = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    found[i].resize(std::max<size_t>(1, blocks[i].pieces()));
    bytes += blocks[i].bytes();
    for (size_t k = 0; k < found[i].size(); ++k) {
      all.push_back({.block = i, .piece = k});
    }
  }
  OnAllCores(all.size(), all.empty() ? 0 : bytes / all.size(), [&](size_t i) {
    found[all[i].block][all[i].piece] =
        DigestOfPiece(blocks[all[i].block], all[i].piece);
  });
  std::vector<Digest128> digests;
  for (const std::vector<Digest128>& pieces : found) {
    digests.push_back(Combine(pieces));
  }
  return digests;
}

Digest128 CopyAndDigest(const void* from, const Extents& to) {
  std::vector<Digest128> pieces(to.pieces());
  OnAllCores(pieces.size(), kPieceBytes, [&](size_t i) {
    pieces[i] = CopyPiece(static_cast<const std::byte*>(from), to, i);
  });
  return Combine(pieces);
}

void OnAllCores(size_t count, uint64_t bytes_each,
                const std::function<void(size_t)>& job) {
  const uint64_t useful = count * bytes_each / kBytesPerThread;
  const size_t threads = static_cast<size_t>(
      std::min<uint64_t>(useful, std::thread::hardware_concurrency()));
  // Several at a time, where they are small.
  const size_t batch =
      1 +
      static_cast<size_t>(kPieceBytes / 4 / std::max<uint64_t>(1, bytes_each));
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next.fetch_add(batch); i < count;
         i = next.fetch_add(batch)) {
      for (size_t k = i; k < std::min(count, i + batch); ++k) job(k);
    }
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& other : others) other.join();
}

}  // namespace baton::port
