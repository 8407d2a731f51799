// What does the digest of saved blocks cost beside the memory itself? All in
// one run, so that the ratios hold on a machine whose speed drifts.

#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>

#include "base/digest.h"
#include "benchmark/benchmark.h"

namespace baton {
namespace {

// Touched, so that no page fault is measured.
std::unique_ptr<uint64_t[]> Touched(size_t bytes) {
  auto words = std::make_unique<uint64_t[]>(bytes / sizeof(uint64_t));
  std::iota(words.get(), words.get() + bytes / sizeof(uint64_t), uint64_t{1});
  return words;
}

void Count(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void BM_Read(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const auto words = Touched(bytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(std::accumulate(
        words.get(), words.get() + bytes / sizeof(uint64_t), uint64_t{0}));
  }
  Count(state);
}

void BM_Copy(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const auto from = Touched(bytes);
  const auto to = Touched(bytes);
  for (auto _ : state) {
    std::memcpy(to.get(), from.get(), bytes);
    benchmark::ClobberMemory();
  }
  Count(state);
}

void BM_Digest(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const auto words = Touched(bytes);
  for (auto _ : state) benchmark::DoNotOptimize(Xxh3Of(words.get(), bytes));
  Count(state);
}

BENCHMARK(BM_Read)->RangeMultiplier(64)->Range(4 << 10, 64 << 20);
BENCHMARK(BM_Copy)->RangeMultiplier(64)->Range(4 << 10, 64 << 20);
BENCHMARK(BM_Digest)->RangeMultiplier(64)->Range(4 << 10, 64 << 20);

}  // namespace
}  // namespace baton

BENCHMARK_MAIN();
