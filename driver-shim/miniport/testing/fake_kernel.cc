#include "driver-shim/miniport/testing/fake_kernel.h"

#include <time.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

#include "base/check.h"

namespace baton::miniport {
namespace {

enum class Kind { kPool, kPages, kContiguous };

std::map<void*, Kind>& Out() {
  static auto* const out = new std::map<void*, Kind>();
  return *out;
}

size_t fail_from = 0;

void* Take(size_t bytes, Kind kind) {
  if (fail_from == 1) return nullptr;
  if (fail_from > 1) --fail_from;
  const size_t rounded = (bytes + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
  void* memory = std::aligned_alloc(PAGE_SIZE, rounded);
  CHECK(memory != nullptr);
  // Not zeroes: nobody may count on them.
  std::memset(memory, kind == Kind::kPages ? 0 : 0xa5, rounded);
  Out()[memory] = kind;
  return memory;
}

void GiveBack(void* memory, Kind kind) {
  auto found = Out().find(memory);
  CHECK(found != Out().end());  // freed twice, or never allocated
  CHECK(found->second == kind);
  Out().erase(found);
  std::free(memory);
}

void* AddressOf(uint64_t page) {
  // Pages are numbered by their addresses.
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  return reinterpret_cast<void*>(static_cast<uintptr_t>(page << PAGE_SHIFT));
}

}  // namespace

size_t OutstandingAllocations() { return Out().size(); }

void FailAllocationsFrom(size_t n) { fail_from = n; }

PMDL MakeRestoredList(const std::string& bytes) {
  PHYSICAL_ADDRESS any = {};
  PMDL mdl = MmAllocatePagesForMdlEx(any, any, any, bytes.size(), MmCached, 0);
  CHECK(mdl != nullptr);
  std::memcpy(AddressOf(MmGetMdlPfnArray(mdl)[0]), bytes.data(), bytes.size());
  return mdl;
}

}  // namespace baton::miniport

using baton::miniport::AddressOf;
using baton::miniport::GiveBack;
using baton::miniport::Kind;
using baton::miniport::Take;

extern "C" {

PVOID ExAllocatePoolWithTag(POOL_TYPE, SIZE_T bytes, ULONG tag) {
  CHECK(tag != 0 && bytes != 0);
  return Take(bytes, Kind::kPool);
}

VOID ExFreePool(PVOID memory) { GiveBack(memory, Kind::kPool); }

VOID ExFreePoolWithTag(PVOID memory, ULONG) { ExFreePool(memory); }

// As many parameters as were published.
// NOLINTNEXTLINE(readability-function-size)
PMDL MmAllocatePagesForMdlEx(PHYSICAL_ADDRESS, PHYSICAL_ADDRESS,
                             PHYSICAL_ADDRESS, SIZE_T bytes,
                             MEMORY_CACHING_TYPE, ULONG) {
  const SIZE_T pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;
  void* memory = Take(pages * PAGE_SIZE, Kind::kPages);
  if (memory == nullptr) return nullptr;
  const SIZE_T size = sizeof(MDL) + pages * sizeof(PFN_NUMBER);
  auto* mdl = static_cast<PMDL>(Take(size, Kind::kPool));
  if (mdl == nullptr) {
    GiveBack(memory, Kind::kPages);
    return nullptr;
  }
  *mdl = {};
  mdl->Size = static_cast<CSHORT>(size);
  mdl->MdlFlags = MDL_PAGES_LOCKED;
  mdl->ByteCount = static_cast<ULONG>(bytes);
  for (SIZE_T i = 0; i < pages; ++i) {
    MmGetMdlPfnArray(mdl)[i] =
        (reinterpret_cast<uintptr_t>(memory) >> PAGE_SHIFT) + i;
  }
  return mdl;
}

VOID MmFreePagesFromMdl(PMDL mdl) {
  GiveBack(AddressOf(MmGetMdlPfnArray(mdl)[0]), Kind::kPages);
}

// As many parameters as were published.
// NOLINTNEXTLINE(readability-function-size)
PVOID MmMapLockedPagesSpecifyCache(PMDL mdl, CHAR, MEMORY_CACHING_TYPE, PVOID,
                                   ULONG, ULONG) {
  mdl->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
  mdl->MappedSystemVa = AddressOf(MmGetMdlPfnArray(mdl)[0]);
  return mdl->MappedSystemVa;
}

VOID MmUnmapLockedPages(PVOID address, PMDL mdl) {
  CHECK((mdl->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) != 0);
  CHECK(address == mdl->MappedSystemVa);
  mdl->MdlFlags &= static_cast<CSHORT>(~MDL_MAPPED_TO_SYSTEM_VA);
}

PVOID MmAllocateContiguousMemory(SIZE_T bytes, PHYSICAL_ADDRESS) {
  return Take(bytes, Kind::kContiguous);
}

VOID MmFreeContiguousMemory(PVOID memory) {
  GiveBack(memory, Kind::kContiguous);
}

PHYSICAL_ADDRESS MmGetPhysicalAddress(PVOID address) {
  PHYSICAL_ADDRESS physical = {};
  physical.QuadPart =
      static_cast<LONGLONG>(reinterpret_cast<uintptr_t>(address));
  return physical;
}

}  // extern "C"
