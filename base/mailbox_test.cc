#include "base/mailbox.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(MailboxTest, HandsOverInOrderAndRefusesWhenFull) {
  Mailbox<int> box(2);
  EXPECT_TRUE(box.TryPost(1));
  EXPECT_TRUE(box.TryPost(2));
  EXPECT_FALSE(box.TryPost(3));
  EXPECT_THAT(box.TakeAll(absl::ZeroDuration()), ElementsAre(1, 2));
  EXPECT_THAT(box.TakeAll(absl::ZeroDuration()), IsEmpty());
}

TEST(MailboxTest, WakesTheTakerThatWaits) {
  Mailbox<int> box(1);
  std::thread poster([&] { EXPECT_TRUE(box.TryPost(7)); });
  std::vector<int> got;
  while (got.empty()) got = box.TakeAll(absl::Seconds(60));
  poster.join();
  EXPECT_THAT(got, ElementsAre(7));
}

}  // namespace
}  // namespace baton
