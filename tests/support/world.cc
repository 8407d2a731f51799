#include "tests/support/world.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "service/core/index.h"
#include "service/core/invariants.h"
#include "tests/support/stage.h"

namespace baton::support {
namespace {

constexpr int kRoundsMax = 5000;

core::Fleet DurableOf(core::Fleet fleet) {
  for (auto& [name, host] : fleet.hosts) {
    host.stream = 0;
    host.last_heard = absl::InfinitePast();
    host.version = 0;
  }
  fleet.settings = {};
  fleet.now = absl::UnixEpoch();
  fleet.revision = 0;
  core::Reindex(fleet);
  return fleet;
}

}  // namespace

// Carries orders to an agent over the network, even when it is late.
class World::WorldLink final : public runtime::Link {
 public:
  WorldLink(World& world, FakeAgent& agent, uint64_t stream)
      : world_(world), agent_(agent), stream_(stream) {}

  void Send(const core::Order& order) override {
    world_.Send([this_agent = &agent_, order] { this_agent->OnOrder(order); });
  }
  void Close(const absl::Status&) override {
    if (agent_.stream == stream_) agent_.stream = 0;
  }

 private:
  World& world_;
  FakeAgent& agent_;
  const uint64_t stream_;
};

// Remembers what the last turn changed.
class World::Recorder final : public runtime::Watcher {
 public:
  void OnTurn(const core::Fleet&, const core::Changes& changes) override {
    last = changes;
  }
  core::Changes last;
};

World::World(const Options& options)
    : lossy_(options.lossy), random_(options.seed) {
  agents_.reserve(options.hosts);
  for (int number = 1; number <= options.hosts; ++number) {
    agents_.emplace_back(HostName(number));
  }
  RestartService();
  const bool lossy = std::exchange(lossy_, false);
  CHECK(Call(core::DriverStored{MakeDriver("1.0")}).ok());
  CHECK(Call(core::DriverStored{MakeDriver("2.0")}).ok());
  Round();
  lossy_ = lossy;
}

World::~World() = default;

const core::Rollout& World::rollout() const {
  return fleet().rollouts.at(kRollout);
}

void World::Note(const absl::Status& status) {
  if (violation.ok()) violation = status;
}

void World::RestartService() {
  const bool first = loop_ == nullptr;
  ++life_;
  for (FakeAgent& agent : agents_) agent.stream = 0;
  loop_.reset();
  disk_.commits_until_failure = -1;
  store_ = store::OpenMemoryStore(disk_);
  auto loop = runtime::FleetLoop::Create({}, {clock_, *store_});
  CHECK(loop.ok());
  loop_ = *std::move(loop);
  recorder_ = std::make_shared<Recorder>();
  loop_->feed().Subscribe(recorder_);
  if (!first) CheckRestart(committed_);
  committed_ = fleet();
}

// All that was committed is there again; only a start of the service was added.
void World::CheckRestart(const core::Fleet& before) {
  if (fleet().epoch <= before.epoch) {
    Note(absl::InternalError("S13: the epoch did not grow"));
  }
  core::Fleet after = DurableOf(fleet());
  core::Fleet was = DurableOf(before);
  after.epoch = was.epoch;
  after.audit_sequence = was.audit_sequence;
  after.audit_hash = was.audit_hash;
  if (!(after == was)) {
    Note(absl::InternalError("a restart changed what was committed"));
  }
}

absl::Status World::Call(core::EventBody body) {
  absl::Status answer = absl::UnknownError("not answered");
  CHECK(loop_
            ->Post("alice", std::move(body),
                   [&](const absl::Status& status, const core::Fleet&) {
                     answer = status;
                   })
            .ok());
  Turn();
  return answer;
}

void World::Start(const core::RolloutSpec& spec) {
  CHECK(Call(core::CreateRollout{kRollout, spec}).ok());
  CHECK(Call(core::PlanRollout{kRollout}).ok());
  CHECK(Call(core::StartRollout{kRollout, rollout().plan->digest}).ok());
}

void World::Turn() {
  const core::Fleet before = fleet();
  recorder_->last = core::Changes{};
  if (!loop_->RunOnce(absl::ZeroDuration()).ok()) {
    // What was never durable was never there.
    committed_ = before;
    RestartService();
    return;
  }
  Note(core::CheckTransition(before, recorder_->last, fleet()));
  Note(core::CheckInvariants(fleet()));
  committed_ = fleet();
}

void World::Send(std::function<void()> message) {
  if (!lossy_) {
    network_.push_back(std::move(message));
    return;
  }
  if (random_.OneIn(10)) return;
  if (random_.OneIn(10)) network_.push_back(message);
  network_.push_back(std::move(message));
}

void World::Deliver() {
  if (network_.empty()) return;
  const size_t which = lossy_ ? random_.Below(network_.size()) : 0;
  const std::function<void()> message = std::move(network_[which]);
  network_.erase(network_.begin() + static_cast<ptrdiff_t>(which));
  message();
}

void World::DropStream(FakeAgent& agent) {
  if (agent.stream == 0) return;
  const core::HostDisconnected gone{agent.host(), agent.stream};
  agent.stream = 0;
  Send([this, gone, life = life_] {
    if (life == life_) (void)loop_->Post("agent", gone, nullptr);
  });
}

void World::Connect(FakeAgent& agent) {
  agent.stream = loop_->NewStream();
  const auto link = std::make_shared<WorldLink>(*this, agent, agent.stream);
  Send([this, hello = agent.Hello(), link, life = life_] {
    if (life == life_) (void)loop_->Connect(hello, link, nullptr);
  });
}

void World::Say(FakeAgent& agent) {
  const core::HostHeard heard{agent.host(), agent.stream, agent.Inventory()};
  Send([this, heard, life = life_, to = &agent] {
    if (life != life_) return;
    (void)loop_->Post("agent", heard,
                      [to, stream = heard.stream](const absl::Status& status,
                                                  const core::Fleet&) {
                        // A stream whose words are refused is ended.
                        if (!status.ok() && to->stream == stream)
                          to->stream = 0;
                      });
  });
  const std::optional<core::UpdateReport> report = agent.Report();
  if (!report.has_value()) return;
  const core::UpdateReported reported{agent.host(), agent.stream, *report};
  Send([this, reported, life = life_, to = &agent] {
    if (life != life_) return;
    (void)loop_->Post("agent", reported,
                      [this, to, attempt = reported.report.attempt,
                       sequence = reported.report.sequence](
                          const absl::Status& status, const core::Fleet&) {
                        if (!status.ok()) return;
                        Send([=] { to->OnAck(attempt, sequence); });
                      });
  });
}

void World::Act(FakeAgent& agent) {
  agent.Step();
  if (agent.stream == 0) {
    Connect(agent);
  } else {
    Say(agent);
  }
}

void World::Round() {
  for (FakeAgent& agent : agents_) Act(agent);
  while (!network_.empty()) Deliver();
  clock_.Advance(absl::Seconds(1));
  Turn();
}

bool World::RunUntil(const std::function<bool()>& done) {
  for (int round = 0; round < kRoundsMax; ++round) {
    if (done()) return true;
    Round();
  }
  return done();
}

}  // namespace baton::support
