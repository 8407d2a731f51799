#include "tests/vm/client/control.h"

#include <string>
#include <tuple>

#include "gtest/gtest.h"

namespace baton::vm {
namespace {

constexpr auto kRunning = ClientState::kRunning;
constexpr auto kPaused = ClientState::kPaused;
constexpr auto kClosed = ClientState::kClosed;

struct Row {
  std::string request = "";
  ClientState before = kRunning;
  ClientState after = kRunning;
  std::string word = "";  // the answer's first
  bool descriptor = false;
  int opened = 0;
  int closed = 0;
};

class ControlTest : public testing::TestWithParam<Row> {};

TEST_P(ControlTest, EachRequestInEachState) {
  const Row& row = GetParam();
  ClientState state = row.before;
  int opened = 0;
  int closed = 0;
  const Answer answer = Handle(row.request, state,
                               {.close = [&] { ++closed; },
                                .open =
                                    [&] {
                                      ++opened;
                                      return std::string();
                                    },
                                .status = "pid=1"});
  EXPECT_EQ(std::make_tuple(state, answer.line.substr(0, answer.line.find(' ')),
                            answer.with_descriptor, opened, closed),
            std::make_tuple(row.after, row.word, row.descriptor, row.opened,
                            row.closed));
}

INSTANTIATE_TEST_SUITE_P(
    Table, ControlTest,
    testing::Values(Row{"STATUS", kRunning, kRunning, "OK"},
                    Row{"STATUS", kPaused, kPaused, "OK"},
                    Row{"STATUS", kClosed, kClosed, "OK"},
                    Row{"PAUSE", kRunning, kPaused, "OK", true},
                    Row{"PAUSE", kPaused, kPaused, "OK", true},
                    Row{"PAUSE", kClosed, kClosed, "ERROR"},
                    Row{"CLOSE", kRunning, kRunning, "ERROR"},
                    Row{"CLOSE", kPaused, kClosed, "OK", false, 0, 1},
                    Row{"CLOSE", kClosed, kClosed, "OK", false, 0, 1},
                    Row{"OPEN", kRunning, kRunning, "ERROR"},
                    Row{"OPEN", kPaused, kPaused, "OK", true},
                    Row{"OPEN", kClosed, kPaused, "OK", true, 1, 0},
                    Row{"RESUME", kRunning, kRunning, "OK"},
                    Row{"RESUME", kPaused, kRunning, "OK"},
                    Row{"RESUME", kClosed, kClosed, "ERROR"},
                    Row{"DANCE", kRunning, kRunning, "ERROR"}));

TEST(ControlTest, SaysWhyItCannotOpen) {
  ClientState state = kClosed;
  const Answer answer =
      Handle("OPEN", state,
             {.close = [] {}, .open = [] { return std::string("no"); }});
  EXPECT_EQ(answer.line, "ERROR OPEN_FAILED no");
  EXPECT_FALSE(answer.with_descriptor);
  EXPECT_EQ(state, kClosed);
}

TEST(ControlTest, SaysWhatIsOutOfOrder) {
  ClientState state = kClosed;
  EXPECT_EQ(Handle("RESUME", state, {}).line,
            "ERROR OUT_OF_ORDER RESUME while CLOSED");
}

}  // namespace
}  // namespace baton::vm
