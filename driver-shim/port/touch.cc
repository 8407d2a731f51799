#include "driver-shim/port/touch.h"

#include <link.h>
#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "driver-shim/ddi/mdl.h"

namespace baton::port {
namespace {

// What the deepest call is taken to need.
constexpr size_t kStackBytes = size_t{128} << 10;

uint64_t PageDown(uint64_t address) {
  return address & ~(uint64_t{PAGE_SIZE} - 1);
}

void Populate(uint64_t begin, uint64_t end, int advice) {
  begin = PageDown(begin);
  if (begin >= end) return;
  // Where it cannot be had the first use takes the fault, as it would have.
  (void)madvise(reinterpret_cast<void*>(begin),  // NOLINT
                end - begin, advice);
}

int TouchImage(dl_phdr_info* image, size_t, void*) {
  uint64_t read_only_end = 0;  // of what was relocated and then protected
  for (int i = 0; i < image->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = image->dlpi_phdr[i];
    if (part.p_type != PT_GNU_RELRO) continue;
    read_only_end = image->dlpi_addr + part.p_vaddr + part.p_memsz;
  }
  for (int i = 0; i < image->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = image->dlpi_phdr[i];
    if (part.p_type != PT_LOAD) continue;
    const uint64_t begin = image->dlpi_addr + part.p_vaddr;
    const uint64_t end = begin + part.p_memsz;
    if ((part.p_flags & PF_W) == 0) {
      Populate(begin, end, MADV_POPULATE_READ);
    } else {
      const bool has_read_only = read_only_end > begin && read_only_end <= end;
      const uint64_t from =
          has_read_only ? read_only_end + PAGE_SIZE - 1 : begin;
      Populate(from, end, MADV_POPULATE_WRITE);
    }
  }
  return 0;
}

// Not inlined: the room is given back before anything is called from there.
[[gnu::noinline]] void TouchStack() {
  std::array<volatile std::byte, kStackBytes> room;
  for (size_t i = 0; i < room.size(); i += PAGE_SIZE) room[i] = std::byte{0};
}

}  // namespace

void TouchCodeAndStack() {
  dl_iterate_phdr(&TouchImage, nullptr);
  TouchStack();
}

void TouchHeap(size_t bytes) {
  constexpr int kFromHeap = 32 << 20;  // the most that can be set
  // No other thread sets either. NOLINTNEXTLINE(concurrency-mt-unsafe)
  mallopt(M_MMAP_THRESHOLD, kFromHeap);
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  void* const memory = std::malloc(bytes + PAGE_SIZE);
  if (memory != nullptr) std::memset(memory, 1, bytes + PAGE_SIZE);
  // Else compilers see that nobody reads it, and leave it all out.
  asm volatile("" : : "r"(memory) : "memory");
  std::free(memory);
}

}  // namespace baton::port
