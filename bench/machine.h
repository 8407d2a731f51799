#ifndef BENCH_MACHINE_H_
#define BENCH_MACHINE_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "driver-shim/port/named_memory.h"

namespace baton {

// What the machine's memory can do, measured as saved bytes are handled: files
// of a tmpfs, in the same pages, mapped the same way, by the same threads.
class Machine {
 public:
  // Takes twice `bytes` of memory, a multiple of 1 MiB.
  explicit Machine(uint64_t bytes);

  // GB/s of one pass over the memory, on all cores.
  double Read() const;
  double Copy() const;         // memcpy
  double NonTemporal() const;  // past the caches
  double Digest() const;       // what the shim does, nothing copied

 private:
  double SpeedOf(const std::function<void(uint64_t at)>& work) const;

  const uint64_t bytes_;
  std::unique_ptr<port::NamedMemory> from_;
  std::unique_ptr<port::NamedMemory> to_;
};

double GbPerSecond(uint64_t bytes, double milliseconds);

}  // namespace baton

#endif  // BENCH_MACHINE_H_
