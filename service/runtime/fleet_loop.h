#ifndef SERVICE_RUNTIME_FLEET_LOOP_H_
#define SERVICE_RUNTIME_FLEET_LOOP_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mailbox.h"
#include "service/core/apply.h"
#include "service/core/event.h"
#include "service/core/fleet.h"
#include "service/runtime/feed.h"
#include "service/runtime/outbox.h"
#include "service/runtime/ports.h"

namespace baton::runtime {

// The turn: take what is queued, apply each, decide until nothing is left to
// decide, commit once, and only then answer the callers, send the orders and
// publish. A turn is bounded: under load callers go before agents, whose words
// then wait for the next one. The only owner of the Fleet. Run() confines it to
// one thread; other threads reach it through the posts, which never block.
class FleetLoop {
 public:
  struct Options {
    absl::Duration heartbeat = absl::Seconds(5);      // told to agents
    absl::Duration lost_after = absl::Seconds(15);    // without a heartbeat
    absl::Duration order_repeat = absl::Seconds(30);  // see Outbox
    size_t mailbox_max = 65'536;                      // posts that may wait
    // See core::Settings.
    absl::Duration capsule_retention = absl::Hours(30 * 24);
    uint64_t disk_reserve_bytes = uint64_t{256} << 20;
  };

  struct Ports {
    const Clock& clock;
    Store& store;
    const Disk* disk = nullptr;  // null: it is never full
  };

  // Called once, on the loop thread, with the fleet after the turn: when what
  // was posted is durable, or with the reason why it was refused. Must not
  // block, nor keep a reference into the fleet. The fleet is not to be looked
  // at when the status is UNAVAILABLE: the loop has stopped.
  using Done =
      std::function<void(const absl::Status&, const core::Fleet& fleet)>;

  using AuditDone =
      std::function<void(absl::StatusOr<std::vector<core::AuditRecord>>)>;

  using CapsuleDone =
      std::function<void(absl::StatusOr<std::optional<core::Capsule>>)>;

  // Loads the fleet and makes a new epoch durable. Blocks on the store. The
  // ports must outlive the loop. Errors: those of the store.
  static absl::StatusOr<std::unique_ptr<FleetLoop>> Create(
      const Options& options, const Ports& ports);
  // The same where somebody has just loaded the fleet from the store.
  static absl::StatusOr<std::unique_ptr<FleetLoop>> Create(
      const Options& options, const Ports& ports, core::Fleet fleet);

  FleetLoop(const FleetLoop&) = delete;
  FleetLoop& operator=(const FleetLoop&) = delete;

  // ---- Any thread. Each returns OK when queued; then `done` is called, come
  // what may. Otherwise it is dropped uncalled: RESOURCE_EXHAUSTED
  // (SERVICE_BUSY), the mailbox is full; UNAVAILABLE (SERVICE_STOPPING), Run()
  // has returned. What is still queued then is answered with the same error,
  // perhaps on the poster's thread.

  // `actor`  the caller's name, or "agent:{host}"
  // `body`   anything but HostConnected and the service's own decisions
  absl::Status Post(std::string actor, core::EventBody body, Done done);

  // Queues that an agent opened a stream. Once `done` was called with OK, the
  // link gets orders, until the stream is replaced or disconnected; an error
  // means that the caller must end the stream with it. `done` is called before
  // the first order is sent. Post the agent's UpdateReported right after, when
  // its hello has one, and HostDisconnected when the stream ends.
  absl::Status Connect(core::HostConnected hello, std::shared_ptr<Link> link,
                       Done done);

  // Calls `done` on the loop thread between two turns; what it sees is durable.
  absl::Status Read(Done done);

  // Reads audit records on the loop thread, between two turns; `done` gets them
  // there.
  absl::Status ReadAudit(AuditQuery query, AuditDone done);

  // Reads the capsule of an update on the loop thread, between two turns;
  // `done` gets it there, or nullopt when there is none.
  absl::Status ReadCapsule(const std::string& rollout, const std::string& host,
                           CapsuleDone done);

  // Returns a number for a new agent stream, unique in this process.
  uint64_t NewStream() { return ++last_stream_; }

  // Makes Run() return OK after the turn that it is in.
  void Stop();

  Feed& feed() { return feed_; }
  const Options& options() const { return options_; }

  // ---- The loop thread.

  // Turns until Stop() or until a commit fails; then nothing of that turn was
  // answered with OK, and the process must stop. Whatever is still queued is
  // answered. Errors: those of Store::Commit().
  absl::Status Run();

  // One turn; waits at most `wait` for the first post. Production calls Run();
  // tests and the simulation call this.
  absl::Status RunOnce(absl::Duration wait);

  // Returns the service's time now: wall-clock time at the start, and from
  // there on the monotonic clock, so that it neither jumps nor goes back.
  absl::Time Now() const;

  const core::Fleet& fleet() const { return fleet_; }

 private:
  struct Change {
    core::Event event = {};
    std::shared_ptr<Link> link = nullptr;  // with HostConnected
    Done done = nullptr;
  };
  struct Look {
    Done done = nullptr;
  };
  struct AuditLook {
    AuditQuery query = {};
    AuditDone done = nullptr;
  };
  struct CapsuleLook {
    std::string update = "";
    CapsuleDone done = nullptr;
  };
  using Request = std::variant<Change, Look, AuditLook, CapsuleLook>;
  // A request that was taken from the mailbox, with its number in their order.
  using Waiting = std::pair<uint64_t, Request>;

  FleetLoop(const Options& options, const Ports& ports);

  absl::Status PostRequest(Request request);
  absl::Status Start(core::Fleet fleet);
  static bool IsOfAgent(const Request& request);
  // Takes what one turn has room for, in the order of arrival, but for agents'
  // requests that are left for the next one. Waits at most `wait` for a first.
  std::vector<Request> TakeBatch(absl::Duration wait);
  absl::Status ApplyRequest(Request& request, core::Changes& changes);
  // Applies what the service does by itself; false when it was overtaken.
  bool ApplyOwn(core::EventBody body, core::Changes& changes);
  // Looks at the room on the disk, now and then.
  void LookAtDisk(core::Changes& changes);
  // Decides and applies until nothing is left to decide.
  void DecideAll(core::Changes& changes);
  void Answer(Request& request, const absl::Status& verdict);
  void Refuse(Request& request, const absl::Status& why);
  void RefuseQueued();
  void RefuseWaiting();
  absl::Duration LongestWait() const;

  const Options options_;
  const Ports ports_;
  core::Fleet fleet_;
  Outbox outbox_;
  Feed feed_;
  Mailbox<Request> mailbox_;
  std::atomic<size_t> queued_ = 0;  // posted, and neither answered nor refused
  std::deque<Waiting> callers_;
  std::deque<Waiting> agents_;
  uint64_t taken_ = 0;  // number of the last request that was taken
  // The time of the turn: that of the oldest request that waits for another
  // turn, so that nobody is lost whose heartbeat is among them.
  absl::Time turn_time_ = absl::InfinitePast();
  absl::Time disk_look_ = absl::InfinitePast();  // the next one
  bool undecided_ = false;  // the last turn left something to decide
  std::atomic<uint64_t> last_stream_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> closed_ = false;  // nothing takes from the mailbox any more
  absl::Time started_at_ = absl::InfinitePast();
  absl::Duration started_monotonic_ = absl::ZeroDuration();
};

}  // namespace baton::runtime

#endif  // SERVICE_RUNTIME_FLEET_LOOP_H_
