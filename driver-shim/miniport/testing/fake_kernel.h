#ifndef DRIVER_SHIM_MINIPORT_TESTING_FAKE_KERNEL_H_
#define DRIVER_SHIM_MINIPORT_TESTING_FAKE_KERNEL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "driver-shim/ddi/kernel.h"

// A kernel for one test at a time: the exports of ddi/kernel.h over the heap,
// with page numbers that are addresses, and an account of all that is out.

namespace baton::miniport {

// Allocations (pool, pages, lists) that were not freed.
size_t OutstandingAllocations();

// The n-th allocation from now fails, and all after it; 0: none does.
void FailAllocationsFrom(size_t n);

// Returns a list of pages that hold a copy of `bytes`, as a restore delivers.
PMDL MakeRestoredList(const std::string& bytes);

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_TESTING_FAKE_KERNEL_H_
