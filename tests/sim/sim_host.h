#ifndef TESTS_SIM_SIM_HOST_H_
#define TESTS_SIM_SIM_HOST_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/agent_loop.h"
#include "agent/ports.h"
#include "agent/steps.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/random.h"
#include "tests/sim/fault.h"
#include "tests/sim/sim_shim.h"

namespace baton::sim {

// What a host asks of the simulation around it.
class HostPort {
 public:
  virtual ~HostPort() = default;

  // Calls `then` after `delay`.
  virtual void After(absl::Duration delay, std::function<void()> then) = 0;
  // Returns what is to go wrong with a step of `host`, if anything.
  virtual StepFault DrawFault(int host, agent::core::Step step) = 0;
  // What the service is to know of `host` has changed.
  virtual void Published(int host) = 0;
  // The agent's life has ended; the next one has begun.
  virtual void Restarted(int host) = 0;
  virtual void Note(const absl::Status& violation) = 0;
  // Says what the host does, where somebody reads it.
  template <typename... Parts>
  void Trace(int host, const Parts&... what) {
    if (Traces()) TraceLine(host, absl::StrCat(what...));
  }
  virtual bool Traces() const = 0;
  virtual void TraceLine(int host, const std::string& what) = 0;
};

// Driver images that exist as files, for the agent reads them.
struct SimImages {
  agent::core::Image old_image = {};  // 1.0
  agent::core::Image new_image = {};  // 2.0
};

// One host: the agent's real loop, core and steps, and simulated all around it.
// Holds what must be true of a host whatever happens.
class SimHost final {
 public:
  SimHost(int number, const SimImages& images, const Clock& clock,
          Random& random, HostPort& port);
  ~SimHost();
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  // Lets the agent do all that it can do now.
  void Turn();
  // A word of the service.
  void Hear(agent::FromService news);

  // The agent dies, and starts again from its journal.
  void RestartAgent();
  // The host goes down with all on it, and comes up again.
  void Reboot();
  // The next write of the journal fails, and the agent with it.
  void FailJournal();
  // A person has looked at a quarantined host and set it right.
  void Repair();

  // ---- What is true.

  int number() const { return number_; }
  std::string boot_id() const;
  const std::optional<agent::View>& view() const { return view_; }
  const agent::core::Update& update() const { return loop_->update(); }
  bool AtRest() const;
  bool gate_closed() const { return gate_closed_; }
  bool quarantined() const { return quarantined_; }
  // How attempt ended here; kNone: it has not.
  agent::core::End EndOf(uint64_t attempt) const;
  std::string driver_version() const;
  uint64_t updates() const { return ends_.size(); }

 private:
  class Ports;
  class SimWorker;

  void Start();
  void Check();
  void Wake(absl::Duration delay);

  const int number_;
  const SimImages images_;
  const Clock& clock_;
  Random& random_;
  HostPort& port_;
  SimShim shim_;
  std::unique_ptr<Ports> ports_;
  std::unique_ptr<agent::Steps> steps_;
  std::unique_ptr<SimWorker> worker_;
  std::unique_ptr<Mailbox<agent::Message>> mailbox_;
  std::unique_ptr<agent::AgentLoop> loop_;

  // Outlives the agent.
  agent::core::Update journal_ = {};
  bool journal_fails_ = false;
  std::string current_ = "1.0";  // package that the link points to
  bool gate_remembered_ = false;
  bool gate_closed_ = false;
  int gate_lives_ = 0;  // of the shim when the gate was closed

  // What has been.
  uint64_t life_ = 0;
  uint64_t wake_ = 0;  // the newest wake alone counts
  bool quarantined_ = false;
  uint64_t highest_epoch_ = 0;
  std::map<uint64_t, agent::core::End> ends_ = {};
  std::optional<agent::View> view_ = std::nullopt;
};

}  // namespace baton::sim

#endif  // TESTS_SIM_SIM_HOST_H_
