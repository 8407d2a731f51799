#include "service/data_disk.h"

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

TEST(DataDiskTest, SaysHowMuchRoomThereIs) {
  const auto free_bytes = DataDisk(::testing::TempDir()).FreeBytes();
  ASSERT_TRUE(free_bytes.ok()) << free_bytes.status();
  EXPECT_GT(*free_bytes, 0u);
}

TEST(DataDiskTest, SaysThatThereIsNoDirectory) {
  EXPECT_EQ(Reason(DataDisk("/nowhere").FreeBytes().status()),
            "DATA_DIR_UNUSABLE");
}

}  // namespace
}  // namespace baton
