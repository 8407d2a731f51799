// Every call that changes something, found by reflection: on what is not there,
// in the wrong state, with a stale etag, and twice with one request_id. Each
// refusal has the status that its kind has everywhere, and changes nothing.

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "service/rpc/testing/service_fixture.h"

namespace baton::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;

// The methods of ours whose repeats can be made harmless: those that change
// something.
std::vector<const MethodDescriptor*> ChangingMethods() {
  std::vector<const MethodDescriptor*> methods;
  for (const auto* file : {v1::RolloutSpec::descriptor()->file(),
                           v1::Host::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const MethodDescriptor* method = file->service(s)->method(m);
        if (method->input_type()->FindFieldByName("request_id") != nullptr) {
          methods.push_back(method);
        }
      }
    }
  }
  return methods;
}

// A request, built field by field; fields that it does not have are left out.
class Request {
 public:
  explicit Request(const MethodDescriptor& method)
      : message_(MessageFactory::generated_factory()
                     ->GetPrototype(method.input_type())
                     ->New()) {}

  bool Has(const std::string& field) const { return Find(field) != nullptr; }

  Request& Set(const std::string& field, const std::string& value) {
    if (const FieldDescriptor* found = Find(field); found != nullptr) {
      message_->GetReflection()->SetString(message_.get(), found, value);
    }
    return *this;
  }

  Message& message() { return *message_; }

 private:
  const FieldDescriptor* Find(const std::string& field) const {
    return message_->GetDescriptor()->FindFieldByName(field);
  }

  std::unique_ptr<Message> message_;
};

class VerbsTest : public ServiceFixture {
 protected:
  absl::Status Do(const MethodDescriptor& method, Request& request) {
    grpc::TemplatedGenericStub<Message, Message> stub(channel_);
    grpc::ClientContext context;
    context.AddMetadata("baton-user", user_);
    const std::unique_ptr<Message> response(
        MessageFactory::generated_factory()
            ->GetPrototype(method.output_type())
            ->New());
    std::promise<grpc::Status> done;
    stub.UnaryCall(
        &context,
        absl::StrCat("/", method.service()->full_name(), "/", method.name()),
        {}, &request.message(), response.get(),
        [&done](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    answer_ = response->SerializeAsString();
    return FromStub(status);
  }

  absl::Status Do(const std::string& name, Request& request) {
    return Do(Method(name), request);
  }

  static const MethodDescriptor& Method(const std::string& name) {
    for (const MethodDescriptor* method : ChangingMethods()) {
      if (method->name() == name) return *method;
    }
    ADD_FAILURE() << "there is no " << name;
    return *ChangingMethods().front();
  }

  // A request that is right as far as its form goes, for the object `name` of
  // the kind that the method takes.
  static Request RequestFor(const MethodDescriptor& method,
                            const std::string& id) {
    Request request(method);
    request.Set("reason", "why not").Set("digest", "sha256:0");
    if (absl::EndsWith(method.name(), "Update")) {
      request.Set("name", absl::StrCat("rollouts/", id, "/updates/", id));
    } else {
      request.Set("name",
                  absl::StrCat(method.service()->name() == "RolloutService"
                                   ? "rollouts/"
                                   : "hosts/",
                               id));
    }
    return request;
  }

  // Wants `request` refused, and nothing changed.
  void ExpectRefused(const MethodDescriptor& method, Request& request,
                     absl::StatusCode code, const std::string& reason) {
    SCOPED_TRACE(absl::StrCat(method.name(), " {",
                              request.message().ShortDebugString(), "}"));
    const core::Fleet before = Snapshot();
    const absl::Status status = Do(method, request);
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_EQ(Reason(status), reason) << status;
    EXPECT_TRUE(Snapshot() == before);
  }

  // Wants `request` carried out once, however often it comes, and no other
  // request under its id.
  void ExpectOnce(const std::string& name, Request& request) {
    SCOPED_TRACE(name);
    request.Set("request_id", "id-of-" + name);
    const absl::Status first = Do(name, request);
    ASSERT_TRUE(first.ok()) << first;
    const core::Fleet after = Snapshot();
    const absl::Status second = Do(name, request);
    EXPECT_TRUE(second.ok()) << second;
    EXPECT_TRUE(Snapshot() == after);
    if (!request.Has("reason")) return;
    request.Set("reason", "another");
    ExpectRefused(Method(name), request, absl::StatusCode::kInvalidArgument,
                  "REQUEST_ID_REUSED");
  }

  std::string user_ = "ana";
  std::string answer_;  // of the last call
};

TEST_F(VerbsTest, OnWhatIsNotThere) {
  for (const MethodDescriptor* method : ChangingMethods()) {
    if (method->name() == "CreateRollout") continue;
    Request request = RequestFor(*method, "none");
    if (!request.Has("name")) continue;
    ExpectRefused(
        *method, request, absl::StatusCode::kNotFound,
        absl::StrContains(request.message().ShortDebugString(), "rollouts/")
            ? "ROLLOUT_NOT_FOUND"
            : "HOST_NOT_FOUND");
  }
}

TEST_F(VerbsTest, OnNamesThatAreNone) {
  for (const MethodDescriptor* method : ChangingMethods()) {
    Request request = RequestFor(*method, "No Name");
    if (!request.Has("name")) continue;
    ExpectRefused(*method, request, absl::StatusCode::kInvalidArgument,
                  "BAD_NAME");
  }
}

TEST_F(VerbsTest, WithoutAReasonWhereOneIsWanted) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/h");
  for (const MethodDescriptor* method : ChangingMethods()) {
    Request request = RequestFor(*method, "h");
    if (!request.Has("reason")) continue;
    request.Set("reason", "");
    ExpectRefused(*method, request, absl::StatusCode::kInvalidArgument,
                  "BAD_REASON");
  }
}

TEST_F(VerbsTest, WithAStaleEtag) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/h");
  for (const MethodDescriptor* method : ChangingMethods()) {
    Request request = RequestFor(*method, "h");
    if (!request.Has("etag")) continue;
    request.Set("etag", "stale");
    ExpectRefused(*method, request, absl::StatusCode::kAborted,
                  "ETAG_MISMATCH");
  }
}

TEST_F(VerbsTest, WithARequestIdThatIsTooLong) {
  for (const MethodDescriptor* method : ChangingMethods()) {
    Request request = RequestFor(*method, "h");
    request.Set("request_id", std::string(65, 'x'));
    ExpectRefused(*method, request, absl::StatusCode::kInvalidArgument,
                  "FIELD_TOO_LONG");
  }
}

TEST_F(VerbsTest, InTheWrongState) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  ASSERT_FALSE(Planned("rollouts/planned").name().empty());
  Start("rollouts/h");
  const auto finished = [this] {
    Request abort = RequestFor(Method("AbortRollout"), "planned");
    return Do("AbortRollout", abort);
  };
  ASSERT_TRUE(finished().ok());
  const struct {
    const char* method;
    const char* id;
    const char* reason;
  } kCases[] = {
      {"PlanRollout", "h", "ROLLOUT_STARTED"},
      {"PlanRollout", "planned", "ROLLOUT_FINISHED"},
      {"StartRollout", "h", "ROLLOUT_STARTED"},
      {"StartRollout", "planned", "ROLLOUT_FINISHED"},
      {"HoldRollout", "planned", "ROLLOUT_FINISHED"},
      {"ResumeRollout", "h", "ROLLOUT_STARTED"},
      {"ResumeRollout", "planned", "ROLLOUT_FINISHED"},
      {"PauseRollout", "planned", "ROLLOUT_FINISHED"},
      {"AbortRollout", "planned", "ROLLOUT_FINISHED"},
      {"ApproveRollout", "planned", "ROLLOUT_FINISHED"},
      {"DeleteRollout", "h", "ROLLOUT_STARTED"},
      {"SkipUpdate", "h", "UPDATE_RUNNING"},
      {"RetryUpdate", "h", "UPDATE_RUNNING"},
      {"UncordonHost", "h", "HOST_NOT_CORDONED"},
      {"ReleaseHost", "h", "HOST_CONNECTED"},
      {"LiftQuarantine", "h", "HOST_NOT_QUARANTINED"},
      {"DeleteHost", "h", "HOST_CONNECTED"},
      {"UnfreezeFleet", "", "FLEET_NOT_FROZEN"},
      {"LiftEmergencyStop", "", "FLEET_NOT_STOPPED"},
  };
  for (const auto& c : kCases) {
    Request request = RequestFor(Method(c.method), c.id);
    ExpectRefused(Method(c.method), request,
                  absl::StatusCode::kFailedPrecondition, c.reason);
  }
}

TEST_F(VerbsTest, SaysBeforehandAndChangesNothing) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Start("rollouts/h");
  for (const char* name : {"PauseRollout", "AbortRollout", "RollBackRollout"}) {
    SCOPED_TRACE(name);
    Request request = RequestFor(Method(name), "h");
    Message& message = request.message();
    message.GetReflection()->SetBool(
        &message, message.GetDescriptor()->FindFieldByName("validate_only"),
        true);
    const core::Fleet before = Snapshot();
    const absl::Status status = Do(name, request);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_TRUE(Snapshot() == before);
    v1::AbortRolloutResponse response;  // the others have its fields
    ASSERT_TRUE(response.ParseFromString(answer_));
    EXPECT_EQ(response.rollout().state(), v1::ROLLOUT_STATE_RUNNING);
    ASSERT_EQ(response.effects_size(), 1);
    EXPECT_EQ(response.effects(0).host(), "hosts/h");
    EXPECT_EQ(response.effects(0).outcome(), v1::HostEffect::OUTCOME_CANCEL);
  }
}

TEST_F(VerbsTest, TwiceWithOneRequestId) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  const auto other = Connected("hosts/i");
  const auto ask = [this](const char* name, const std::string& id,
                          const std::string& digest = "") {
    SCOPED_TRACE(name);
    Request request = RequestFor(Method(name), id);
    request.Set("digest", digest);
    ExpectOnce(name, request);
  };
  const v1::Rollout planned = Planned("rollouts/r");
  ask("PlanRollout", "r");
  ask("StartRollout", "r", planned.plan().digest());
  ask("HoldRollout", "r");
  ask("ResumeRollout", "r");
  ask("PauseRollout", "r");
  ask("AbortRollout", "r");
  ASSERT_FALSE(Planned("rollouts/s").name().empty());
  ask("DeleteRollout", "s");
  ask("CordonHost", "i");
  ask("UncordonHost", "i");
  ask("UpdateHost", "i");
  ask("EmergencyStop", "");
  ask("LiftEmergencyStop", "");
  Request freeze = RequestFor(Method("FreezeFleet"), "");
  auto& request = static_cast<v1::FreezeFleetRequest&>(freeze.message());
  request.mutable_end_time()->set_seconds(planned.create_time().seconds() +
                                          3600);
  ExpectOnce("FreezeFleet", freeze);
  ask("UnfreezeFleet", "");
}

}  // namespace
}  // namespace baton::rpc
