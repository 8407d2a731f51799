#ifndef TESTS_SUPPORT_WORLD_H_
#define TESTS_SUPPORT_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "service/core/fleet.h"
#include "service/runtime/fleet_loop.h"
#include "service/store/memory_store.h"
#include "tests/support/fake_agent.h"
#include "tests/support/fake_clock.h"
#include "tests/support/seeded_random.h"

namespace baton::support {

// The service's own loop over a fake store, with fake agents on a network that
// a test can make lossy: all in one thread, and repeated by its seed. Holds the
// invariants after each turn, and over each restart; the first violation is
// kept in `violation`.
class World {
 public:
  struct Options {
    int hosts = 3;
    uint64_t seed = 1;
    bool lossy = false;  // messages are lost, doubled, reordered and late
  };

  explicit World(const Options& options);
  ~World();

  const core::Fleet& fleet() const { return loop_->fleet(); }
  const core::Rollout& rollout() const;
  FakeAgent& agent(int number) { return agents_[number - 1]; }
  size_t agents() const { return agents_.size(); }
  SeededRandom& random() { return random_; }
  store::MemoryDisk& disk() { return disk_; }
  FakeClock& clock() { return clock_; }

  // From now on all messages arrive, once and in order.
  void Heal() { lossy_ = false; }

  // Asks for something as an operator, takes a turn and returns the answer.
  absl::Status Call(core::EventBody body);
  // Creates, plans and starts the rollout; stops the test when that fails.
  void Start(const core::RolloutSpec& spec);

  // One turn of the service. When its commit fails it starts again.
  void Turn();
  // Kills the service and starts it again on the same disk.
  void RestartService();
  // Ends an agent's stream; whether the service is told is left to the network.
  void DropStream(FakeAgent& agent);
  // Delivers one message, if there is one.
  void Deliver();
  // An agent does one thing: connects, takes a step, or says where it stands.
  void Act(FakeAgent& agent);

  // Lets every agent act, delivers all, lets time pass and takes a turn.
  void Round();
  // Rounds until `done`; false when that takes too many.
  bool RunUntil(const std::function<bool()>& done);

  // The first broken invariant; OK as long as there is none.
  absl::Status violation = absl::OkStatus();

 private:
  class WorldLink;
  class Recorder;

  void Send(std::function<void()> message);
  void Connect(FakeAgent& agent);
  void Say(FakeAgent& agent);
  void Note(const absl::Status& status);
  void CheckRestart(const core::Fleet& before);

  bool lossy_;
  SeededRandom random_;
  FakeClock clock_;
  store::MemoryDisk disk_;
  std::unique_ptr<runtime::Store> store_;
  std::unique_ptr<runtime::FleetLoop> loop_;
  std::shared_ptr<Recorder> recorder_;
  std::vector<FakeAgent> agents_;
  std::vector<std::function<void()>> network_;
  core::Fleet committed_;  // after the last turn that was
  uint64_t life_ = 0;      // of the service: its messages die with it
};

}  // namespace baton::support

#endif  // TESTS_SUPPORT_WORLD_H_
