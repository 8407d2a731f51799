#include "service/rpc/rollout_service.h"

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "service/rpc/testing/service_fixture.h"

namespace baton::rpc {
namespace {

using Stub = v1::RolloutService::Stub;

class RolloutServiceTest : public ServiceFixture {
 protected:
  absl::Status Create(const v1::CreateRolloutRequest& request) {
    v1::CreateRolloutResponse response;
    return Call(*rollouts_, &Stub::CreateRollout, request, &response);
  }
  absl::Status Plan(const std::string& name) {
    v1::PlanRolloutRequest request;
    request.set_name(name);
    v1::PlanRolloutResponse response;
    return Call(*rollouts_, &Stub::PlanRollout, request, &response);
  }
  absl::Status Abort(const std::string& name) {
    v1::AbortRolloutRequest request;
    request.set_name(name);
    request.set_reason("not today");
    v1::AbortRolloutResponse response;
    return Call(*rollouts_, &Stub::AbortRollout, request, &response);
  }
  absl::Status Delete(const std::string& name, const std::string& etag = "") {
    v1::DeleteRolloutRequest request;
    request.set_name(name);
    request.set_etag(etag);
    v1::DeleteRolloutResponse response;
    return Call(*rollouts_, &Stub::DeleteRollout, request, &response);
  }
  absl::Status Try(const std::string& name) {
    v1::GetRolloutRequest request;
    request.set_name(name);
    v1::GetRolloutResponse response;
    return Call(*rollouts_, &Stub::GetRollout, request, &response);
  }
  v1::Rollout Get(const std::string& name) {
    v1::GetRolloutRequest request;
    request.set_name(name);
    v1::GetRolloutResponse response;
    const absl::Status got =
        Call(*rollouts_, &Stub::GetRollout, request, &response);
    EXPECT_TRUE(got.ok()) << got;
    return response.rollout();
  }
};

TEST_F(RolloutServiceTest, CreatesPlansAndShowsARollout) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  v1::CreateRolloutRequest request = CreateRequest("rollouts/r");
  request.mutable_spec()->add_waves()->set_hosts(1);
  request.mutable_spec()->add_waves()->set_rest(true);
  request.mutable_spec()->mutable_waves(0)->mutable_bake()->set_seconds(90);
  request.mutable_spec()->mutable_limits()->set_max_unavailable_percent(50);
  request.mutable_spec()->mutable_failure_tolerance()->set_hosts(0);
  request.mutable_spec()->mutable_deadlines()->mutable_save()->set_seconds(3);
  ASSERT_TRUE(Create(request).ok());
  ASSERT_TRUE(Plan("rollouts/r").ok());
  const v1::Rollout rollout = Get("rollouts/r");
  EXPECT_EQ(rollout.state(), v1::ROLLOUT_STATE_PLANNED);
  EXPECT_EQ(rollout.author(), "anonymous");
  ASSERT_EQ(rollout.plan().waves_size(), 2);
  EXPECT_EQ(rollout.plan().waves(0).hosts(0).host(), "hosts/h");
  EXPECT_EQ(rollout.plan().waves(0).bake().seconds(), 90);
  EXPECT_EQ(rollout.plan().hosts(), 1u);
  const v1::RolloutSpec& spec = rollout.spec();
  EXPECT_EQ(spec.driver(), request.spec().driver());
  EXPECT_EQ(spec.waves(0).hosts(), 1u);
  EXPECT_TRUE(spec.waves(1).rest());
  EXPECT_EQ(spec.limits().max_unavailable_percent(), 50u);
  EXPECT_FALSE(spec.limits().has_max_unavailable());
  EXPECT_TRUE(spec.failure_tolerance().has_hosts());
  EXPECT_EQ(spec.deadlines().save().seconds(), 3);
  EXPECT_EQ(spec.deadlines().prepare().seconds(), 300);
}

// Each call that is refused, with its code and its reason, leaves all as it is.
TEST_F(RolloutServiceTest, RefusesBadInputWithAReasonAndChangesNothing) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  const auto create =
      [this](const std::function<void(v1::RolloutSpec&)>& edit) {
        return [this, edit] {
          v1::CreateRolloutRequest request = CreateRequest("rollouts/bad");
          edit(*request.mutable_spec());
          return Create(request);
        };
      };
  v1::CreateRolloutRequest nobody = CreateRequest("rollouts/nobody");
  nobody.mutable_spec()->set_selector("zone=nowhere");
  ASSERT_TRUE(Create(nobody).ok());
  ASSERT_TRUE(Create(CreateRequest("rollouts/done")).ok());
  ASSERT_TRUE(Abort("rollouts/done").ok());
  v1::StartRolloutRequest unplanned;
  unplanned.set_name("rollouts/nobody");
  unplanned.set_digest("sha256:1");

  const struct {
    const char* what;
    std::function<absl::Status()> call;
    absl::StatusCode code;
    const char* reason;
  } kCases[] = {
      {"selector that does not parse",
       create([](v1::RolloutSpec& s) { s.set_selector("zone in (a"); }),
       absl::StatusCode::kInvalidArgument, "BAD_SELECTOR"},
      {"no selector", create([](v1::RolloutSpec& s) { s.clear_selector(); }),
       absl::StatusCode::kInvalidArgument, "BAD_SELECTOR"},
      {"no driver", create([](v1::RolloutSpec& s) { s.clear_driver(); }),
       absl::StatusCode::kInvalidArgument, "BAD_NAME"},
      {"unknown driver", create([](v1::RolloutSpec& s) {
         s.set_driver("drivers/softgpu/versions/9.9");
       }),
       absl::StatusCode::kNotFound, "DRIVER_NOT_FOUND"},
      {"wave sizes over 100 %", create([](v1::RolloutSpec& s) {
         s.add_waves()->set_percent(60);
         s.add_waves()->set_percent(60);
       }),
       absl::StatusCode::kInvalidArgument, "WAVES_EXCEED_WHOLE"},
      {"wave without a size", create([](v1::RolloutSpec& s) { s.add_waves(); }),
       absl::StatusCode::kInvalidArgument, "BAD_SPEC"},
      {"selector of 5 MiB", create([](v1::RolloutSpec& s) {
         s.set_selector(std::string(5 << 20, 's'));
       }),
       absl::StatusCode::kInvalidArgument, "FIELD_TOO_LONG"},
      {"name that is none",
       [this] { return Create(CreateRequest("rollouts/No")); },
       absl::StatusCode::kInvalidArgument, "BAD_NAME"},
      {"name that is taken",
       [this] { return Create(CreateRequest("rollouts/done")); },
       absl::StatusCode::kAlreadyExists, "ROLLOUT_EXISTS"},
      {"empty selection", [this] { return Plan("rollouts/nobody"); },
       absl::StatusCode::kFailedPrecondition, "EMPTY_SELECTION"},
      {"plan of nothing", [this] { return Plan("rollouts/none"); },
       absl::StatusCode::kNotFound, "ROLLOUT_NOT_FOUND"},
      {"start before plan",
       [this, &unplanned] {
         v1::StartRolloutResponse response;
         return Call(*rollouts_, &Stub::StartRollout, unplanned, &response);
       },
       absl::StatusCode::kFailedPrecondition, "ROLLOUT_NOT_PLANNED"},
      {"abort of a finished rollout", [this] { return Abort("rollouts/done"); },
       absl::StatusCode::kFailedPrecondition, "ROLLOUT_FINISHED"},
  };
  const core::Fleet before = Snapshot();
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    const absl::Status refused = c.call();
    EXPECT_EQ(refused.code(), c.code) << refused;
    EXPECT_EQ(Reason(refused), c.reason) << refused;
    EXPECT_NE(refused.message(), "");
    EXPECT_TRUE(Snapshot() == before);
  }
}

TEST_F(RolloutServiceTest, OfTwoStartsAtOnceOneWins) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  v1::StartRolloutRequest request;
  request.set_name("rollouts/r");
  const v1::Rollout planned = Planned("rollouts/r");
  request.set_digest(planned.plan().digest());
  request.set_etag(planned.etag());
  absl::Status status[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&, i] {
      v1::StartRolloutResponse response;
      status[i] = Call(*rollouts_, &Stub::StartRollout, request, &response);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_NE(status[0].ok(), status[1].ok()) << status[0] << status[1];
  const absl::Status& lost = status[0].ok() ? status[1] : status[0];
  EXPECT_TRUE(Reason(lost) == "ROLLOUT_STARTED" ||
              Reason(lost) == "ETAG_MISMATCH")
      << lost;
  EXPECT_EQ(Get("rollouts/r").state(), v1::ROLLOUT_STATE_RUNNING);
  EXPECT_EQ(Snapshot().hosts.at("hosts/h").attempt, 1u);
}

TEST_F(RolloutServiceTest, HoldsResumesAndAborts) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/r");
  v1::HoldRolloutRequest hold;
  hold.set_name("rollouts/r");
  hold.set_reason("lunch");
  v1::HoldRolloutResponse held;
  ASSERT_TRUE(Call(*rollouts_, &Stub::HoldRollout, hold, &held).ok());
  EXPECT_EQ(held.rollout().state(), v1::ROLLOUT_STATE_HELD);
  v1::ResumeRolloutRequest resume;
  resume.set_name("rollouts/r");
  v1::ResumeRolloutResponse resumed;
  ASSERT_TRUE(Call(*rollouts_, &Stub::ResumeRollout, resume, &resumed).ok());
  EXPECT_EQ(resumed.rollout().state(), v1::ROLLOUT_STATE_RUNNING);
  ASSERT_TRUE(Abort("rollouts/r").ok());
  EXPECT_EQ(Get("rollouts/r").state(), v1::ROLLOUT_STATE_ABORTING);
}

TEST_F(RolloutServiceTest, ListsRolloutsAndUpdatesPageByPage) {
  Push("2.0");
  std::vector<std::unique_ptr<FakeAgent>> agents;
  for (int i = 0; i < 3; ++i) {
    agents.push_back(Connected(absl::StrCat("hosts/h-", i)));
    ASSERT_TRUE(Create(CreateRequest(absl::StrCat("rollouts/r-", i))).ok());
  }
  Start("rollouts/s");
  v1::ListRolloutsRequest rollouts;
  rollouts.set_page_size(3);
  v1::ListRolloutsResponse listed;
  ASSERT_TRUE(Call(*rollouts_, &Stub::ListRollouts, rollouts, &listed).ok());
  EXPECT_EQ(listed.rollouts_size(), 3);
  rollouts.set_page_token(listed.next_page_token());
  ASSERT_TRUE(Call(*rollouts_, &Stub::ListRollouts, rollouts, &listed).ok());
  ASSERT_EQ(listed.rollouts_size(), 1);
  EXPECT_EQ(listed.rollouts(0).name(), "rollouts/s");
  EXPECT_FALSE(listed.rollouts(0).has_plan());
  EXPECT_EQ(listed.next_page_token(), "");

  v1::ListUpdatesRequest updates;
  updates.set_parent("rollouts/s");
  updates.set_page_size(2);
  v1::ListUpdatesResponse found;
  ASSERT_TRUE(Call(*rollouts_, &Stub::ListUpdates, updates, &found).ok());
  ASSERT_EQ(found.updates_size(), 2);
  EXPECT_EQ(found.updates(0).name(), "rollouts/s/updates/h-0");
  EXPECT_EQ(found.updates(0).state(), v1::UPDATE_STATE_RUNNING);
  EXPECT_EQ(found.updates(0).from_version(), "1.0");
  EXPECT_EQ(found.updates(0).to_version(), "2.0");
  EXPECT_EQ(found.updates(1).state(), v1::UPDATE_STATE_PENDING);
  updates.set_page_token(found.next_page_token());
  ASSERT_TRUE(Call(*rollouts_, &Stub::ListUpdates, updates, &found).ok());
  EXPECT_EQ(found.updates_size(), 1);
  EXPECT_EQ(found.next_page_token(), "");
  // A token is good for its own list alone.
  rollouts.set_page_token(updates.page_token());
  EXPECT_EQ(Reason(Call(*rollouts_, &Stub::ListRollouts, rollouts, &listed)),
            "BAD_PAGE_TOKEN");
}

TEST_F(RolloutServiceTest, NamesTheUpdateItDoesNotKnow) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/r");
  const struct {
    const char* name;
    const char* reason;
  } kCases[] = {{"rollouts/r/updates/h", ""},
                {"rollouts/r/updates/g", "UPDATE_NOT_FOUND"},
                {"rollouts/q/updates/h", "ROLLOUT_NOT_FOUND"},
                {"rollouts/r/updates/", "BAD_NAME"},
                {"rollouts/r", "BAD_NAME"},
                {"", "BAD_NAME"}};
  for (const auto& c : kCases) {
    v1::GetUpdateRequest request;
    request.set_name(c.name);
    v1::GetUpdateResponse response;
    const absl::Status got =
        Call(*rollouts_, &Stub::GetUpdate, request, &response);
    EXPECT_EQ(Reason(got), c.reason) << c.name;
    EXPECT_EQ(response.update().name(), got.ok() ? c.name : "");
  }
}

TEST_F(RolloutServiceTest, ExplainsWhyARolloutDoesNotMove) {
  Push("2.0");
  ASSERT_TRUE(Create(CreateRequest("rollouts/r")).ok());
  v1::ExplainRolloutRequest request;
  request.set_name("rollouts/r");
  v1::ExplainRolloutResponse response;
  ASSERT_TRUE(Call(*rollouts_, &Stub::ExplainRollout, request, &response).ok());
  EXPECT_NE(response.explanation().summary(), "");
  EXPECT_GT(response.explanation().gates_size(), 0);
}

TEST_F(RolloutServiceTest, AWatchShowsAllThenChangesAndEndsWithTheRollout) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/r");
  grpc::ClientContext context;
  v1::WatchRolloutRequest request;
  request.set_name("rollouts/r");
  const auto reader = rollouts_->WatchRollout(&context, request);
  v1::WatchRolloutResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_TRUE(seen.rollout().has_plan());
  ASSERT_EQ(seen.updates_size(), 1);
  EXPECT_EQ(seen.updates(0).state(), v1::UPDATE_STATE_RUNNING);

  const v1::Order order = agent->NextOrder();
  v1::UpdateReport report;
  report.set_rollout(order.rollout());
  report.set_attempt(order.attempt());
  report.set_state(v1::UPDATE_STATE_DONE);
  report.set_step(v1::STEP_REOPEN_GATE);
  report.set_past_no_return(true);
  agent->Report(report);

  v1::Rollout last;
  v1::Update update;
  while (reader->Read(&seen)) {
    EXPECT_FALSE(seen.rollout().has_plan());
    last = seen.rollout();
    if (seen.updates_size() > 0) update = seen.updates(0);
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(last.state(), v1::ROLLOUT_STATE_SUCCEEDED);
  EXPECT_EQ(last.progress().done(), 1u);
  EXPECT_EQ(update.state(), v1::UPDATE_STATE_DONE);
}

TEST_F(RolloutServiceTest, AWatchOfAFinishedRolloutShowsItAndEnds) {
  Push("2.0");
  ASSERT_TRUE(Create(CreateRequest("rollouts/r")).ok());
  ASSERT_TRUE(Abort("rollouts/r").ok());
  grpc::ClientContext context;
  v1::WatchRolloutRequest request;
  request.set_name("rollouts/r");
  const auto reader = rollouts_->WatchRollout(&context, request);
  v1::WatchRolloutResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(seen.rollout().state(), v1::ROLLOUT_STATE_ABORTED);
  EXPECT_FALSE(reader->Read(&seen));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(RolloutServiceTest, ForgetsADeletedRolloutAndTellsWhoWatchesIt) {
  Push("2.0");
  ASSERT_TRUE(Create(CreateRequest("rollouts/r")).ok());
  grpc::ClientContext context;
  v1::WatchRolloutRequest request;
  request.set_name("rollouts/r");
  const auto reader = rollouts_->WatchRollout(&context, request);
  v1::WatchRolloutResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  EXPECT_EQ(Reason(Delete("rollouts/r", "stale")), "ETAG_MISMATCH");
  ASSERT_TRUE(Delete("rollouts/r", Get("rollouts/r").etag()).ok());
  // Whoever has the name next is not what was watched.
  ASSERT_TRUE(Create(CreateRequest("rollouts/r")).ok());
  while (reader->Read(&seen)) {
  }
  const absl::Status end = FromStub(reader->Finish());
  EXPECT_EQ(end.code(), absl::StatusCode::kNotFound) << end;
  EXPECT_EQ(Reason(end), "ROLLOUT_DELETED") << end;
  ASSERT_TRUE(Delete("rollouts/r").ok());
  EXPECT_EQ(Reason(Try("rollouts/r")), "ROLLOUT_NOT_FOUND");
  EXPECT_EQ(Reason(Delete("rollouts/r")), "ROLLOUT_NOT_FOUND");
}

// What failed there is gone with it.
TEST_F(RolloutServiceTest, ADeletedRolloutKeepsNoCapsule) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/r");
  const v1::Order order = agent->NextOrder();
  v1::UpdateReport report;
  report.set_rollout(order.rollout());
  report.set_attempt(order.attempt());
  report.set_state(v1::UPDATE_STATE_CANCELLED);
  report.set_step(v1::STEP_PREPARE);
  report.set_reason("FETCH_FAILED");
  agent->Report(report);
  Await([](const core::Fleet& fleet) {
    return core::IsFinished(fleet.rollouts.at("rollouts/r").state);
  });
  v1::GetCapsuleRequest request;
  request.set_name("rollouts/r/updates/h");
  v1::GetCapsuleResponse response;
  EXPECT_TRUE(Call(*rollouts_, &Stub::GetCapsule, request, &response).ok());
  ASSERT_TRUE(Delete("rollouts/r").ok());
  EXPECT_EQ(Reason(Call(*rollouts_, &Stub::GetCapsule, request, &response)),
            "CAPSULE_NOT_FOUND");
  EXPECT_EQ(Snapshot().hosts.at("hosts/h").attempt, 1u);
}

TEST_F(RolloutServiceTest, AWatchOfNothingIsRefused) {
  const struct {
    const char* name;
    const char* reason;
  } kCases[] = {{"rollouts/none", "ROLLOUT_NOT_FOUND"}, {"none", "BAD_NAME"}};
  for (const auto& c : kCases) {
    grpc::ClientContext context;
    v1::WatchRolloutRequest request;
    request.set_name(c.name);
    const auto reader = rollouts_->WatchRollout(&context, request);
    v1::WatchRolloutResponse seen;
    EXPECT_FALSE(reader->Read(&seen));
    EXPECT_EQ(Reason(FromStub(reader->Finish())), c.reason);
  }
}

}  // namespace
}  // namespace baton::rpc
