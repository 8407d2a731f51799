#include "service/rpc/rollout_view.h"

#include <set>
#include <string>
#include <utility>

#include "base/reason.h"
#include "gtest/gtest.h"
#include "service/core/apply.h"
#include "service/core/event.h"
#include "tests/support/stage.h"

namespace baton::rpc {
namespace {

using support::kRollout;
using support::MakeSpec;
using support::Stage;

// What happens in one turn, after which watches are told of it.
class Turn {
 public:
  explicit Turn(Stage& stage) : stage_(stage) {}

  Turn& Do(core::EventBody body) {
    changes_.Merge(stage_.Do(std::move(body)));
    return *this;
  }
  const core::Changes& changes() const { return changes_; }

 private:
  Stage& stage_;
  core::Changes changes_;
};

// A watch that begins in a turn is told of all of that turn: it was ended, for
// another rollout had had the name earlier in it.
TEST(Regression, AWatchIsNotEndedByTheDeletionOfWhatHadTheNameBefore) {
  Stage stage(1);
  Turn first(stage);
  first.Do(core::CreateRollout{kRollout, MakeSpec()})
      .Do(core::DeleteRollout{kRollout})
      .Do(core::CreateRollout{kRollout, MakeSpec()});
  v1::WatchRolloutRequest request;
  request.set_name(kRollout);
  const auto view = MakeRolloutView(request);
  ASSERT_TRUE(view.ok()) << view.status();
  const auto fill = [&](std::set<std::string>& keys) {
    v1::WatchRolloutResponse response;
    return (*view)->Fill(stage.fleet(), keys, response).status();
  };
  std::set<std::string> keys;
  ASSERT_EQ((*view)->Begin(stage.fleet(), keys), absl::OkStatus());
  EXPECT_EQ(fill(keys), absl::OkStatus());
  (*view)->Collect(first.changes(), keys);
  EXPECT_EQ(fill(keys), absl::OkStatus());
  // What is watched now goes, and another one comes.
  Turn second(stage);
  second.Do(core::DeleteRollout{kRollout})
      .Do(core::CreateRollout{kRollout, MakeSpec()});
  (*view)->Collect(second.changes(), keys);
  ASSERT_FALSE(keys.empty());
  EXPECT_EQ(Reason(fill(keys)), "ROLLOUT_DELETED");
}

}  // namespace
}  // namespace baton::rpc
