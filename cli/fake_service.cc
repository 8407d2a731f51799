#include "cli/fake_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/reason.h"
#include "cli/render/golden.h"
#include "grpcpp/server_builder.h"
#include "proto/status_codec.h"

namespace baton::cli {
namespace {

// Removes and returns the request's id, where it has one.
std::string TakeRequestId(google::protobuf::Message& request) {
  const auto* field = request.GetDescriptor()->FindFieldByName("request_id");
  if (field == nullptr) return "";
  std::string id = request.GetReflection()->GetString(request, field);
  request.GetReflection()->ClearField(&request, field);
  return id;
}

grpc::Status NotFound(absl::string_view reason, absl::string_view name) {
  return ToGrpc(ErrorWithReason(absl::StatusCode::kNotFound, reason,
                                absl::StrCat("'", name, "' is not known")));
}

v1::Rollout RolloutIn(const std::string& name, v1::RolloutState state) {
  v1::Rollout rollout = Sample<v1::Rollout>("rollout.txtpb");
  rollout.set_name(name);
  rollout.set_state(state);
  return rollout;
}

// The first of `scripts`, which it leaves.
template <typename Script>
Script TakeFirst(std::vector<Script>& scripts) {
  if (scripts.empty()) return {.end = absl::UnavailableError("no script")};
  Script first = scripts.front();
  scripts.erase(scripts.begin());
  return first;
}

}  // namespace

template <typename Script, typename Response>
grpc::Status FakeService::Play(const Script& script,
                               grpc::ServerWriter<Response>& writer) {
  for (const Response& message : script.messages) writer.Write(message);
  if (script.then == Then::kStayOpen) StayOpen();
  return ToGrpc(script.end);
}

// Two hosts a page.
class FakeService::Fleet final : public v1::FleetService::Service {
 public:
  explicit Fleet(FakeService& fake) : fake_(fake) {}

  grpc::Status ListHosts(grpc::ServerContext* context,
                         const v1::ListHostsRequest* request,
                         v1::ListHostsResponse* response) override {
    if (auto s = fake_.Note(*context, "ListHosts", *request); !s.ok()) return s;
    const int from = request->page_token().empty() ? 0 : 2;
    for (int i = from; i < std::min(from + 2, hosts_.hosts_size()); ++i) {
      *response->add_hosts() = hosts_.hosts(i);
    }
    if (from == 0) response->set_next_page_token("2");
    return grpc::Status::OK;
  }

  grpc::Status GetHost(grpc::ServerContext* context,
                       const v1::GetHostRequest* request,
                       v1::GetHostResponse* response) override {
    if (auto s = fake_.Note(*context, "GetHost", *request); !s.ok()) return s;
    return Find(request->name(), response->mutable_host());
  }

  grpc::Status UpdateHost(grpc::ServerContext* context,
                          const v1::UpdateHostRequest* request,
                          v1::UpdateHostResponse* response) override {
    if (auto s = fake_.Note(*context, "UpdateHost", *request); !s.ok()) {
      return s;
    }
    grpc::Status found = Find(request->name(), response->mutable_host());
    v1::Host& host = *response->mutable_host();
    for (const auto& [key, value] : host.operator_labels()) {
      host.mutable_labels()->erase(key);
    }
    *host.mutable_operator_labels() = request->operator_labels();
    for (const auto& [key, value] : request->operator_labels()) {
      (*host.mutable_labels())[key] = value;
    }
    return found;
  }

  grpc::Status CordonHost(grpc::ServerContext* context,
                          const v1::CordonHostRequest* request,
                          v1::CordonHostResponse* response) override {
    if (auto s = fake_.Note(*context, "CordonHost", *request); !s.ok()) {
      return s;
    }
    return Find(request->name(), response->mutable_host());
  }

  grpc::Status UncordonHost(grpc::ServerContext* context,
                            const v1::UncordonHostRequest* request,
                            v1::UncordonHostResponse* response) override {
    if (auto s = fake_.Note(*context, "UncordonHost", *request); !s.ok()) {
      return s;
    }
    return Find(request->name(), response->mutable_host());
  }

#define BATON_FAKE_VERB(Verb)                                              \
  grpc::Status Verb(grpc::ServerContext* context,                          \
                    const v1::Verb##Request* request,                      \
                    v1::Verb##Response* response) override {               \
    if (auto s = fake_.Note(*context, #Verb, *request); !s.ok()) return s; \
    return Find(request->name(), response->mutable_host());                \
  }
  BATON_FAKE_VERB(ReleaseHost)
  BATON_FAKE_VERB(LiftQuarantine)
#undef BATON_FAKE_VERB

  grpc::Status DeleteHost(grpc::ServerContext* context,
                          const v1::DeleteHostRequest* request,
                          v1::DeleteHostResponse*) override {
    if (auto s = fake_.Note(*context, "DeleteHost", *request); !s.ok()) {
      return s;
    }
    v1::Host host;
    return Find(request->name(), &host);
  }

#define BATON_FAKE_VERB(Verb)                                              \
  grpc::Status Verb(grpc::ServerContext* context,                          \
                    const v1::Verb##Request* request,                      \
                    v1::Verb##Response* response) override {               \
    if (auto s = fake_.Note(*context, #Verb, *request); !s.ok()) return s; \
    *response->mutable_fleet() = Sample<v1::Fleet>("fleet.txtpb");         \
    return grpc::Status::OK;                                               \
  }
  BATON_FAKE_VERB(GetFleet)
  BATON_FAKE_VERB(FreezeFleet)
  BATON_FAKE_VERB(UnfreezeFleet)
  BATON_FAKE_VERB(EmergencyStop)
  BATON_FAKE_VERB(LiftEmergencyStop)
#undef BATON_FAKE_VERB

  grpc::Status ListHistory(grpc::ServerContext* context,
                           const v1::ListHistoryRequest* request,
                           v1::ListHistoryResponse* response) override {
    if (auto s = fake_.Note(*context, "ListHistory", *request); !s.ok()) {
      return s;
    }
    *response = Sample<v1::ListHistoryResponse>("history.txtpb");
    return grpc::Status::OK;
  }

  grpc::Status WatchHosts(
      grpc::ServerContext* context, const v1::WatchHostsRequest* request,
      grpc::ServerWriter<v1::WatchHostsResponse>* writer) override {
    if (auto s = fake_.Note(*context, "WatchHosts", *request); !s.ok()) {
      return s;
    }
    return fake_.Play(fake_.NextHosts(), *writer);
  }

  grpc::Status ExplainHost(grpc::ServerContext* context,
                           const v1::ExplainHostRequest* request,
                           v1::ExplainHostResponse* response) override {
    if (auto s = fake_.Note(*context, "ExplainHost", *request); !s.ok()) {
      return s;
    }
    v1::Host host;
    *response->mutable_explanation() = Sample<v1::Explanation>("why.txtpb");
    return Find(request->name(), &host);
  }

 private:
  grpc::Status Find(const std::string& name, v1::Host* found) const {
    for (const v1::Host& host : hosts_.hosts()) {
      if (host.name() != name) continue;
      *found = host;
      return grpc::Status::OK;
    }
    return NotFound("HOST_NOT_FOUND", name);
  }

  FakeService& fake_;
  const v1::ListHostsResponse hosts_ =
      Sample<v1::ListHostsResponse>("hosts.txtpb");
};

// Knows "rollouts/r1" alone; each verb does what it says.
class FakeService::Rollouts final : public v1::RolloutService::Service {
 public:
  explicit Rollouts(FakeService& fake) : fake_(fake) {}

#define BATON_FAKE_VERB(Verb, state)                                       \
  grpc::Status Verb(grpc::ServerContext* context,                          \
                    const v1::Verb##Request* request,                      \
                    v1::Verb##Response* response) override {               \
    if (auto s = fake_.Note(*context, #Verb, *request); !s.ok()) return s; \
    *response->mutable_rollout() = RolloutIn(request->name(), state);      \
    return Known(request->name());                                         \
  }
  BATON_FAKE_VERB(CreateRollout, v1::ROLLOUT_STATE_DRAFT)
  BATON_FAKE_VERB(GetRollout, v1::ROLLOUT_STATE_RUNNING)
  BATON_FAKE_VERB(PlanRollout, v1::ROLLOUT_STATE_PLANNED)
  BATON_FAKE_VERB(StartRollout, v1::ROLLOUT_STATE_RUNNING)
  BATON_FAKE_VERB(HoldRollout, v1::ROLLOUT_STATE_HELD)
  BATON_FAKE_VERB(ResumeRollout, v1::ROLLOUT_STATE_RUNNING)
  BATON_FAKE_VERB(ApproveRollout, v1::ROLLOUT_STATE_RUNNING)
#undef BATON_FAKE_VERB

  grpc::Status DeleteRollout(grpc::ServerContext* context,
                             const v1::DeleteRolloutRequest* request,
                             v1::DeleteRolloutResponse*) override {
    if (auto s = fake_.Note(*context, "DeleteRollout", *request); !s.ok()) {
      return s;
    }
    return Known(request->name());
  }

#define BATON_FAKE_STOP(Verb, after)                                       \
  grpc::Status Verb(grpc::ServerContext* context,                          \
                    const v1::Verb##Request* request,                      \
                    v1::Verb##Response* response) override {               \
    if (auto s = fake_.Note(*context, #Verb, *request); !s.ok()) return s; \
    *response = Sample<v1::Verb##Response>("stopped.txtpb");               \
    *response->mutable_rollout() = RolloutIn(                              \
        request->name(),                                                   \
        request->validate_only() ? v1::ROLLOUT_STATE_RUNNING : (after));   \
    return Known(request->name());                                         \
  }
  BATON_FAKE_STOP(PauseRollout, v1::ROLLOUT_STATE_HELD)
  BATON_FAKE_STOP(AbortRollout, v1::ROLLOUT_STATE_ABORTING)
#undef BATON_FAKE_STOP

  grpc::Status RollBackRollout(grpc::ServerContext* context,
                               const v1::RollBackRolloutRequest* request,
                               v1::RollBackRolloutResponse* response) override {
    if (auto s = fake_.Note(*context, "RollBackRollout", *request); !s.ok()) {
      return s;
    }
    v1::Rollout& rollout = *response->mutable_rollout();
    rollout = RolloutIn(request->name(), v1::ROLLOUT_STATE_ABORTED);
    if (!request->validate_only()) {
      rollout.set_rollback("rollouts/r1-rollback");
    }
    response->add_hosts("hosts/host-1");
    return Known(request->name());
  }

#define BATON_FAKE_VERB(Verb)                                              \
  grpc::Status Verb(grpc::ServerContext* context,                          \
                    const v1::Verb##Request* request,                      \
                    v1::Verb##Response* response) override {               \
    if (auto s = fake_.Note(*context, #Verb, *request); !s.ok()) return s; \
    return FindUpdate(request->name(), response->mutable_update());        \
  }
  BATON_FAKE_VERB(GetUpdate)
  BATON_FAKE_VERB(SkipUpdate)
  BATON_FAKE_VERB(RetryUpdate)
#undef BATON_FAKE_VERB

  grpc::Status GetCapsule(grpc::ServerContext* context,
                          const v1::GetCapsuleRequest* request,
                          v1::GetCapsuleResponse* response) override {
    if (auto s = fake_.Note(*context, "GetCapsule", *request); !s.ok()) {
      return s;
    }
    *response->mutable_capsule() = Sample<v1::Capsule>("capsule.txtpb");
    if (response->capsule().update() == request->name()) {
      return grpc::Status::OK;
    }
    return NotFound("CAPSULE_NOT_FOUND", request->name());
  }

  grpc::Status ListRollouts(grpc::ServerContext* context,
                            const v1::ListRolloutsRequest* request,
                            v1::ListRolloutsResponse* response) override {
    if (auto s = fake_.Note(*context, "ListRollouts", *request); !s.ok()) {
      return s;
    }
    *response->add_rollouts() =
        RolloutIn("rollouts/r1", v1::ROLLOUT_STATE_RUNNING);
    return grpc::Status::OK;
  }

  grpc::Status ListUpdates(grpc::ServerContext* context,
                           const v1::ListUpdatesRequest* request,
                           v1::ListUpdatesResponse* response) override {
    if (auto s = fake_.Note(*context, "ListUpdates", *request); !s.ok()) {
      return s;
    }
    *response = Sample<v1::ListUpdatesResponse>("updates.txtpb");
    return Known(request->parent());
  }

  grpc::Status ExplainRollout(grpc::ServerContext* context,
                              const v1::ExplainRolloutRequest* request,
                              v1::ExplainRolloutResponse* response) override {
    if (auto s = fake_.Note(*context, "ExplainRollout", *request); !s.ok()) {
      return s;
    }
    *response->mutable_explanation() = Sample<v1::Explanation>("why.txtpb");
    return Known(request->name());
  }

  grpc::Status WatchRollout(
      grpc::ServerContext* context, const v1::WatchRolloutRequest* request,
      grpc::ServerWriter<v1::WatchRolloutResponse>* writer) override {
    if (auto s = fake_.Note(*context, "WatchRollout", *request); !s.ok()) {
      return s;
    }
    return fake_.Play(fake_.NextWatch(), *writer);
  }

 private:
  static grpc::Status Known(const std::string& name) {
    if (name == "rollouts/r1") return grpc::Status::OK;
    return NotFound("ROLLOUT_NOT_FOUND", name);
  }

  static grpc::Status FindUpdate(const std::string& name, v1::Update* found) {
    const auto updates = Sample<v1::ListUpdatesResponse>("updates.txtpb");
    for (const v1::Update& update : updates.updates()) {
      if (update.name() != name) continue;
      *found = update;
      return grpc::Status::OK;
    }
    return NotFound("UPDATE_NOT_FOUND", name);
  }

  FakeService& fake_;
};

class FakeService::Drivers final : public v1::DriverService::Service {
 public:
  explicit Drivers(FakeService& fake) : fake_(fake) {}

  grpc::Status ListDrivers(grpc::ServerContext* context,
                           const v1::ListDriversRequest* request,
                           v1::ListDriversResponse* response) override {
    if (auto s = fake_.Note(*context, "ListDrivers", *request); !s.ok()) {
      return s;
    }
    *response = Sample<v1::ListDriversResponse>("drivers.txtpb");
    return grpc::Status::OK;
  }

  grpc::Status DeleteDriver(grpc::ServerContext* context,
                            const v1::DeleteDriverRequest* request,
                            v1::DeleteDriverResponse*) override {
    return fake_.Note(*context, "DeleteDriver", *request);
  }

  grpc::Status UploadDriver(grpc::ServerContext* context,
                            grpc::ServerReader<v1::UploadDriverRequest>* reader,
                            v1::UploadDriverResponse* response) override {
    v1::UploadDriverRequest request;
    CHECK(reader->Read(&request));
    const v1::UploadDriverHeader header = request.header();
    if (auto s = fake_.Note(*context, "UploadDriver", header); !s.ok()) {
      return s;
    }
    std::string bytes;
    while (reader->Read(&request)) bytes += request.chunk();
    response->mutable_driver()->set_name(header.name());
    response->mutable_driver()->set_digest(Sha256Of(bytes));
    fake_.Keep(std::move(bytes));
    return grpc::Status::OK;
  }

 private:
  FakeService& fake_;
};

class FakeService::Audit final : public v1::AuditService::Service {
 public:
  explicit Audit(FakeService& fake) : fake_(fake) {}

  grpc::Status ListAuditRecords(
      grpc::ServerContext* context, const v1::ListAuditRecordsRequest* request,
      v1::ListAuditRecordsResponse* response) override {
    if (auto s = fake_.Note(*context, "ListAuditRecords", *request); !s.ok()) {
      return s;
    }
    *response = Sample<v1::ListAuditRecordsResponse>("audit.txtpb");
    return grpc::Status::OK;
  }

 private:
  FakeService& fake_;
};

FakeService::FakeService() {
  services_.push_back(std::make_unique<Fleet>(*this));
  services_.push_back(std::make_unique<Rollouts>(*this));
  services_.push_back(std::make_unique<Drivers>(*this));
  services_.push_back(std::make_unique<Audit>(*this));
  grpc::ServerBuilder builder;
  for (const auto& service : services_) builder.RegisterService(service.get());
  server_ = builder.BuildAndStart();
}

FakeService::~FakeService() {
  {
    MutexLock lock(mu_);
    closing_ = true;
    changed_.SignalAll();
  }
  server_->Shutdown();
}

std::shared_ptr<grpc::Channel> FakeService::Channel() {
  return server_->InProcessChannel({});
}

void FakeService::FailWith(absl::Status status) {
  MutexLock lock(mu_);
  fail_with_ = std::move(status);
}

void FakeService::ScriptWatches(std::vector<WatchScript> scripts) {
  MutexLock lock(mu_);
  watches_ = std::move(scripts);
}

void FakeService::ScriptHosts(std::vector<HostsScript> scripts) {
  MutexLock lock(mu_);
  hosts_ = std::move(scripts);
}

std::vector<std::string> FakeService::calls() {
  MutexLock lock(mu_);
  return calls_;
}

std::string FakeService::last_user() {
  MutexLock lock(mu_);
  return user_;
}

std::string FakeService::last_request_id() {
  MutexLock lock(mu_);
  return request_id_;
}

std::string FakeService::uploaded() {
  MutexLock lock(mu_);
  return uploaded_;
}

grpc::Status FakeService::Note(const grpc::ServerContext& context,
                               const char* method,
                               const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> copy(request.New());
  copy->CopyFrom(request);
  MutexLock lock(mu_);
  request_id_ = TakeRequestId(*copy);
  calls_.push_back(absl::StrCat(method, " {", copy->ShortDebugString(), "}"));
  const auto user = context.client_metadata().find("baton-user");
  user_ = user == context.client_metadata().end()
              ? ""
              : std::string(user->second.data(), user->second.size());
  return ToGrpc(fail_with_);
}

FakeService::WatchScript FakeService::NextWatch() {
  MutexLock lock(mu_);
  return TakeFirst(watches_);
}

FakeService::HostsScript FakeService::NextHosts() {
  MutexLock lock(mu_);
  return TakeFirst(hosts_);
}

void FakeService::StayOpen() {
  MutexLock lock(mu_);
  while (!closing_) changed_.WaitFor(mu_, absl::Seconds(1));
}

void FakeService::Keep(std::string bytes) {
  MutexLock lock(mu_);
  uploaded_ = std::move(bytes);
}

}  // namespace baton::cli
