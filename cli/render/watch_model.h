#ifndef CLI_RENDER_WATCH_MODEL_H_
#define CLI_RENDER_WATCH_MODEL_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "baton/v1/rollout.pb.h"

namespace baton::cli {

// One thing that became different, in words.
struct WatchChange {
  std::string subject = "";  // "rollouts/r1", or a host's short name
  std::string state = "";
  std::string step = "";     // last finished; "-": none
  std::string message = "";  // empty: nothing to say

  bool operator==(const WatchChange&) const = default;
};

// What a watcher knows of a rollout: the sum of the messages so far. A stream
// that was opened again begins with everything; only what is really different
// counts as a change. Confined to one thread; bounded by the rollout's size.
class WatchModel {
 public:
  // Takes a message in. Returns what changed: hosts in the message's order; the
  // rollout before them when it runs, and after them when it stands or has
  // ended, as they are why. At the very first message hosts that wait are left
  // out.
  std::vector<WatchChange> Fold(const v1::WatchRolloutResponse& message);

  // With its plan, if it ever had one.
  const v1::Rollout& rollout() const { return rollout_; }

  // By the host's short name.
  const std::map<std::string, v1::Update>& updates() const { return updates_; }

 private:
  bool IsAnother(const v1::Rollout& rollout) const;

  v1::Rollout rollout_;
  std::map<std::string, v1::Update> updates_;
};

// "2024-05-17T09:30:00Z host-3 RUNNING SAVE message", without a newline.
std::string WatchLine(const WatchChange& change, absl::Time time);

// The last line of a watch: how it ended, hosts, vGPUs and blackout.
std::string WatchSummary(const v1::Rollout& rollout);

}  // namespace baton::cli

#endif  // CLI_RENDER_WATCH_MODEL_H_
