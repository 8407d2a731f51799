#include "tests/herd/sim_agent.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/random.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace baton::herd {
namespace {

using agent::core::Step;

constexpr size_t kMailboxMax = 256;
constexpr int kReconnectMs = 20;

agent::StagedPackage NewPackage() {
  agent::StagedPackage package;
  package.name = "new";
  package.image = {"/new.so", Sha256Of("new driver"), "softgpu", "2.0"};
  package.pci_ids = {"1b70:0001"};
  package.writes_format = 1;
  package.reads_formats = {1};
  return package;
}

std::shared_ptr<grpc::Channel> Dial(const std::string& service) {
  grpc::ChannelArguments arguments;
  // Each its own connection, as hosts have.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  for (const char* argument :
       {GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
        GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, GRPC_ARG_MAX_RECONNECT_BACKOFF_MS}) {
    arguments.SetInt(argument, kReconnectMs);
  }
  return grpc::CreateCustomChannel(service, grpc::InsecureChannelCredentials(),
                                   arguments);
}

absl::Status Broken(const std::string& host, absl::string_view what) {
  return absl::InternalError(absl::StrCat(host, ": ", what));
}

}  // namespace

SimAgent::SimAgent(const std::string& name, const std::string& service,
                   const agent::core::Image& old_image, Allowance& allowance)
    : name_(name),
      shim_(old_image),
      stage_(NewPackage()),
      steps_({RealClock(), shim_, gate_, stage_, machine_}),
      mailbox_(kMailboxMax) {
  shim_.adapter().set_driver("softgpu");
  shim_.adapter().set_image_digest(old_image.digest);
  shim_.AddVgpu("guest-1");
  machine_.memory = uint64_t{1} << 40;
  stage_.on_add = [this, &allowance] {
    if (!std::exchange(allowed_, true)) allowance.Take();
  };
  worker_ = std::make_unique<agent::ThreadWorker>(
      steps_, [this] { (void)mailbox_.TryPost({}); });
  agent::Link::Options options;
  options.host = name;
  options.boot_id = "boot-1";
  options.agent_version = "0.1.0";
  options.reconnect = {absl::Milliseconds(20), absl::Milliseconds(200)};
  link_ = std::make_unique<agent::Link>(
      options, Dial(service), RealClock(), RealRandom(),
      [this](agent::FromService news) {
        return mailbox_.TryPost(
            {agent::Message::Kind::kService, std::move(news)});
      });
  loop_ = std::make_unique<agent::AgentLoop>(
      agent::AgentLoop::Options{.boot_id = "boot-1"}, agent::core::Update(),
      agent::AgentLoop::Ports{RealClock(), RealRandom(), journal_, *link_,
                              *worker_},
      mailbox_);
  thread_ = std::thread([this] { Run(); });
}

SimAgent::~SimAgent() { Stop(); }

void SimAgent::Run() {
  while (!loop_->Stopped() && loop_->Turn(absl::Seconds(1)).ok()) {
    const agent::core::Update& update = loop_->update();
    ended_ = update.phase == agent::core::Phase::kEnded;
    acknowledged_ = ended_ && !agent::core::Unacknowledged(update);
  }
}

void SimAgent::Stop() {
  if (!thread_.joinable()) return;
  while (!mailbox_.TryPost({agent::Message::Kind::kStop, {}})) {
    std::this_thread::yield();
  }
  thread_.join();
  link_ = nullptr;
}

absl::Status SimAgent::Check() {
  Stop();
  const agent::core::Update& update = loop_->update();
  if (update.end != agent::core::End::kDone) {
    return Broken(name_, absl::StrCat("ended ", Name(update.end), ": ",
                                      update.reason, " ", update.message));
  }
  for (const Step step : {Step::kPrepare, Step::kPause, Step::kUnload,
                          Step::kRestore, Step::kResume, Step::kCommit}) {
    const auto times = std::count(shim_.calls.begin(), shim_.calls.end(), step);
    if (times != 1) {
      return Broken(name_, absl::StrCat("step '", Name(step), "' was taken ",
                                        times, " times"));
    }
  }
  if (!shim_.engines_run()) return Broken(name_, "its engines stand");
  if (!gate_.open) return Broken(name_, "its gate is closed");
  if (journal_.written.finished_attempt != 1) {
    return Broken(name_, absl::StrCat("its journal has finished attempt ",
                                      journal_.written.finished_attempt));
  }
  return absl::OkStatus();
}

}  // namespace baton::herd
