// That the headers are C11, too: a vendor's miniport is written in C.

#include <stdio.h>

#include "driver-shim/ddi/escape.h"
#include "driver-shim/ddi/miniport.h"

int main(void) {
  const DXGK_KSR_MEMORY_RANGE range = BatonKsrRange(0x123456789a, 0xfffffe);
  if (range.MemoryRangeDesc != 0xfffffe123456789a ||
      BatonKsrFirstPage(range) != 0x123456789a ||
      BatonKsrPages(range) != 0xfffffe) {
    fprintf(stderr, "a memory range does not hold what was put in\n");
    return 1;
  }
  MDL mdl = {0};
  mdl.ByteOffset = 4095;
  mdl.ByteCount = 2;
  if (BatonMdlPageCount(&mdl) != 2) {
    fprintf(stderr, "two bytes across a page boundary are two pages\n");
    return 1;
  }
  return 0;
}
