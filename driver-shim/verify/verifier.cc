#include "driver-shim/verify/verifier.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/verify/ledger.h"
#include "driver-shim/verify/stand.h"

namespace baton::verify {
namespace {

using port::AdapterStep;

constexpr uint32_t kVgpus = 4;
// Of the updates in a row: those that growth is measured from.
constexpr uint32_t kWarmUp = 5;
// Guests come to need more, within bounds: more than this is the driver's.
constexpr uint64_t kGrowthBytesMax = uint64_t{256} << 10;

size_t OpenDescriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator all("/proc/self/fd", error);
  return static_cast<size_t>(
      std::distance(all, std::filesystem::directory_iterator()));
}

// One run of the verifier. Keeps a stand for as long as it serves.
class Verifier {
 public:
  explicit Verifier(const VerifyOptions& options) : options_(options) {}

  absl::StatusOr<Findings> Run();
  std::vector<std::string> List();

 private:
  // Where sequences are tried.
  struct Place {
    Pair pair = {};
    uint32_t vgpus = kVgpus;
  };
  struct Group {
    Place place = {};
    std::vector<Sequence> sequences = {};
  };

  std::vector<Pair> Pairs() const;
  std::vector<Group> Groups();
  void AddPopulations(const Pair& pair, std::vector<Group>& groups) const;
  absl::Status TryAll(const Group& group);
  absl::Status CheckInterrupted() const;
  // Returns null when the driver cannot be started, which is held against it.
  absl::StatusOr<std::unique_ptr<Stand>> NewStand(const Place& place);
  void Try(Stand& stand, const Pair& pair, const Sequence& sequence);
  void Close(std::unique_ptr<Stand> stand);
  void RunMany(Trial& trial);
  Findings Report(size_t descriptors_before) const;

  const VerifyOptions& options_;
  Ledger ledger_;
  size_t sequences_ = 0;
  size_t failures_ = 0;  // of those
  size_t updates_ = 0;
  uint64_t commands_ = 0;  // of guests
};

std::vector<Pair> Verifier::Pairs() const {
  const port::DriverImage& subject = options_.subject;
  const std::string& digest = subject.digest;
  std::vector<Pair> pairs;
  if (options_.against.has_value()) {
    pairs.push_back({*options_.against, subject, digest});
  }
  pairs.push_back({subject, subject, digest});
  return pairs;
}

// Whoever does not get through what is legal need not be treated worse, and
// would fail for the same cause in a hundred places: so that comes first.
std::vector<Verifier::Group> Verifier::Groups() {
  std::vector<Group> groups;
  for (const Pair& pair : Pairs()) groups.push_back({{pair}, LegalSequences()});
  const Pair pair = Pairs().front();
  AddPopulations(pair, groups);
  groups.push_back({{pair}, HostileSequences(options_.effort, options_.seed)});
  groups.push_back(
      {{pair},
       {{.name = absl::StrCat(options_.hot_updates, " hot updates in a row"),
         .run = [this](Trial& trial) { RunMany(trial); }}}});
  return groups;
}

absl::StatusOr<Findings> Verifier::Run() {
  const size_t descriptors = OpenDescriptors();
  for (const Group& group : Groups()) {
    RETURN_IF_ERROR(TryAll(group));
    if (!ledger_.clean()) break;
    ledger_.Credit(17);
  }
  return Report(descriptors);
}

std::vector<std::string> Verifier::List() {
  std::vector<std::string> names;
  for (const Group& group : Groups()) {
    const Pair& pair = group.place.pair;
    const bool itself = pair.old.digest == pair.next.digest;
    for (const Sequence& sequence : group.sequences) {
      names.push_back(absl::StrCat(itself ? "to itself: " : "from the other: ",
                                   sequence.name));
    }
  }
  return names;
}

absl::StatusOr<std::unique_ptr<Stand>> Verifier::NewStand(const Place& place) {
  auto stand = Stand::Create({.executable = options_.executable,
                              .vgpus = place.vgpus,
                              .guests = std::min(place.vgpus, kVgpus),
                              .deadline = options_.deadline,
                              .seed = options_.seed},
                             place.pair.old);
  if (stand.ok()) return stand;
  const std::string reason = Reason(stand.status());
  const bool by_driver = reason == "DRIVER_REFUSED" ||
                         reason == "DRIVER_CRASHED" ||
                         reason == "DRIVER_HUNG" || reason == "RULE_BROKEN" ||
                         reason == "IMAGE_NOT_LOADABLE" ||
                         reason == "GUEST_IDLE" || reason == "VGPU_MISSING";
  if (!by_driver || place.pair.old.digest != place.pair.subject) {
    return stand.status();
  }
  ledger_.Add({.rule = RuleBrokenAtStart(stand.status()),
               .sequence = "start without saved state",
               .message = std::string(stand.status().message())});
  return std::unique_ptr<Stand>();
}

void Verifier::Try(Stand& stand, const Pair& pair, const Sequence& sequence) {
  ++sequences_;
  stand.NewAttempt();
  Trial trial(stand, ledger_, pair, sequence.name);
  sequence.run(trial);
}

// Asks the guests what they saw.
void Verifier::Close(std::unique_ptr<Stand> stand) {
  for (const softgpu::Report& guest : stand->StopGuests()) {
    commands_ += guest.commands;
    const int rule = RuleBrokenBy(guest);
    if (rule == 0) continue;
    ledger_.Add({.rule = rule,
                 .sequence = "what guests saw at the end",
                 .message = guest.ToJson()});
  }
}

absl::Status Verifier::TryAll(const Group& group) {
  const Place& place = group.place;
  std::unique_ptr<Stand> stand;
  for (const Sequence& sequence : group.sequences) {
    RETURN_IF_ERROR(CheckInterrupted());
    if (stand == nullptr) {
      ASSIGN_OR_RETURN(stand, NewStand(place));
      if (stand == nullptr) return absl::OkStatus();
    }
    const size_t before = ledger_.blames().size();
    Try(*stand, place.pair, sequence);
    if (ledger_.blames().size() == before) continue;
    // It is in any state, and its guests with it.
    stand = nullptr;
    if (++failures_ >= options_.failures_max) return absl::OkStatus();
    // One that hangs would have us wait as often as it is asked.
    if (ledger_.blames().back().rule == 17) return absl::OkStatus();
  }
  if (stand != nullptr) Close(std::move(stand));
  return CheckInterrupted();
}

absl::Status Verifier::CheckInterrupted() const {
  if (!options_.interrupted()) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kAborted, "VERIFY_INTERRUPTED",
                         "verification was interrupted");
}

// None, one, twice as many; and created and destroyed between updates.
void Verifier::AddPopulations(const Pair& pair,
                              std::vector<Group>& groups) const {
  for (const uint32_t vgpus : {0u, 1u, 2 * kVgpus}) {
    std::vector<Sequence> sequences = LegalSequences();
    if (options_.effort == Effort::kQuick) sequences.resize(1);
    for (Sequence& sequence : sequences) {
      absl::StrAppend(&sequence.name, ", ", vgpus, " vGPUs");
    }
    groups.push_back({{pair, vgpus}, std::move(sequences)});
  }
  // Past the guests', who must not lose theirs.
  std::vector<Sequence> changes;
  for (const uint32_t vgpus : {kVgpus + 3, kVgpus + 1, 2 * kVgpus, kVgpus}) {
    changes.push_back(
        {.name = absl::StrCat("save, then ", vgpus, " vGPUs, then update"),
         .run = [vgpus](Trial& trial) {
           if (!trial.Do({AdapterStep::kPrepare, AdapterStep::kPause,
                          AdapterStep::kSave, AdapterStep::kCancel})) {
             return;
           }
           const absl::Status changed = trial.stand().Populate(vgpus);
           if (!trial.Check(changed.ok(), 11,
                            absl::StrCat("vGPUs cannot be created or destroyed "
                                         "after a cancelled save: ",
                                         changed.message()))) {
             return;
           }
           for (const port::DriverImage& image :
                {trial.pair().next, trial.pair().old}) {
             trial.stand().NewAttempt();
             if (!trial.Do(WholeUpdate(), image) || !trial.Serves()) return;
           }
         }});
  }
  groups.push_back({{pair}, std::move(changes)});
}

void Verifier::RunMany(Trial& trial) {
  uint64_t first = 0;
  uint64_t most = 0;
  for (uint32_t i = 0; i < options_.hot_updates; ++i) {
    trial.stand().NewAttempt();
    const bool forward = i % 2 == 0;
    if (options_.interrupted() ||
        !trial.Do(WholeUpdate(),
                  forward ? trial.pair().next : trial.pair().old)) {
      return;
    }
    ++updates_;
    // What the old one of the pair saves: two drivers need not agree on sizes.
    if (!forward) continue;
    if (i < kWarmUp) first = std::max(first, trial.saved().bytes);
    most = std::max(most, trial.saved().bytes);
  }
  if (!trial.Check(
          most <= 2 * first + kGrowthBytesMax, 16,
          absl::StrCat("what is saved grew from ", first, " to ", most,
                       " bytes over ", options_.hot_updates, " updates"))) {
    return;
  }
  trial.Serves();
}

Findings Verifier::Report(size_t descriptors_before) const {
  Findings found = {.suite = "verify", .subject = options_.subject.path};
  found.facts = {
      {"digest", options_.subject.digest},
      {"against",
       options_.against.has_value() ? options_.against->path : "itself"},
      {"sequences", absl::StrCat(sequences_)},
      {"hot updates in a row", absl::StrCat(updates_)},
      {"commands of guests", absl::StrCat(commands_)},
      {"seed", absl::StrCat(options_.seed)},
  };
  found.findings = ledger_.Findings();
  const size_t after = OpenDescriptors();
  found.findings.push_back(
      {.name = "host",
       .promise = "the verifier itself leaks no descriptor",
       .outcome = after <= descriptors_before ? Outcome::kPass : Outcome::kFail,
       .detail = after <= descriptors_before
                     ? ""
                     : absl::StrCat(after - descriptors_before,
                                    " descriptors are left open"),
       .fix = "this is no fault of the driver: report it"});
  return found;
}

}  // namespace

absl::StatusOr<Findings> Verify(const VerifyOptions& options) {
  return Verifier(options).Run();
}

std::vector<std::string> ListSequences(const VerifyOptions& options) {
  return Verifier(options).List();
}

}  // namespace baton::verify
