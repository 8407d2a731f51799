#ifndef TESTS_HERD_SIM_AGENT_H_
#define TESTS_HERD_SIM_AGENT_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "agent/agent_loop.h"
#include "agent/link.h"
#include "agent/steps.h"
#include "agent/testing/fakes.h"
#include "agent/thread_worker.h"
#include "base/mailbox.h"
#include "tests/herd/allowance.h"

namespace baton::herd {

// One host: the agent's real loop, worker and link on threads of their own, a
// connection of its own to the service, and fakes of the host beneath.
class SimAgent {
 public:
  // `service`    where it dials
  // `old_image`  of the driver that it runs; its file exists
  // `allowance`  of which it takes one before it begins; outlives it
  SimAgent(const std::string& name, const std::string& service,
           const agent::core::Image& old_image, Allowance& allowance);
  // Stops it; a host that waits must have been allowed to begin.
  ~SimAgent();
  SimAgent(const SimAgent&) = delete;
  SimAgent& operator=(const SimAgent&) = delete;

  const std::string& name() const { return name_; }
  // Whether its update has ended there. Any thread.
  bool ended() const { return ended_; }
  // Whether the service has acknowledged that end, too. Any thread.
  bool acknowledged() const { return acknowledged_; }

  // Stops it, and says what is not as after one update that went well.
  absl::Status Check();

 private:
  void Run();
  void Stop();

  const std::string name_;
  bool allowed_ = false;  // the worker's thread only
  agent::testing::FakeShim shim_;
  agent::testing::FakeGate gate_;
  agent::testing::FakeStage stage_;
  agent::testing::FakeMachine machine_;
  agent::testing::FakeJournal journal_;
  agent::Steps steps_;
  Mailbox<agent::Message> mailbox_;
  std::unique_ptr<agent::ThreadWorker> worker_;
  std::unique_ptr<agent::Link> link_;
  std::unique_ptr<agent::AgentLoop> loop_;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> acknowledged_ = false;
  std::thread thread_;
};

}  // namespace baton::herd

#endif  // TESTS_HERD_SIM_AGENT_H_
