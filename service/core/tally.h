#ifndef SERVICE_CORE_TALLY_H_
#define SERVICE_CORE_TALLY_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "service/core/histogram.h"
#include "service/core/update.h"

namespace baton::core {

// What is counted and sorted of a rollout's updates, so that nothing walks
// them. Derived, never stored: the editor keeps it, and the invariants count it
// anew.

// The failure domains that a host is in: a value for each label of the
// rollout's limits, in their order; "" where the host is in none.
using Domains = std::vector<std::string>;

// The hosts of a wave that could start now, by their positions in the plan.
// Those of the same domains stand in one line, so that all of them are passed
// over at once when one of their domains is full.
class ReadyQueue {
 public:
  void Insert(uint32_t position, Domains domains);
  // Does nothing when it is not in.
  void Erase(uint32_t position);

  size_t size() const { return lines_of_.size(); }
  bool empty() const { return lines_of_.empty(); }

  // The first of each line, with the line's domains, by position.
  const std::set<std::pair<uint32_t, Domains>>& heads() const { return heads_; }
  // One line, by position; `domains` as in heads().
  const std::set<uint32_t>& Line(const Domains& domains) const {
    return lines_.at(domains);
  }

  bool operator==(const ReadyQueue&) const = default;

 private:
  std::map<Domains, std::set<uint32_t>> lines_;
  std::map<uint32_t, Domains> lines_of_;
  std::set<std::pair<uint32_t, Domains>> heads_;
};

// What keeps the host of an update busy, or from being so.
enum class Lane : uint8_t {
  kNone,     // nothing waits for it
  kReady,    // pending: could start
  kLater,    // pending: it backs off after an attempt
  kWaiting,  // pending: its host is not in a state to be updated
  kUnfit,    // pending: its host can no longer be updated
  kUnwell    // done: but its host is not READY now
};

struct WaveTally {
  uint32_t hosts = 0;
  uint32_t ended = 0;
  uint32_t failures = 0;

  // The lanes, by position in the plan. Empty unless the rollout is active.
  ReadyQueue ready = {};
  std::map<uint32_t, absl::Time> later = {};  // with the end of the back-off
  std::set<uint32_t> waiting = {};
  std::set<uint32_t> unfit = {};
  std::set<uint32_t> unwell = {};

  // Takes `position` out of whatever lane it is in.
  void Leave(uint32_t position);

  bool operator==(const WaveTally&) const = default;
};

struct Tally {
  std::array<uint32_t, 8> states = {};  // number of updates, by UpdateState
  uint32_t failures = 0;
  // Of updates past their point of no return.
  uint32_t vgpus = 0;
  uint32_t vgpus_preserved = 0;
  DurationHistogram blackouts = {};
  // Those above each of the rollout's two limits, exactly.
  absl::Duration long_above = absl::InfiniteDuration();
  absl::Duration slow_above = absl::InfiniteDuration();
  uint32_t long_blackouts = 0;
  uint32_t slow_blackouts = 0;
  std::set<std::string> running = {};  // hosts in flight
  std::set<std::string> failed = {};   // hosts that count as failures
  std::vector<WaveTally> waves = {};   // as in the plan; empty until started

  uint32_t Count(UpdateState state) const {
    return states[static_cast<size_t>(state)];
  }

  bool operator==(const Tally&) const = default;
};

// What of an update is counted: what it was before it changed is taken out.
struct CountedUpdate {
  UpdateState state = UpdateState::kPending;
  uint32_t wave = 0;
  bool failure = false;
  uint32_t vgpus = 0;
  uint32_t vgpus_preserved = 0;
  std::vector<absl::Duration> blackouts = {};
};
CountedUpdate CountedOf(const Update& update);

// Counts the update of `host`, or takes it out again. `tally.waves` has room.
void Count(const std::string& host, const CountedUpdate& update, Tally& tally);
void Uncount(const std::string& host, const CountedUpdate& update,
             Tally& tally);

}  // namespace baton::core

#endif  // SERVICE_CORE_TALLY_H_
