#ifndef SERVICE_RUNTIME_OUTBOX_H_
#define SERVICE_RUNTIME_OUTBOX_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"
#include "base/interned.h"
#include "service/core/apply.h"
#include "service/core/fleet.h"
#include "service/core/plan.h"
#include "service/runtime/ports.h"

namespace baton::runtime {

// The streams of the connected agents, and what was last sent on each: an order
// goes out when it differs from that, and again after a while, so that nothing
// depends on one message. Confined to the loop thread.
class Outbox {
 public:
  // `repeat`  how long until an order that still stands is sent again; one may
  //           be begun for twice as long after it was sent, so that one that is
  //           sent again was never given up, and one that lay about for long is
  //           not begun when nobody expects it any more
  explicit Outbox(absl::Duration repeat) : repeat_(repeat) {}

  // Takes `link` as the stream of `host`. The stream that it replaces, if any,
  // is closed with ABORTED (STREAM_REPLACED).
  void Attach(const std::string& host, uint64_t stream,
              std::shared_ptr<Link> link);

  // Sends what `changes` made due: orders of changed hosts and of hosts whose
  // update changed. Streams that the fleet no longer counts as connected are
  // closed with DEADLINE_EXCEEDED (HEARTBEAT_LOST) and forgotten.
  void Flush(const core::Fleet& fleet, const core::Changes& changes);

  // Sends again what stands now where something was sent more than `repeat`
  // ago.
  void Repeat(const core::Fleet& fleet);

 private:
  struct Sent {
    core::Order order = {};
    absl::Time at = absl::InfinitePast();
  };
  struct Stream {
    uint64_t number = 0;
    std::shared_ptr<Link> link = nullptr;
  };

  void FlushHost(const core::Fleet& fleet, const std::string& host);
  void Send(const core::Fleet& fleet, const std::string& host,
            core::Order order);

  const absl::Duration repeat_;
  absl::btree_map<Interned, Stream, std::less<>> streams_;  // by host
  std::map<std::string, Sent> sent_;  // what stands, by host
  absl::Time repeated_at_ = absl::InfinitePast();
};

}  // namespace baton::runtime

#endif  // SERVICE_RUNTIME_OUTBOX_H_
