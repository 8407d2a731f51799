#include "base/digest.h"

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

constexpr char kOfAbc[] =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Sha256Test, MatchesThePublishedVector) {
  EXPECT_EQ(Sha256Of("abc"), kOfAbc);
}

TEST(Sha256Test, PiecesAndWholeAgree) {
  Sha256 sha;
  sha.Update("a");
  sha.Update("");
  sha.Update("bc");
  EXPECT_EQ(sha.Finish(), kOfAbc);
}

TEST(Sha256Test, AMissingFileIsNamed) {
  const auto got = Sha256OfFile("/nonexistent/file");
  EXPECT_EQ(got.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Reason(got.status()), "FILE_UNREADABLE");
}

TEST(Sha256Test, RecognisesItsOwnFormOnly) {
  EXPECT_TRUE(IsSha256(kOfAbc));
  EXPECT_FALSE(IsSha256(""));
  EXPECT_FALSE(IsSha256("sha256:"));
  EXPECT_FALSE(IsSha256(std::string(kOfAbc) + "0"));
  EXPECT_FALSE(IsSha256(std::string("sha256:") + std::string(64, 'G')));
}

TEST(Xxh3Test, OneChangedBitChangesTheDigest) {
  char bytes[100] = {};
  const Digest128 before = Xxh3Of(bytes, sizeof(bytes));
  EXPECT_EQ(before, Xxh3Of(bytes, sizeof(bytes)));
  bytes[99] ^= 1;
  EXPECT_NE(before, Xxh3Of(bytes, sizeof(bytes)));
  EXPECT_EQ(before.ToString().size(), 32u);
}

}  // namespace
}  // namespace baton
