#include "tests/sim/simulation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/convert.h"
#include "base/check.h"
#include "base/reason.h"
#include "service/core/audit.h"
#include "service/core/errors.h"
#include "service/core/explain.h"
#include "service/core/invariants.h"
#include "service/rpc/convert.h"
#include "service/rpc/convert_rollout.h"
#include "tests/support/stage.h"

namespace baton::sim {
namespace {

constexpr absl::Duration kHeartbeat = absl::Seconds(5);
constexpr absl::Duration kTick = absl::Seconds(1);
constexpr absl::Duration kSettleMax = absl::Minutes(40);
// Short, so that orders that are late are too late now and then; twice of it is
// longer than a welcome is waited for, or an agent that was welcomed late would
// take every order for too late.
constexpr absl::Duration kOrderRepeat = absl::Seconds(3);
constexpr absl::Duration kBackupInterval = absl::Seconds(15);

// Few, so that somebody is always sent away when the service comes back; and
// yet a fleet is in within seconds.
core::AdmissionOptions AdmissionOf(int hosts) {
  return {.per_second = std::max(4.0, hosts / 4.0), .burst = 1};
}

std::string NumbersOf(const v1::UpdateReport& report) {
  return absl::StrCat(report.attempt(), "/", report.sequence());
}

}  // namespace

std::string Name(const Planned& planned) {
  if (planned.host == 0) {
    return absl::StrCat("service dies ", planned.after ? "after" : "before",
                        " commit ", planned.commit);
  }
  return absl::StrCat("host-", planned.host, " ", Name(planned.step), ": ",
                      Name(planned.fault));
}

class Simulation::SimClock final : public Clock {
 public:
  explicit SimClock(const Simulation& simulation) : simulation_(simulation) {}
  absl::Time Now() const override {
    return absl::FromUnixSeconds(1'700'000'000) + simulation_.now_ + wall;
  }
  absl::Duration Monotonic() const override { return simulation_.now_; }

  absl::Duration wall = absl::ZeroDuration();  // somebody set it

 private:
  const Simulation& simulation_;
};

// Has each commit judged, and dies before or after one.
class Simulation::SimStore final : public runtime::Store {
 public:
  explicit SimStore(Simulation& simulation)
      : simulation_(simulation),
        store_(store::OpenMemoryStore(simulation.disk_)) {}

  absl::StatusOr<core::Fleet> Load() override { return store_->Load(); }
  absl::Status Commit(const core::Fleet& fleet,
                      const core::Changes& changes) override {
    bool before = simulation_.Draw(simulation_.weather_.service_dies);
    bool after = !before && simulation_.Draw(simulation_.weather_.service_dies);
    ++simulation_.commits_;
    for (const Planned& planned : simulation_.planned_) {
      if (planned.host != 0 || planned.commit != simulation_.commits_) continue;
      before = before || !planned.after;
      after = after || planned.after;
    }
    if (before) return Died();
    absl::Status committed = store_->Commit(fleet, changes);
    if (!committed.ok()) return committed;
    simulation_.Note(simulation_.oracle_.Commit(fleet, changes));
    return after ? Died() : absl::OkStatus();
  }
  absl::StatusOr<std::vector<core::AuditRecord>> ScanAudit(
      const runtime::AuditQuery& query) override {
    return store_->ScanAudit(query);
  }
  absl::StatusOr<std::optional<core::Capsule>> LoadCapsule(
      const std::string& update, absl::Time now) override {
    return store_->LoadCapsule(update, now);
  }

 private:
  static absl::Status Died() {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "STORE_UNAVAILABLE",
                           "injected");
  }

  Simulation& simulation_;
  const std::unique_ptr<runtime::Store> store_;
};

// Carries orders over the wire's own words.
class Simulation::SimLink final : public runtime::Link {
 public:
  SimLink(Simulation& simulation, int host, uint64_t stream)
      : simulation_(simulation), host_(host), stream_(stream) {}

  void Send(const core::Order& order) override {
    const v1::Order word = rpc::ToProto(order);
    agent::FromService news;
    news.kind = word.kind() == v1::ORDER_KIND_CANCEL
                    ? agent::FromService::Kind::kCancel
                    : agent::FromService::Kind::kStart;
    news.epoch = word.epoch();
    news.order = agent::FromProto(word);
    news.order.unknown =
        word.kind() == v1::ORDER_KIND_START ? agent::UnknownIn(word) : "";
    const absl::Duration expires =
        word.has_not_after()
            ? simulation_.now_ + (order.not_after - simulation_.loop_->Now())
            : absl::InfiniteDuration();
    simulation_.Send(
        host_, [this_simulation = &simulation_, host = host_,
                told = std::move(news), expires, not_after = order.not_after,
                clock = simulation_.streams_[host_ - 1].clock] {
          agent::FromService heard = told;
          if (expires < absl::InfiniteDuration()) {
            heard.not_after = clock->When(not_after);
            // Over one stream nothing comes before the welcome.
            if (heard.not_after == absl::InfiniteDuration()) return;
          }
          this_simulation->HearOrder(host, std::move(heard), expires);
        });
  }
  void Close(const absl::Status&) override {
    if (simulation_.streams_[host_ - 1].number == stream_) {
      simulation_.DropStream(host_);
    }
  }

 private:
  Simulation& simulation_;
  const int host_;
  const uint64_t stream_;
};

Simulation::Simulation(const Options& options)
    : options_(options),
      random_(options.seed),
      clock_(std::make_unique<SimClock>(*this)),
      oracle_(
          [this](const std::string& host, uint64_t attempt) {
            const int number = std::stoi(host.substr(host.rfind('-') + 1));
            return hosts_[number - 1]->EndOf(attempt);
          },
          options.hosts <= 10 ? 4 : 8 * options.hosts) {
  streams_.resize(options.hosts);
  StartService();
  CHECK(CallNow(core::DriverStored{support::MakeDriver("1.0")}).ok());
  CHECK(CallNow(core::DriverStored{support::MakeDriver("2.0")}).ok());
  for (int number = 1; number <= options.hosts; ++number) {
    hosts_.push_back(std::make_unique<SimHost>(number, options.images, *clock_,
                                               random_, *this));
  }
  Run(absl::Seconds(10));  // until all are let in
  // From here on.
  commits_ = 0;
  planned_ = options.planned;
  weather_ = options.weather;
  if (weather_.host_fault < absl::InfiniteDuration()) HostFault();
  if (weather_.call < absl::InfiniteDuration()) AnyCall();
  if (weather_.backup > 0) TakeBackup();
}

Simulation::~Simulation() = default;

const core::Fleet& Simulation::fleet() const {
  return loop_ != nullptr ? loop_->fleet() : oracle_.committed();
}

absl::Time Simulation::now() const { return clock_->Now(); }

bool Simulation::Draw(uint64_t one_in) {
  return one_in > 0 && random_.OneIn(one_in);
}

absl::Duration Simulation::Interval(absl::Duration mean) {
  return mean * (0.5 + random_.Uniform());
}

void Simulation::Note(const absl::Status& status) {
  if (!violation.ok() || status.ok()) return;
  violation = status;
  if (options_.trace)
    trace.push_back(absl::StrCat("VIOLATION ", status.message()));
}

void Simulation::TraceLine(int host, const std::string& what) {
  trace.push_back(absl::StrCat(
      absl::FormatDuration(now_ - absl::Hours(1)), " ",
      host == 0 ? "service" : absl::StrCat("host-", host), ": ", what));
}

void Simulation::After(absl::Duration delay, std::function<void()> then) {
  // No clock tells, and no store keeps, what is shorter than a nanosecond.
  delay = absl::Trunc(delay, absl::Nanoseconds(1));
  pending_.push({now_ + delay, ++order_, std::move(then)});
}

void Simulation::Happen() {
  std::function<void()> then =
      std::move(const_cast<Pending&>(pending_.top()).then);
  now_ = pending_.top().at;
  pending_.pop();
  then();
}

void Simulation::Run(absl::Duration time) {
  const absl::Duration until = now_ + time;
  while (violation.ok() && !pending_.empty() && pending_.top().at <= until) {
    Happen();
  }
  now_ = std::max(now_, until);
}

// ---- The service.

void Simulation::StartService() {
  const bool first = life_ == 0;
  ++life_;
  clock_->wall +=
      absl::Seconds(static_cast<int64_t>(random_.Below(7200)) - 3600);
  // A start commits, too: it may die again.
  store_ = std::make_unique<SimStore>(*this);
  auto loop = runtime::FleetLoop::Create(
      {.heartbeat = kHeartbeat, .order_repeat = kOrderRepeat},
      {*clock_, *store_});
  if (!loop.ok()) {
    StopService();
    return;
  }
  loop_ = *std::move(loop);
  Note(oracle_.CheckRestart(loop_->fleet()));
  admission_ = {};
  let_in_ = 0;
  life_began_ = now_;
  if (!first) Trace(0, "started, epoch ", loop_->fleet().epoch);
  WantTurn(kTick);
}

void Simulation::StopService() {
  Trace(0, "dies");
  loop_.reset();
  turn_wanted_ = false;
  ++life_;
  for (int number = 1; number <= hosts(); ++number) {
    if (streams_[number - 1].number != 0) DropStream(number);
  }
  if (backup_.has_value() && Draw(weather_.backup)) {
    Trace(0, "its store is put back to epoch ", backup_->committed.epoch);
    disk_ = backup_->disk;
    oracle_.Rewind(backup_->committed);
  }
  After(absl::Milliseconds(200 + static_cast<int64_t>(random_.Below(2000))),
        [this] {
          if (loop_ == nullptr) StartService();
        });
}

void Simulation::WantTurn(absl::Duration delay) {
  if (delay < kTick) {
    if (turn_wanted_) return;
    turn_wanted_ = true;
  }
  After(delay, [this, life = life_, tick = delay == kTick] {
    if (life != life_) return;
    if (!tick) turn_wanted_ = false;
    ServiceTurn();
    if (life == life_ && tick) WantTurn(kTick);
  });
}

void Simulation::ServiceTurn() {
  if (loop_ == nullptr) return;
  if (!loop_->RunOnce(absl::ZeroDuration()).ok()) StopService();
}

void Simulation::Call(DrawnCall call) {
  if (loop_ == nullptr) return;
  (void)loop_->Post(
      call.actor, std::move(call.body),
      [this, name = call.name](const absl::Status& status, const core::Fleet&) {
        if (Traces()) Trace(0, "call ", name, ": ", status.ToString());
      });
  WantTurn(absl::Milliseconds(1));
}

absl::Status Simulation::CallNow(core::EventBody body) {
  if (loop_ == nullptr) return absl::UnavailableError("the service is away");
  absl::Status answer = absl::UnavailableError("not answered");
  (void)loop_->Post(
      "alice", std::move(body),
      [&](const absl::Status& status, const core::Fleet&) { answer = status; });
  ServiceTurn();
  return answer;
}

// ---- The network.

void Simulation::Send(int host, std::function<void()> message) {
  const auto passes = [this, host] { return !streams_[host - 1].cut; };
  if (!passes() || Draw(weather_.lost)) return;
  const auto carry = [&](std::function<void()> word) {
    absl::Duration delay =
        absl::Microseconds(100 + static_cast<int64_t>(random_.Below(3000)));
    if (Draw(weather_.late)) delay += absl::Seconds(random_.Uniform() * 8);
    After(delay, [passes, told = std::move(word)] {
      if (passes()) told();
    });
  };
  if (Draw(weather_.doubled)) carry(message);
  carry(std::move(message));
}

void Simulation::Dial(int host) {
  Stream& stream = streams_[host - 1];
  if (stream.dialling) return;
  stream.dialling = true;
  After(absl::Milliseconds(100 + static_cast<int64_t>(random_.Below(1500))),
        [this, host] {
          streams_[host - 1].dialling = false;
          if (streams_[host - 1].number == 0) Connect(host);
        });
}

void Simulation::Connect(int host) {
  Stream& stream = streams_[host - 1];
  const std::optional<agent::View>& view = hosts_[host - 1]->view();
  if (!view.has_value()) return;  // Published() dials
  if (loop_ == nullptr || stream.cut) {
    Dial(host);
    return;
  }
  stream.number = loop_->NewStream();
  stream.welcomed = false;
  core::HostConnected hello;
  hello.host = support::HostName(host);
  hello.stream = stream.number;
  hello.boot_id = hosts_[host - 1]->boot_id();
  hello.agent_version = "0.1";
  hello.labels = {{"rack", absl::StrCat("r", host % 5)}};
  hello.inventory = rpc::FromProto(*view->inventory);
  hello.epoch = view->epoch;
  hello.finished_attempt = view->finished_attempt;
  hello.finished_quarantined =
      view->finished_state == v1::UPDATE_STATE_QUARANTINED;
  if (view->report.has_value() &&
      view->report->attempt() == view->finished_attempt) {
    hello.finished_rollout = view->report->rollout();
  }
  if (view->report.has_value() &&
      view->report->state() == v1::UPDATE_STATE_RUNNING) {
    hello.running_attempt = view->report->attempt();
    hello.running_rollout = view->report->rollout();
  }
  stream.clock = std::make_shared<agent::ServiceClock>(now_);
  Send(host, [this, said = std::move(hello), shown = view->inventory, host,
              life = life_]() mutable {
    if (life != life_ || loop_ == nullptr) return;
    HearHello(host, std::move(said), std::move(shown));
  });
  Beat(host);
}

void Simulation::HearHello(int host, core::HostConnected hello, Shown shown) {
  const absl::Duration wait =
      hello.running_attempt > 0
          ? absl::ZeroDuration()
          : core::Admit(AdmissionOf(options_.hosts), now_, admission_);
  if (wait > absl::ZeroDuration()) {
    Trace(host, "is sent away for ", absl::FormatDuration(wait));
    Send(host, [this, host, number = hello.stream, wait] {
      Stream& stream = streams_[host - 1];
      if (stream.number != number) return;
      stream.number = 0;
      stream.dialling = true;
      After(wait, [this, host] {
        streams_[host - 1].dialling = false;
        if (streams_[host - 1].number == 0) Connect(host);
      });
    });
    return;
  }
  const core::AdmissionOptions admission = AdmissionOf(options_.hosts);
  const double most =
      admission.burst +
      admission.per_second * absl::ToDoubleSeconds(now_ - life_began_);
  if (hello.running_attempt == 0 && ++let_in_ > most) {
    Note(absl::InternalError(absl::StrCat(
        "L3: ", let_in_, " agents were let in at once, want ", most)));
  }
  const core::Host* known = core::FindHost(loop_->fleet(), hello.host);
  const bool more =
      hello.epoch > loop_->fleet().epoch ||
      (known != nullptr && std::max(hello.finished_attempt,
                                    hello.running_attempt) > known->attempt);
  const auto welcome = [this, host, stream = hello.stream, epoch = hello.epoch,
                        more, inventory = std::move(shown)](
                           const absl::Status& status,
                           const core::Fleet& fleet) {
    if (streams_[host - 1].number != stream) return;
    if (!status.ok()) {
      Trace(host, "hello refused: ", status.ToString());
      DropStream(host);
      return;
    }
    if (more && !fleet.emergency_stop.has_value() &&
        !fleet.store_doubt.answered) {
      Note(absl::InternalError(absl::StrCat(
          "S3: host-", host, " knows more than the store, which is trusted")));
    }
    if (fleet.epoch < epoch) {
      Note(absl::InternalError(
          absl::StrCat("S3: host-", host, " obeys a later epoch")));
    }
    streams_[host - 1].told = inventory;
    Send(host, [this, host, stream, now = fleet.epoch, told = loop_->Now()] {
      HearWelcome(host, stream, now, told);
    });
  };
  const auto link = std::make_shared<SimLink>(*this, host, hello.stream);
  (void)loop_->Connect(std::move(hello), link, welcome);
  WantTurn(absl::Milliseconds(1));
}

void Simulation::HearWelcome(int host, uint64_t number, uint64_t epoch,
                             absl::Time told) {
  Stream& stream = streams_[host - 1];
  if (stream.number != number) return;
  stream.welcomed = true;
  stream.clock->Welcome(told);
  agent::FromService news;
  news.epoch = epoch;
  hosts_[host - 1]->Hear(news);
  stream.said.clear();
  SayReport(host);
}

// `expires`  when that is in truth
void Simulation::HearOrder(int host, agent::FromService news,
                           absl::Duration expires) {
  Trace(host, "hears order ", static_cast<int>(news.kind), " epoch ",
        news.epoch, " attempt ", news.order.attempt);
  SimHost& on = *hosts_[host - 1];
  const uint64_t before = on.update().order.attempt;
  const uint64_t attempt = news.order.attempt;
  const bool start = news.kind == agent::FromService::Kind::kStart;
  on.Hear(std::move(news));
  const bool begun = before != attempt && on.update().order.attempt == attempt;
  if (start && begun && now_ > expires) {
    Note(absl::InternalError(absl::StrCat(
        "S7: host-", host, " began attempt ", attempt, " ",
        absl::FormatDuration(now_ - expires), " after its order expired")));
  }
}

void Simulation::TakeBackup() {
  After(Interval(kBackupInterval), [this] {
    if (weather_.backup == 0) return;
    if (loop_ != nullptr) backup_ = Backup{disk_, oracle_.committed()};
    TakeBackup();
  });
}

void Simulation::DropStream(int host) {
  Stream& stream = streams_[host - 1];
  const core::HostDisconnected gone{support::HostName(host), stream.number};
  stream.number = 0;
  stream.welcomed = false;
  // Whether the service learns of it is left to the network.
  Send(host, [this, gone, life = life_] {
    if (life != life_ || loop_ == nullptr) return;
    (void)loop_->Post("agent", gone, nullptr);
    WantTurn(absl::Milliseconds(1));
  });
  Dial(host);
}

void Simulation::SayReport(int host) {
  Stream& stream = streams_[host - 1];
  const std::optional<agent::View>& view = hosts_[host - 1]->view();
  if (!stream.welcomed || !view.has_value()) return;
  if (!view->report.has_value()) return;
  std::string numbers =
      absl::StrCat(NumbersOf(*view->report), "/", view->asked_again);
  if (numbers == stream.said) return;
  stream.said = std::move(numbers);
  absl::StatusOr<core::UpdateReport> report = rpc::FromProto(*view->report);
  CHECK(report.ok());
  core::UpdateReported word;
  word.host = support::HostName(host);
  word.stream = stream.number;
  word.report = *std::move(report);
  Send(host, [this, reported = std::move(word), host, life = life_]() mutable {
    if (life != life_ || loop_ == nullptr) return;
    const auto acknowledge = [this, host, spoken = reported.stream,
                              attempt = reported.report.attempt,
                              sequence = reported.report.sequence](
                                 const absl::Status& status,
                                 const core::Fleet&) {
      if (!status.ok()) {
        Trace(host, "report refused: ", status.ToString());
        if (Reason(status) == "ATTEMPT_UNKNOWN" &&
            streams_[host - 1].number == spoken) {
          DropStream(host);  // and says hello again
        }
        if (!core::IsFinal(status)) return;
      }
      agent::FromService news;
      news.kind = agent::FromService::Kind::kAck;
      news.attempt = attempt;
      news.sequence = sequence;
      Send(host, [this, host, news] { hosts_[host - 1]->Hear(news); });
    };
    (void)loop_->Post(absl::StrCat("agent:host-", host), std::move(reported),
                      acknowledge);
    WantTurn(absl::Milliseconds(1));
  });
}

// A sign of life, with all that the service has not heard: nothing depends on
// one word.
void Simulation::Beat(int host) {
  Stream& stream = streams_[host - 1];
  After(kHeartbeat, [this, host, number = stream.number, beat = ++stream.beat] {
    Stream& now = streams_[host - 1];
    if (now.number != number || now.beat != beat) return;
    // Who was not welcomed, or is cut off, finds out.
    if (!now.welcomed || now.cut) {
      DropStream(host);
      return;
    }
    const std::optional<agent::View>& view = hosts_[host - 1]->view();
    if (view.has_value()) {
      core::HostHeard word{support::HostName(host), number};
      // As agents do: until the service has heard it, and not again.
      if (now.told != view->inventory) {
        word.inventory = rpc::FromProto(*view->inventory);
      }
      Send(host, [this, heard = std::move(word), shown = view->inventory, host,
                  life = life_]() mutable {
        if (life != life_ || loop_ == nullptr) return;
        if (!heard.inventory.has_value()) shown = nullptr;
        const auto end = [this, host, spoken = heard.stream,
                          inventory = std::move(shown)](
                             const absl::Status& status, const core::Fleet&) {
          Stream& line = streams_[host - 1];
          if (line.number != spoken) return;
          // A stream whose words are refused is ended.
          if (!status.ok()) {
            DropStream(host);
          } else if (inventory != nullptr) {
            line.told = inventory;
          }
        };
        (void)loop_->Post(absl::StrCat("agent:host-", host), std::move(heard),
                          end);
        WantTurn(absl::Milliseconds(1));
      });
      now.said.clear();
      SayReport(host);
    }
    Beat(host);
  });
}

void Simulation::Published(int host) {
  if (hosts_.size() < static_cast<size_t>(host)) {
    Dial(host);
    return;
  }
  if (streams_[host - 1].number == 0) {
    Dial(host);
  } else {
    SayReport(host);
  }
}

void Simulation::Restarted(int host) {
  if (streams_[host - 1].number != 0) DropStream(host);
}

// ---- What goes wrong.

StepFault Simulation::DrawFault(int host, agent::core::Step step) {
  StepFault fault = StepFault::kNone;
  for (Planned& planned : planned_) {
    if (planned.host != host || planned.step != step) continue;
    if (planned.fault == StepFault::kNone) continue;
    fault = std::exchange(planned.fault, StepFault::kNone);
    break;
  }
  if (fault == StepFault::kNone && Draw(weather_.step_fault)) {
    fault = static_cast<StepFault>(
        1 + random_.Below(static_cast<uint64_t>(kLastStepFault)));
  }
  if (fault == StepFault::kNone) return fault;
  Trace(host, "fault at ", Name(step), ": ", Name(fault));
  SimHost& on = *hosts_[host - 1];
  switch (fault) {
    case StepFault::kAgentDiesBefore:
      After(absl::ZeroDuration(), [&on] { on.RestartAgent(); });
      return StepFault::kNobodyThere;
    case StepFault::kAgentDiesAfter:
      After(absl::ZeroDuration(), [&on] { on.RestartAgent(); });
      return StepFault::kNone;
    case StepFault::kReboots:
      After(absl::ZeroDuration(), [&on] { on.Reboot(); });
      return StepFault::kNone;
    case StepFault::kJournalFails:
      on.FailJournal();
      return StepFault::kNone;
    case StepFault::kNone:
    case StepFault::kFails:
    case StepFault::kHangs:
    case StepFault::kBreaks:
    case StepFault::kLosesVgpu:
    case StepFault::kAnswerLost:
    case StepFault::kNobodyThere:
      return fault;
  }
  return fault;
}

void Simulation::HostFault() {
  After(Interval(weather_.host_fault), [this] {
    if (weather_.host_fault == absl::InfiniteDuration()) return;
    const int number = static_cast<int>(1 + random_.Below(hosts_.size()));
    switch (random_.Below(6)) {
      case 0:
        hosts_[number - 1]->RestartAgent();
        break;
      case 1:
        hosts_[number - 1]->Reboot();
        break;
      case 2:
        hosts_[number - 1]->FailJournal();
        break;
      case 3:
        DropStream(number);
        break;
      default:
        Trace(number, "is cut off");
        streams_[number - 1].cut = true;
        After(absl::Seconds(random_.Uniform() * 60), [this, number] {
          streams_[number - 1].cut = false;
          Trace(number, "can be reached again");
        });
    }
    HostFault();
  });
}

void Simulation::AnyCall() {
  After(Interval(weather_.call), [this] {
    if (weather_.call == absl::InfiniteDuration()) return;
    VerbContext context{fleet(), random_, hosts(), now()};
    DrawnCall call = DrawCall(context);
    // Somebody has looked at what an older store does not know.
    if (fleet().emergency_stop.has_value() && random_.OneIn(2)) {
      call = {};
      call.name = "lift";
      call.actor = "alice";
      call.body = core::LiftEmergencyStop{"we looked"};
    }
    // Whoever lifts a quarantine has seen to the host.
    if (call.repairs > 0) hosts_[call.repairs - 1]->Repair();
    Call(std::move(call));
    AnyCall();
  });
}

// ---- How it ends.

void Simulation::Heal() {
  weather_ = {};
  planned_.clear();
  for (Stream& stream : streams_) stream.cut = false;
}

bool Simulation::AtRest() const {
  if (loop_ == nullptr) return false;
  for (const auto& host : hosts_) {
    if (!host->AtRest() || streams_[host->number() - 1].number == 0) {
      return false;
    }
  }
  for (const auto& [name, host] : loop_->fleet().hosts) {
    if (!host.rollout.empty()) return false;
  }
  return true;
}

void Simulation::Settle() {
  int quiet = 0;
  const absl::Duration until = now_ + kSettleMax;
  while (violation.ok() && now_ < until && quiet < 6) {
    Run(absl::Seconds(5));
    quiet = AtRest() ? quiet + 1 : 0;
  }
  if (violation.ok() && quiet == 0) {
    std::string who;
    for (const auto& host : hosts_) {
      if (!host->AtRest()) absl::StrAppend(&who, " host-", host->number());
    }
    for (const auto& [name, host] : fleet().hosts) {
      if (!host.rollout.empty()) absl::StrAppend(&who, " slot of ", name.str());
    }
    Note(absl::InternalError(
        absl::StrCat("L1: still under way after hours:", who)));
  }
  if (violation.ok()) CheckEnd();
}

void Simulation::EndAll() {
  std::vector<std::string> open;
  for (const auto& [name, rollout] : fleet().rollouts) {
    if (!core::IsFinished(rollout.state)) open.push_back(name);
  }
  for (const std::string& name : open) {
    if (fleet().rollouts.at(name).state == core::RolloutState::kAborting) {
      continue;
    }
    Note(CallNow(core::AbortRollout{name, "enough"}));
  }
  Settle();
  for (const std::string& name : open) {
    const core::RolloutState state = fleet().rollouts.at(name).state;
    if (core::IsFinished(state)) continue;
    Note(absl::InternalError(absl::StrCat(
        "L4: '", name, "' was aborted and is ", core::Name(state))));
  }
}

void Simulation::CheckEnd() {
  Note(core::CheckInvariants(fleet()));
  CheckAgreement();
  CheckReasons();
  for (const auto& host : hosts_) {
    if (host->gate_closed() && !host->quarantined()) {
      Note(absl::InternalError(absl::StrCat(
          "L5: the gate of host-", host->number(), " is closed and nobody's")));
    }
  }
}

// L2: what the service recorded of each attempt is what its agent did.
void Simulation::CheckAgreement() {
  for (const auto& [name, rollout] : fleet().rollouts) {
    for (const auto& [host, update] : rollout.updates) {
      if (update.attempt == 0 || !core::HasEnded(update.state)) continue;
      if (update.state == core::UpdateState::kQuarantined) continue;
      if (update.state == core::UpdateState::kSkipped) continue;
      const int number =
          std::stoi(host.str().substr(host.str().rfind('-') + 1));
      const bool done = update.state == core::UpdateState::kDone;
      const agent::core::End end = hosts_[number - 1]->EndOf(update.attempt);
      if (done == (end == agent::core::End::kDone)) continue;
      Note(absl::InternalError(absl::StrCat("L2: '", host.str(), "' is ",
                                            core::Name(update.state),
                                            ", its agent says ", Name(end))));
    }
  }
}

// Nothing stands still without a reason.
void Simulation::CheckReasons() {
  for (const auto& [name, rollout] : fleet().rollouts) {
    if (core::IsFinished(rollout.state)) continue;
    const auto why = core::ExplainRollout(fleet(), name);
    if (!why.ok()) {
      Note(absl::InternalError(absl::StrCat("why: ", why.status().message())));
      continue;
    }
    bool shut = false;
    for (const core::Gate& gate : why->gates) {
      if (gate.verdict == core::GateVerdict::kPass) continue;
      shut = true;
      if (gate.reason.empty()) {
        Note(absl::InternalError(absl::StrCat(
            "why: gate '", gate.name, "' of '", name, "' gives no reason")));
      }
    }
    if (!shut) {
      Note(absl::InternalError(absl::StrCat("why: '", name, "' is ",
                                            core::Name(rollout.state),
                                            " for no reason")));
    }
  }
}

// S9: the whole chain, from the first record on.
void Simulation::CheckAuditChain() {
  const auto store = store::OpenMemoryStore(disk_);
  const auto records = store->ScanAudit({0, "", 1'000'000});
  CHECK(records.ok());
  std::string hash = core::kAuditGenesis;
  uint64_t sequence = 0;
  for (const core::AuditRecord& record : *records) {
    hash = core::AuditHash(hash, record);
    if (record.sequence != ++sequence || record.hash != hash) {
      Note(absl::InternalError(
          absl::StrCat("S9: stored audit record ", record.sequence)));
      return;
    }
  }
}

uint64_t Simulation::updates() const {
  uint64_t updates = 0;
  for (const auto& host : hosts_) updates += host->updates();
  return updates;
}

}  // namespace baton::sim
