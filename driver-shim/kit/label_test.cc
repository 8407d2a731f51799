#include "driver-shim/kit/label.h"

#include <array>
#include <cstring>

#include "gtest/gtest.h"

namespace baton::kit {
namespace {

constexpr baton_kit_record kOwn = {
    .type = 1, .version = 1, .flags = 0, .bytes = 5};

class LabelTest : public testing::Test {
 protected:
  LabelTest() { baton_kit_start(&writer_, buffer_.data(), sizeof(buffer_), 9); }
  baton_kit_result Read(uint64_t bytes) {
    return baton_kit_read_label(buffer_.data(), bytes, &label_);
  }

  std::array<uint64_t, 32> buffer_ = {};
  baton_kit_writer writer_ = {};
  baton_kit_label label_ = {};
};

TEST_F(LabelTest, IsReadAmongTheDriversOwnRecords) {
  baton_kit_write(&writer_, kOwn, "12345");
  const baton_kit_label label = {.partition_id = 3, .part = 1, .parts = 2};
  baton_kit_write_label(&writer_, &label);
  const uint64_t bytes = baton_kit_finish(&writer_);
  ASSERT_EQ(Read(bytes), BATON_KIT_OK);
  EXPECT_EQ(std::memcmp(&label_, &label, sizeof(label)), 0);
  // Whatever is behind it.
  EXPECT_EQ(Read(sizeof(buffer_)), BATON_KIT_OK);
  for (uint64_t cut = 0; cut < bytes; ++cut) {
    EXPECT_EQ(Read(cut), BATON_KIT_TRUNCATED) << cut;
  }
}

TEST_F(LabelTest, IsNotFoundWhereThereIsNone) {
  EXPECT_EQ(Read(0), BATON_KIT_TRUNCATED);
  const uint64_t bytes = baton_kit_finish(&writer_);
  EXPECT_EQ(Read(bytes), BATON_KIT_END);
  buffer_[0] ^= 1;
  EXPECT_EQ(Read(bytes), BATON_KIT_NOT_A_FRAME);
}

TEST_F(LabelTest, IsRefusedWhenItIsShortOrDamaged) {
  const baton_kit_record record = {.type = BATON_KIT_LABEL_RECORD,
                                   .version = BATON_KIT_LABEL_VERSION,
                                   .flags = BATON_KIT_OPTIONAL,
                                   .bytes = 8};
  baton_kit_write(&writer_, record, "12345678");
  const uint64_t bytes = baton_kit_finish(&writer_);
  EXPECT_EQ(Read(bytes), BATON_KIT_SHORT_RECORD);
  buffer_[6] ^= 1;
  EXPECT_EQ(Read(bytes), BATON_KIT_DAMAGED);
}

}  // namespace
}  // namespace baton::kit
