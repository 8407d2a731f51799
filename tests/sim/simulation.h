#ifndef TESTS_SIM_SIMULATION_H_
#define TESTS_SIM_SIMULATION_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/service_clock.h"
#include "base/clock.h"
#include "service/core/admission.h"
#include "service/core/event.h"
#include "service/core/fleet.h"
#include "service/runtime/fleet_loop.h"
#include "service/store/memory_store.h"
#include "tests/sim/fault.h"
#include "tests/sim/oracle.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/verbs.h"
#include "tests/support/seeded_random.h"

namespace baton::sim {

// How often what goes wrong. One in so many; 0: never.
struct Weather {
  uint64_t lost = 0;          // messages
  uint64_t doubled = 0;       // messages
  uint64_t late = 0;          // messages, by seconds
  uint64_t step_fault = 0;    // steps of updates
  uint64_t service_dies = 0;  // commits: before or after
  // Of the service's deaths, how many end with the store put back to an older
  // backup.
  uint64_t backup = 0;
  absl::Duration host_fault = absl::InfiniteDuration();  // mean time between
  absl::Duration call = absl::InfiniteDuration();        // operators' calls
};

// One fault that is to happen, once.
struct Planned {
  int host = 0;  // 0: the service
  // Of a host: at which step. Of the service: at which commit, from 1.
  agent::core::Step step = agent::core::Step::kPrepare;
  StepFault fault = StepFault::kNone;
  int commit = 0;
  bool after = false;  // the commit was made, and nobody learns of it
};

// Returns one line for people.
std::string Name(const Planned& planned);

// A whole fleet in one thread: the service's real loop and each host's real
// agent, with clock, network, disks, drivers and operators replaced. What
// happens is drawn from one seed, or planned; time is virtual. Invariants are
// held at each commit and after each turn of an agent.
class Simulation final : public HostPort {
 public:
  struct Options {
    int hosts = 3;
    uint64_t seed = 1;
    Weather weather = {};
    std::vector<Planned> planned = {};
    bool trace = false;
    SimImages images = {};
  };

  explicit Simulation(const Options& options);
  ~Simulation() override;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // Lets `time` pass, or less when an invariant breaks.
  void Run(absl::Duration time);
  // From now on nothing goes wrong by itself, and all that is away comes back.
  void Heal();
  // Runs until nothing is under way any more; notes it when that takes too long
  // (L1), and whatever does not fit together then (L2, L5, reasons).
  void Settle();

  // Aborts whatever has not ended, settles, and notes what does not end (L4).
  void EndAll();

  // Notes it when an audit record of those that are stored is not chained to
  // the one before (S9). Once, at the end: it reads all of them.
  void CheckAuditChain();

  // Asks for something; the answer comes with the next turn.
  void Call(DrawnCall call);
  // The same; takes a turn, and returns the answer. UNAVAILABLE while the
  // service is away.
  absl::Status CallNow(core::EventBody body);

  // The fleet as the service has it; as committed while it is away.
  const core::Fleet& fleet() const;
  SimHost& host(int number) { return *hosts_[number - 1]; }
  int hosts() const { return static_cast<int>(hosts_.size()); }
  support::SeededRandom& random() { return random_; }
  const Oracle& oracle() const { return oracle_; }
  absl::Time now() const;

  // Ended attempts, counted at the hosts.
  uint64_t updates() const;

  // The first broken invariant; OK as long as there is none.
  absl::Status violation = absl::OkStatus();
  std::vector<std::string> trace = {};

  // ---- HostPort.
  void After(absl::Duration delay, std::function<void()> then) override;
  StepFault DrawFault(int host, agent::core::Step step) override;
  void Published(int host) override;
  void Restarted(int host) override;
  void Note(const absl::Status& status) override;
  bool Traces() const override { return options_.trace; }
  void TraceLine(int host, const std::string& what) override;

 private:
  class SimClock;
  class SimStore;
  class SimLink;

  struct Pending {
    absl::Duration at = absl::ZeroDuration();
    uint64_t order = 0;
    std::function<void()> then = nullptr;
    bool operator<(const Pending& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  // An inventory, as an agent shows it.
  using Shown = std::shared_ptr<const v1::Inventory>;

  // The network's side of one host.
  struct Stream {
    uint64_t number = 0;  // 0: none is open
    bool welcomed = false;
    bool dialling = false;
    bool cut = false;       // no message passes, either way
    std::string said = "";  // the report that was sent last, by its numbers
    uint64_t beat = 0;      // the newest heartbeat alone goes on
    // The service's time on the agent's clock; of this stream, and of the
    // orders that are on their way over it.
    std::shared_ptr<agent::ServiceClock> clock = nullptr;
    // The inventory that the service heard last; null: none.
    Shown told = nullptr;
  };

  // What a store was at some time, and all that was committed then.
  struct Backup {
    store::MemoryDisk disk = {};
    core::Fleet committed = {};
  };

  void StartService();
  void StopService();
  void ServiceTurn();
  void WantTurn(absl::Duration delay);
  void Send(int host, std::function<void()> message);
  void Dial(int host);
  void Connect(int host);
  void HearHello(int host, core::HostConnected hello, Shown shown);
  void HearWelcome(int host, uint64_t number, uint64_t epoch, absl::Time told);
  void HearOrder(int host, agent::FromService news, absl::Duration expires);
  void TakeBackup();
  void DropStream(int host);
  void SayReport(int host);
  void Beat(int host);
  void Happen();
  void HostFault();
  void AnyCall();
  bool AtRest() const;
  void CheckEnd();
  void CheckAgreement();
  void CheckReasons();
  bool Draw(uint64_t one_in);
  absl::Duration Interval(absl::Duration mean);

  const Options options_;
  Weather weather_;
  support::SeededRandom random_;
  absl::Duration now_ = absl::Hours(1);
  uint64_t order_ = 0;
  std::priority_queue<Pending> pending_ = {};
  std::unique_ptr<SimClock> clock_;
  std::vector<std::unique_ptr<SimHost>> hosts_ = {};
  std::vector<Stream> streams_ = {};
  std::vector<Planned> planned_ = {};
  int commits_ = 0;

  Oracle oracle_;
  store::MemoryDisk disk_ = {};
  std::optional<Backup> backup_ = std::nullopt;
  core::Admission admission_ = {};  // of this life of the service
  int let_in_ = 0;                  // by it
  absl::Duration life_began_ = absl::ZeroDuration();
  std::unique_ptr<runtime::Store> store_;
  std::unique_ptr<runtime::FleetLoop> loop_;
  uint64_t life_ = 0;  // of the service: its messages die with it
  bool turn_wanted_ = false;
};

}  // namespace baton::sim

#endif  // TESTS_SIM_SIMULATION_H_
