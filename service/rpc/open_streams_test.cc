#include "service/rpc/open_streams.h"

#include <memory>

#include "gtest/gtest.h"

namespace baton::rpc {
namespace {

class FakeStream final : public OpenStream {
 public:
  explicit FakeStream(OpenStreams& streams) : streams_(streams) {}
  void End(const absl::Status& why) override {
    ended = why;
    streams_.Remove(this);  // as a reactor that is done at once would
  }
  absl::Status ended;

 private:
  OpenStreams& streams_;
};

TEST(OpenStreamsTest, EndsAllThatAreOpen) {
  OpenStreams streams;
  const auto a = std::make_shared<FakeStream>(streams);
  const auto b = std::make_shared<FakeStream>(streams);
  const auto removed = std::make_shared<FakeStream>(streams);
  for (const auto& stream : {a, b, removed}) streams.Add(stream);
  streams.Add(std::make_shared<FakeStream>(streams));  // already gone
  streams.Remove(removed.get());
  streams.EndAll(absl::UnavailableError("over"));
  EXPECT_EQ(a->ended, absl::UnavailableError("over"));
  EXPECT_EQ(b->ended, absl::UnavailableError("over"));
  EXPECT_TRUE(removed->ended.ok());
}

TEST(OpenStreamsTest, EndsWhatComesTooLate) {
  OpenStreams streams;
  streams.EndAll(absl::UnavailableError("over"));
  const auto late = std::make_shared<FakeStream>(streams);
  streams.Add(late);
  EXPECT_EQ(late->ended, absl::UnavailableError("over"));
}

}  // namespace
}  // namespace baton::rpc
