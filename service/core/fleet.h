#ifndef SERVICE_CORE_FLEET_H_
#define SERVICE_CORE_FLEET_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "base/interned.h"
#include "service/core/audit.h"
#include "service/core/driver.h"
#include "service/core/history.h"
#include "service/core/host.h"
#include "service/core/ledger.h"
#include "service/core/rollout.h"
#include "service/core/update.h"

namespace baton::core {

// A change that was carried out for a caller who named it. A repeat finds it
// here and changes nothing.
struct RecordedRequest {
  uint64_t sequence = 0;         // of its audit record: the oldest goes first
  std::string fingerprint = "";  // "sha256:…" over what was asked

  bool operator==(const RecordedRequest&) const = default;
};

// Nothing starts until an end; as baton.v1.Freeze.
struct Freeze {
  std::string by = "";
  std::string reason = "";
  absl::Time start = absl::InfinitePast();
  absl::Time end = absl::InfinitePast();

  bool operator==(const Freeze&) const = default;
};

// Nothing starts until somebody says so; as baton.v1.EmergencyStopRecord.
struct EmergencyStopRecord {
  std::string by = "";
  std::string reason = "";
  absl::Time time = absl::InfinitePast();

  bool operator==(const EmergencyStopRecord&) const = default;
};

// What the operator of the service set; given anew at each start.
struct Settings {
  absl::Duration heartbeat = absl::Seconds(5);
  absl::Duration lost_after = absl::Seconds(15);  // without a heartbeat
  // How long a capsule is kept.
  absl::Duration capsule_retention = absl::Hours(30 * 24);
  // Below so much room on the service's disk nothing starts: what is in flight
  // needs it to end.
  uint64_t disk_reserve_bytes = uint64_t{256} << 20;

  bool operator==(const Settings&) const = default;
};

// Whether the store was found to be older than what has happened, by what an
// agent said. True of this process only, never stored.
struct StoreDoubt {
  uint64_t epoch = 0;     // the highest that an agent obeyed; 0: not above
  std::string sign = "";  // the first; empty: there was none
  bool answered = false;  // the fleet was stopped for it
  bool operator==(const StoreDoubt&) const = default;
};

// A connected host, by when it was last heard of.
using Silence = std::pair<absl::Time, Interned>;

// When an update's back-off ends: time, rollout, host.
using Alarm = std::tuple<absl::Time, std::string, std::string>;

// All that the service knows. Owned by the fleet loop and confined to its
// thread; only Apply() changes it. Keys are full resource names.
struct Fleet {
  // Grows with each change that somebody can see. Its upper 32 bits are the
  // epoch, so that it also grows over a restart.
  uint64_t revision = 0;
  uint64_t epoch = 0;  // grows by one, durably, with each start of the service
  // The service's time: never goes back, and does not jump within a process.
  absl::Time now = absl::UnixEpoch();
  uint64_t audit_sequence = 0;
  std::string audit_hash = kAuditGenesis;
  Settings settings = {};
  StoreDoubt store_doubt = {};
  // Room on the service's disk when it was looked at last. Never stored;
  // absent: not known.
  std::optional<uint64_t> disk_free_bytes = std::nullopt;

  // These two are stored with the numbers above. A freeze whose end has come is
  // as none.
  std::optional<Freeze> freeze = std::nullopt;
  std::optional<EmergencyStopRecord> emergency_stop = std::nullopt;

  Hosts hosts = {};
  std::map<std::string, Driver> drivers = {};
  std::map<std::string, Rollout> rollouts = {};
  std::map<std::string, RecordedRequest> requests = {};  // by request_id
  History history = {};

  // Derived from all of the above and never stored, as Rollout::tally,
  // Update::position and Host::claimant are: Apply() keeps them up to date, so
  // that nothing walks hosts or updates; see index.h.
  std::set<std::string> active = {};       // rollouts that are
  std::set<std::string> taking_back = {};  // rollouts that WantsRollback()
  absl::btree_set<Silence> silence = {};   // connected hosts
  std::set<Alarm> alarms = {};             // pending updates that back off
  Ledger ledger = {};

  bool operator==(const Fleet&) const = default;
};

// The reason of what follows from a store that is older than what has happened.
inline constexpr char kStoreIsOlder[] = "STORE_IS_OLDER";

// Bounds of what a fleet holds: past them RESOURCE_EXHAUSTED.
inline constexpr size_t kHostsMax = 100'000;
inline constexpr size_t kDriversMax = 10'000;
// That callers made: each may have one more that takes it back.
inline constexpr size_t kRolloutsMax = 10'000;
// Older requests are forgotten: a repeat that late is a new request.
inline constexpr size_t kRequestsMax = 10'000;

// Each returns null when there is none.
const Host* FindHost(const Fleet& fleet, const std::string& name);
const Driver* FindDriver(const Fleet& fleet, const std::string& name);
const Rollout* FindRollout(const Fleet& fleet, const std::string& name);
const Update* FindUpdate(const Fleet& fleet, const std::string& rollout,
                         const std::string& host);

// Returns the active rollout in which `host` has not ended yet, whether it has
// a slot there or waits for one; null when there is none.
const Rollout* ClaimantOf(const Fleet& fleet, const std::string& host);

// Returns the etag of a record with `version`.
std::string EtagOf(uint64_t version);

}  // namespace baton::core

#endif  // SERVICE_CORE_FLEET_H_
