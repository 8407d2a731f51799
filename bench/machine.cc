#include "bench/machine.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "driver-shim/port/cores.h"
#include "driver-shim/port/piece_digest.h"

namespace baton {
namespace {

constexpr uint64_t kPiece = port::kPieceBytes;

#if defined(__x86_64__)
__attribute__((target("avx2"))) void StreamPiece(std::byte* to,
                                                 const std::byte* from) {
  for (uint64_t i = 0; i < kPiece; i += 32) {
    _mm256_stream_si256(
        reinterpret_cast<__m256i*>(to + i),
        _mm256_load_si256(reinterpret_cast<const __m256i*>(from + i)));
  }
  _mm_sfence();
}
__attribute__((target("avx2"))) void ReadPiece(const std::byte* from) {
  __m256i sum[4] = {};
  for (uint64_t i = 0; i < kPiece; i += 128) {
    for (uint64_t k = 0; k < 4; ++k) {
      sum[k] = _mm256_xor_si256(
          sum[k], _mm256_load_si256(
                      reinterpret_cast<const __m256i*>(from + i + k * 32)));
    }
  }
  // Keeps the sums, and so the reads.
  asm volatile("" : : "m"(sum) : "memory");
}
#else
void StreamPiece(std::byte* to, const std::byte* from) {
  std::memcpy(to, from, kPiece);
}
void ReadPiece(const std::byte* from) { (void)Xxh3Of(from, kPiece); }
#endif

std::unique_ptr<port::NamedMemory> NewMemory(uint64_t bytes) {
  auto memory = port::NamedMemory::Create(
      absl::StrCat("/dev/shm/baton-bench-machine-", getpid()), bytes);
  CHECK(memory.ok());
  (*memory)->Remove();
  return *std::move(memory);
}

double MillisecondsOf(const std::function<void()>& work) {
  const absl::Duration begin = RealClock().Monotonic();
  work();
  return absl::ToDoubleMilliseconds(RealClock().Monotonic() - begin);
}

}  // namespace

double GbPerSecond(uint64_t bytes, double milliseconds) {
  return static_cast<double>(bytes) / 1e6 / milliseconds;
}

Machine::Machine(uint64_t bytes)
    : bytes_(bytes), from_(NewMemory(bytes)), to_(NewMemory(bytes)) {
  CHECK(bytes % kPiece == 0);
  std::memset(from_->data(), 7, bytes);
  port::WarmDigests();
}

double Machine::SpeedOf(const std::function<void(uint64_t at)>& work) const {
  return GbPerSecond(bytes_, MillisecondsOf([&] {
                       port::OnAllCores(bytes_ / kPiece, kPiece,
                                        [&](size_t i) { work(i * kPiece); });
                     }));
}

double Machine::Read() const {
  return SpeedOf([&](uint64_t at) { ReadPiece(from_->data() + at); });
}

double Machine::Copy() const {
  return SpeedOf([&](uint64_t at) {
    std::memcpy(to_->data() + at, from_->data() + at, kPiece);
  });
}

double Machine::NonTemporal() const {
  return SpeedOf(
      [&](uint64_t at) { StreamPiece(to_->data() + at, from_->data() + at); });
}

double Machine::Digest() const {
  port::Extents extents;
  extents.Add(from_->data(), bytes_);
  return GbPerSecond(bytes_,
                     MillisecondsOf([&] { (void)port::DigestsOf({extents}); }));
}

}  // namespace baton
