#include "tests/herd/herd.h"

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "baton/v1/driver.grpc.pb.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "package/driver_package.h"
#include "proto/status_codec.h"
#include "tests/herd/process.h"
#include "tests/herd/sim_agent.h"
#include "tests/support/seeded_random.h"

namespace baton::herd {
namespace {

constexpr char kRollout[] = "rollouts/r";
constexpr char kDriver[] = "drivers/softgpu/versions/2.0";
constexpr absl::Duration kCallMax = absl::Minutes(1);
constexpr absl::Duration kLook = absl::Milliseconds(5);
// What the service is asked for while others wait for it.
constexpr absl::Duration kPoll = absl::Milliseconds(200);
// However little happens, a life of the service ends.
constexpr absl::Duration kLifeMax = absl::Seconds(2);
constexpr absl::Duration kFinishMax = absl::Minutes(5);

// Where the service may end itself, and how often it passes there at most
// before it does.
struct Place {
  const char* name = "";
  int hits = 1;
};
constexpr Place kPlaces[] = {
    {"service.before_commit", 8}, {"service.after_commit", 8},
    {"service.after_answer", 12}, {"service.after_send", 12},
    {"service.before_say", 12},   {"service.after_say", 12},
    {"service.after_hear", 12},   {"service.before_epoch"},
    {"service.before_listen"},    {"service.after_listen"}};

class Herd {
 public:
  explicit Herd(const Options& options)
      : options_(options),
        random_(options.seed),
        address_(absl::StrCat("unix:", options.directory, "/s")) {}
  ~Herd() { allowance_.Raise(options_.hosts); }
  Herd(const Herd&) = delete;
  Herd& operator=(const Herd&) = delete;

  Result Run() {
    const absl::Duration begun = RealClock().Monotonic();
    result_.status = RunAll();
    result_.seconds = absl::ToDoubleSeconds(RealClock().Monotonic() - begun);
    return result_;
  }

 private:
  absl::Status RunAll() {
    RETURN_IF_ERROR(StartService(""));
    RETURN_IF_ERROR(Push());
    StartAgents();
    RETURN_IF_ERROR(AwaitHosts());
    RETURN_IF_ERROR(StartRollout());
    while (result_.kills < options_.kills) RETURN_IF_ERROR(KillOnce());
    result_.hosts_done_at_last_kill = Ended();
    allowance_.Raise(options_.hosts);
    RETURN_IF_ERROR(StartService(""));
    RETURN_IF_ERROR(AwaitSuccess());
    RETURN_IF_ERROR(CheckFleet());
    for (const auto& agent : agents_) RETURN_IF_ERROR(agent->Check());
    return absl::OkStatus();
  }

  // `fail_point`  NAME=kill@HIT; empty: none
  absl::Status StartService(const std::string& fail_point) {
    batond_ = nullptr;
    std::vector<std::string> environment;
    if (!fail_point.empty()) {
      environment.push_back("BATON_FAIL_POINT=" + fail_point);
    }
    batond_ = std::make_unique<Process>(
        std::vector<std::string>{options_.batond, "--listen=" + address_,
                                 "--data=" + options_.directory + "/data",
                                 "--disk-reserve-mib=0", "--log-level=warning"},
        environment, options_.directory + "/batond.log");
    if (batond_->AwaitReady() || !fail_point.empty()) return absl::OkStatus();
    return absl::InternalError("batond did not start: see its log");
  }

  // One more life of the service, and its end: at a fail point, or from outside
  // once nobody more, or one more host, is done.
  absl::Status KillOnce() {
    const bool itself = random_.OneIn(2);
    std::string cause = "SIGKILL";
    std::string fail_point;
    if (itself) {
      const Place& place = kPlaces[random_.Below(std::size(kPlaces))];
      cause = place.name;
      fail_point =
          absl::StrCat(cause, "=kill@",
                       1 + random_.Below(static_cast<uint64_t>(place.hits)));
    }
    if (result_.kills > 0 || itself) RETURN_IF_ERROR(StartService(fail_point));
    // Somebody must be left for each kill to come, and one may be on its way
    // beside whom this life waits for.
    const int most = options_.hosts - (options_.kills - result_.kills - 1);
    const int wanted =
        std::min(Ended() + static_cast<int>(random_.Below(2)), most);
    allowance_.Raise(std::min(wanted + 1, most));
    const absl::Duration more =
        absl::Milliseconds(static_cast<int64_t>(random_.Below(40)));
    const absl::Duration until = RealClock().Monotonic() + kLifeMax;
    bool ended = false;
    while (!ended && RealClock().Monotonic() < until &&
           (Ended() < wanted || (itself && Ended() == wanted))) {
      ended = batond_->AwaitEnd(kLook);
    }
    if (!ended) ended = batond_->AwaitEnd(more);
    if (!ended) cause = "SIGKILL";
    batond_->Kill();
    ++result_.kills;
    ++result_.by_cause[cause];
    return absl::OkStatus();
  }

  int Ended() const {
    return static_cast<int>(
        std::count_if(agents_.begin(), agents_.end(),
                      [](const auto& agent) { return agent->ended(); }));
  }

  void StartAgents() {
    const std::string path = options_.directory + "/old.so";
    std::ofstream(path) << "old driver";
    const agent::core::Image old_image = {path, Sha256Of("old driver"),
                                          "softgpu", "1.0"};
    for (int number = 1; number <= options_.hosts; ++number) {
      agents_.push_back(std::make_unique<SimAgent>(
          absl::StrCat("hosts/h-", number), address_, old_image, allowance_));
    }
  }

  // ---- What operators do.

  template <typename Stub>
  std::unique_ptr<Stub> Dial(std::unique_ptr<Stub> (*make)(
      const std::shared_ptr<grpc::ChannelInterface>&,
      const grpc::StubOptions&)) {
    return make(
        grpc::CreateChannel(address_, grpc::InsecureChannelCredentials()),
        grpc::StubOptions());
  }

  static void Prepare(grpc::ClientContext& context) {
    context.set_deadline(absl::ToChronoTime(RealClock().Now() + kCallMax));
    context.set_wait_for_ready(true);
  }

  absl::Status Push() {
    const std::string image = options_.directory + "/image.so";
    std::ofstream(image) << "new driver";
    v1::DriverManifest manifest;
    manifest.set_driver("softgpu");
    manifest.set_version("2.0");
    manifest.add_pci_ids("1b70:0001");
    manifest.mutable_state_format()->set_writes(1);
    manifest.mutable_state_format()->add_reads(1);
    const std::string path = options_.directory + "/2.0.pkg";
    RETURN_IF_ERROR(PackDriver(manifest, image, path).status());
    std::stringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    const auto drivers = Dial(&v1::DriverService::NewStub);
    grpc::ClientContext context;
    Prepare(context);
    v1::UploadDriverResponse response;
    const auto writer = drivers->UploadDriver(&context, &response);
    v1::UploadDriverRequest request;
    request.mutable_header()->set_name(kDriver);
    request.mutable_header()->set_digest(Sha256Of(bytes.str()));
    request.mutable_header()->set_size_bytes(bytes.str().size());
    writer->Write(request);
    request.set_chunk(bytes.str());
    writer->Write(request);
    writer->WritesDone();
    return FromGrpc(writer->Finish());
  }

  absl::Status AwaitHosts() {
    const auto fleet = Dial(&v1::FleetService::NewStub);
    const absl::Duration until = RealClock().Monotonic() + kFinishMax;
    while (RealClock().Monotonic() < until) {
      ASSIGN_OR_RETURN(const v1::ListHostsResponse hosts, ListHosts(*fleet));
      const auto ready = std::count_if(
          hosts.hosts().begin(), hosts.hosts().end(), [](const v1::Host& host) {
            return host.state() == v1::HOST_STATE_READY;
          });
      if (ready == options_.hosts) return absl::OkStatus();
      (void)batond_->AwaitEnd(kPoll);
    }
    return absl::DeadlineExceededError("not all hosts became READY");
  }

  static absl::StatusOr<v1::ListHostsResponse> ListHosts(
      v1::FleetService::Stub& fleet) {
    grpc::ClientContext context;
    Prepare(context);
    v1::ListHostsRequest request;
    request.set_page_size(1000);
    v1::ListHostsResponse response;
    RETURN_IF_ERROR(FromGrpc(fleet.ListHosts(&context, request, &response)));
    return response;
  }

  absl::Status StartRollout() {
    const auto rollouts = Dial(&v1::RolloutService::NewStub);
    v1::CreateRolloutRequest create;
    create.set_name(kRollout);
    create.mutable_spec()->set_driver(kDriver);
    create.mutable_spec()->set_selector("*");
    create.mutable_spec()->mutable_limits()->set_max_unavailable(
        std::max(1, options_.hosts / 100));
    v1::CreateRolloutResponse created;
    v1::PlanRolloutRequest plan;
    plan.set_name(kRollout);
    v1::PlanRolloutResponse planned;
    v1::StartRolloutRequest start;
    start.set_name(kRollout);
    v1::StartRolloutResponse started;
    grpc::ClientContext contexts[3];
    for (grpc::ClientContext& context : contexts) Prepare(context);
    RETURN_IF_ERROR(
        FromGrpc(rollouts->CreateRollout(&contexts[0], create, &created)));
    RETURN_IF_ERROR(
        FromGrpc(rollouts->PlanRollout(&contexts[1], plan, &planned)));
    start.set_digest(planned.rollout().plan().digest());
    return FromGrpc(rollouts->StartRollout(&contexts[2], start, &started));
  }

  // L1, L2: it ends, and the service has heard so of every agent.
  absl::Status AwaitSuccess() {
    const auto rollouts = Dial(&v1::RolloutService::NewStub);
    const absl::Duration until = RealClock().Monotonic() + kFinishMax;
    v1::GetRolloutResponse response;
    while (RealClock().Monotonic() < until) {
      grpc::ClientContext context;
      Prepare(context);
      v1::GetRolloutRequest request;
      request.set_name(kRollout);
      RETURN_IF_ERROR(
          FromGrpc(rollouts->GetRollout(&context, request, &response)));
      const v1::RolloutState state = response.rollout().state();
      const bool told =
          std::all_of(agents_.begin(), agents_.end(),
                      [](const auto& agent) { return agent->acknowledged(); });
      if (state == v1::ROLLOUT_STATE_SUCCEEDED && told) {
        return absl::OkStatus();
      }
      if (state != v1::ROLLOUT_STATE_RUNNING &&
          state != v1::ROLLOUT_STATE_SUCCEEDED) {
        break;
      }
      (void)batond_->AwaitEnd(kPoll);
    }
    return absl::InternalError(
        absl::StrCat("the rollout did not succeed: ",
                     response.rollout().ShortDebugString().substr(0, 2000)));
  }

  absl::Status CheckFleet() {
    const auto fleet = Dial(&v1::FleetService::NewStub);
    ASSIGN_OR_RETURN(const v1::ListHostsResponse hosts, ListHosts(*fleet));
    if (hosts.hosts_size() != options_.hosts) {
      return absl::InternalError(
          absl::StrCat("the service knows ", hosts.hosts_size(), " hosts"));
    }
    for (const v1::Host& host : hosts.hosts()) {
      if (host.state() != v1::HOST_STATE_READY) {
        return absl::InternalError(absl::StrCat(
            host.name(), " is ", v1::HostState_Name(host.state())));
      }
    }
    return absl::OkStatus();
  }

  const Options options_;
  support::SeededRandom random_;
  const std::string address_;
  Allowance allowance_;
  std::unique_ptr<Process> batond_;
  std::vector<std::unique_ptr<SimAgent>> agents_;
  Result result_;
};

}  // namespace

Result Run(const Options& options) { return Herd(options).Run(); }

}  // namespace baton::herd
