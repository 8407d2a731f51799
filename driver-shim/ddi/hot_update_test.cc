#include "driver-shim/ddi/hot_update.h"

#include "driver-shim/ddi/escape.h"
#include "driver-shim/ddi/miniport.h"
#include "gtest/gtest.h"

namespace baton::ddi {
namespace {

TEST(HotUpdateTest, RangePacksPageNumberAndCountAsPublished) {
  const struct {
    UINT64 first_page;
    UINT64 pages;
    ULONGLONG packed;
  } kCases[] = {
      {0, 1, 0x10000000000},
      {BATON_KSR_FIRST_PAGE_MAX, 0, 0xffffffffff},
      {1, BATON_KSR_PAGES_MAX, 0xffffff0000000001},
  };
  for (const auto& c : kCases) {
    const DXGK_KSR_MEMORY_RANGE range = BatonKsrRange(c.first_page, c.pages);
    EXPECT_EQ(range.MemoryRangeDesc, c.packed);
    EXPECT_EQ(BatonKsrFirstPage(range), c.first_page);
    EXPECT_EQ(BatonKsrPages(range), c.pages);
  }
}

TEST(HotUpdateTest, FlagsAreTheLowestBits) {
  DXGK_SAVEMEMORYFORHOTUPDATEFLAGS save = {};
  save.CancelHotUpdate = 1;
  EXPECT_EQ(save.Value, 1u);
  DXGK_RESTOREMEMORYFORHOTUPDATEFLAGS restore = {};
  restore.RestoreComplete = 1;
  EXPECT_EQ(restore.Value, 1u);
  DXGK_GPUPCAPS caps = {};
  caps.Caps.HotDriverUpdate = 1;
  EXPECT_EQ(caps.Caps.Value, 2u);
}

TEST(HotUpdateTest, SpannedPagesCountPartsAsWhole) {
  const struct {
    ULONG offset;
    ULONG bytes;
    SIZE_T pages;
  } kCases[] = {{0, 1, 1}, {0, 4096, 1}, {1, 4096, 2}, {4095, 1, 1}};
  alignas(PAGE_SIZE) const char page[PAGE_SIZE] = {};
  for (const auto& c : kCases) {
    MDL mdl = {};
    mdl.ByteOffset = c.offset;
    mdl.ByteCount = c.bytes;
    EXPECT_EQ(BatonMdlPageCount(&mdl), c.pages);
    EXPECT_EQ(ADDRESS_AND_SIZE_TO_SPAN_PAGES(page + c.offset, c.bytes),
              c.pages);
  }
}

TEST(HotUpdateTest, MemoryResourcesTellTheirBytes) {
  CM_PARTIAL_RESOURCE_DESCRIPTOR descriptor = {};
  descriptor.Type = CmResourceTypeMemory;
  descriptor.u.Memory.Length = 4096;
  EXPECT_EQ(BatonResourceBytes(&descriptor), 4096u);
  descriptor.Type = CmResourceTypeMemoryLarge;
  EXPECT_EQ(BatonResourceBytes(&descriptor), 4096u << 8);
}

}  // namespace
}  // namespace baton::ddi
