#include "driver-shim/port/piece_digest.h"

#include <random>

#include "gtest/gtest.h"

namespace baton::port {
namespace {

std::vector<std::byte> RandomBytes(size_t count) {
  std::minstd_rand random(7);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
  return bytes;
}

class PieceDigestTest : public testing::TestWithParam<uint64_t> {};

TEST_P(PieceDigestTest, IsTheSameHoweverTheBytesLie) {
  std::vector<std::byte> bytes = RandomBytes(GetParam());
  Extents whole;
  whole.Add(bytes.data(), bytes.size());
  Extents scattered;
  for (uint64_t at = 0; at < bytes.size();) {
    // Copied elsewhere, so that they do not join.
    const uint64_t some = std::min<uint64_t>(bytes.size() - at, 70'001);
    scattered.Add(bytes.data() + at, some);
    at += some;
  }
  EXPECT_EQ(whole.bytes(), GetParam());
  EXPECT_EQ(DigestsOf({whole, scattered})[0], DigestsOf({scattered})[0]);

  // The copy lies apart, in two places.
  const uint64_t first = GetParam() / 3;
  std::vector<std::byte> low(first + 1);
  std::vector<std::byte> high(GetParam() - first + 1);
  Extents copy;
  copy.Add(low.data() + 1, first);
  copy.Add(high.data() + 1, GetParam() - first);
  EXPECT_EQ(CopyAndDigest(bytes.data(), copy), DigestsOf({whole})[0]);
  EXPECT_TRUE(std::equal(low.begin() + 1, low.end(), bytes.begin()));
  EXPECT_TRUE(std::equal(high.begin() + 1, high.end(),
                         bytes.begin() + static_cast<ptrdiff_t>(first)));
  EXPECT_EQ(DigestsOf({copy})[0], DigestsOf({whole})[0]);

  bytes[bytes.size() / 2] ^= std::byte{1};
  EXPECT_NE(DigestsOf({whole})[0], DigestsOf({copy})[0]);
}

INSTANTIATE_TEST_SUITE_P(Sizes, PieceDigestTest,
                         testing::Values(1, 63, 4096, 70'002, kPieceBytes - 1,
                                         kPieceBytes, kPieceBytes + 1,
                                         9 * kPieceBytes + 17));

TEST(PieceDigestOfOnePieceTest, IsThatOfTheBytes) {
  std::vector<std::byte> bytes = RandomBytes(5000);
  Extents extents;
  extents.Add(bytes.data(), bytes.size());
  EXPECT_EQ(DigestsOf({extents})[0], Xxh3Of(bytes.data(), bytes.size()));
}

}  // namespace
}  // namespace baton::port
