#ifndef TESTS_SUPPORT_FAKE_AGENT_H_
#define TESTS_SUPPORT_FAKE_AGENT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "service/core/event.h"
#include "service/core/plan.h"
#include "service/core/update.h"

namespace baton::support {

// An agent as the service sees one: it keeps the agent's side of the protocol
// and takes one step of its update whenever it is told to. Everything but its
// stream is durable, as a real agent's journal is. Confined to one thread.
class FakeAgent {
 public:
  // What the driver does when it is asked.
  enum class Driver { kGood, kSaveFails, kRestoreFails, kLosesVgpu };

  explicit FakeAgent(std::string host) : host_(std::move(host)) {}

  const std::string& host() const { return host_; }
  const std::string& version() const { return version_; }
  bool quarantined() const { return quarantined_; }
  bool idle() const { return !running_; }

  // The stream that it has open; 0: none.
  uint64_t stream = 0;
  // How its driver behaves from the next step on.
  Driver driver = Driver::kGood;

  core::HostConnected Hello() const;
  core::Inventory Inventory() const;

  void OnOrder(const core::Order& order);

  // Takes one step of the update that runs; does nothing when none does.
  void Step();

  // What it would say now: where its update stands, until the end of it was
  // acknowledged; nullopt when there is nothing to say.
  std::optional<core::UpdateReport> Report() const;
  void OnAck(uint64_t attempt, uint64_t sequence);

  // How often the attempt was begun; going on with one is not a beginning.
  int Begun(uint64_t attempt) const;
  // How the attempt ended; nullopt when it did not.
  std::optional<core::UpdateState> EndOf(uint64_t attempt) const;

 private:
  void Begin(const core::Order& order);
  void End(core::UpdateState state, const std::string& reason);
  void Advance();

  const std::string host_;
  std::string version_ = "1.0";
  bool quarantined_ = false;
  uint64_t epoch_ = 0;     // the highest that it obeyed
  uint64_t finished_ = 0;  // the last attempt that ended
  bool running_ = false;
  bool unacknowledged_ = false;  // the end of `report_` is
  core::UpdateReport report_;
  std::map<uint64_t, int> begun_;
  std::map<uint64_t, core::UpdateState> ends_;
};

}  // namespace baton::support

#endif  // TESTS_SUPPORT_FAKE_AGENT_H_
