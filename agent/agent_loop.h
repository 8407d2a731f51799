#ifndef AGENT_AGENT_LOOP_H_
#define AGENT_AGENT_LOOP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/core/update.h"
#include "agent/ports.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "base/random.h"

namespace baton::agent {

// What reaches the loop.
struct Message {
  enum class Kind : uint8_t {
    kService,  // the link has news
    kWake,     // the worker has a result, or may have
    kStop,     // end soon
  };
  Kind kind = Kind::kWake;
  FromService service = {};
};

// The only owner of the Update. Confined to one thread; others reach it through
// the mailbox. It never waits for a step: the worker has that.
class AgentLoop {
 public:
  struct Options {
    absl::Duration look_interval = absl::Seconds(5);  // at the adapter
    Backoff::Options retry = {absl::Milliseconds(50), absl::Seconds(10)};
    std::vector<std::string> hooks = {};  // told to the service, sorted
    std::string boot_id = "";             // the kernel's; empty: not known
  };

  struct Ports {
    const Clock& clock;
    Random& random;
    Journal& journal;
    Uplink& uplink;
    Worker& worker;
  };

  // `update`  what the journal holds
  AgentLoop(Options options, core::Update update, Ports ports,
            Mailbox<Message>& mailbox);

  // One turn: take all, apply, make durable, plan, start, publish. Production
  // calls it in a loop; tests call it by hand.
  //
  // `wait`  longest time to sleep for the first message
  // Errors: what the journal returned, once the update in flight stands where
  //         it can be left; the caller must stop
  absl::Status Turn(absl::Duration wait);

  // Whether it was told to stop and nothing is left half-way.
  bool Stopped() const;

  const core::Update& update() const { return update_; }

 private:
  // What is written whenever it changes. On the way forward nothing of it does
  // between the start of Pause and the end of the blackout: the shim knows the
  // rest, and a sync is not for a blackout. Going back changes it in
  // mid-blackout (the way, and whether the end is sealed), which is worth a
  // sync. See ADR 0023.
  using Durable =
      std::tuple<uint64_t, uint64_t, uint64_t, bool, bool, core::Way, bool,
                 bool, std::string, std::set<uint32_t>>;

  void Handle(const Message& message);
  void HandleService(const FromService& news);
  void HandleResult(const JobResult& result);
  void HandleSight(const JobResult& result);
  void NoteMemory(const Sight& sight);
  void NoteShim(const Sight& sight);
  void Remember();
  void Act();
  bool HasRoom();
  bool StartStep(core::Action action);
  void Publish();
  // Whether the update went wrong and the shim has not been asked yet what it
  // keeps of that. It is asked first and its end is told then, so that both
  // come in one report.
  bool LacksIncident() const;
  bool AtRest() const;
  absl::Duration UntilNextTimer() const;
  Durable DurablePart() const;

  const Options options_;
  const Ports ports_;
  Mailbox<Message>& mailbox_;
  core::Update update_;
  Durable written_;
  absl::Status journal_ = absl::OkStatus();
  Backoff backoff_;
  absl::Duration retry_at_ = absl::ZeroDuration();
  absl::Duration look_at_ = absl::ZeroDuration();
  bool working_ = false;
  bool stopping_ = false;
  bool looked_ = false;
  std::string shim_instance_;  // that was seen last
  v1::Inventory inventory_;
  std::string inventory_bytes_;  // it as bytes, to see whether it changed
  std::shared_ptr<const v1::Inventory> shown_;  // a copy, for views
  uint64_t inventories_ = 0;                    // copies that were made
  uint64_t asked_incident_ = 0;                 // of which attempt; 0: of none
  v1::Incident incident_;
  std::string published_;
};

}  // namespace baton::agent

#endif  // AGENT_AGENT_LOOP_H_
