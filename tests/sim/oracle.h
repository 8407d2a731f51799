#ifndef TESTS_SIM_ORACLE_H_
#define TESTS_SIM_ORACLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "agent/core/phase.h"
#include "service/core/apply.h"
#include "service/core/fleet.h"

namespace baton::sim {

// What must be true of the service whatever happens, judged at each commit by a
// copy of all that was committed before. Each commit costs what it changed; all
// is checked now and then.
class Oracle final {
 public:
  // How an attempt ended in truth; kNone: it has not.
  using Truth = std::function<agent::core::End(const std::string& host,
                                               uint64_t attempt)>;

  // `full_every`  commits between two checks of all
  Oracle(Truth truth, int full_every)
      : truth_(std::move(truth)), full_every_(full_every) {}

  // Judges a commit that is about to be made. Afterwards it was.
  absl::Status Commit(const core::Fleet& fleet, const core::Changes& changes);

  // Whether a service that has started holds what was committed.
  absl::Status CheckRestart(const core::Fleet& fleet) const;

  // The store is what it was when `committed` was.
  void Rewind(core::Fleet committed);

  const core::Fleet& committed() const { return committed_; }
  uint64_t admissions() const { return admissions_; }

 private:
  absl::Status CheckAudit(const core::Fleet& fleet,
                          const core::Changes& changes) const;
  absl::Status CheckHosts(const core::Fleet& fleet,
                          const core::Changes& changes);
  absl::Status CheckFreed(const core::Fleet& fleet, const core::Host& was,
                          const core::Changes& changes) const;
  absl::Status CheckAdmission(const core::Fleet& fleet, const core::Host& was,
                              const core::Host& host) const;
  absl::Status CheckBudget(
      const core::Fleet& fleet,
      const std::vector<const core::Host*>& admitted) const;
  absl::Status CheckWaves(const core::Fleet& fleet,
                          const core::Changes& changes) const;
  absl::Status CheckUpdates(const core::Fleet& fleet,
                            const core::Changes& changes) const;
  void Take(const core::Fleet& fleet, const core::Changes& changes);

  // Hosts that are out of service, by label and value; both empty: all of them.
  using Domain = std::pair<std::string, std::string>;
  struct OutOfService {
    std::map<std::string, core::Labels> hosts = {};  // each with its domains
    std::map<Domain, uint32_t> counts = {};

    // Counts `name` as it is now; null: it is no more.
    void Note(const std::string& name, const core::Host* host);
    bool operator==(const OutOfService&) const = default;
  };
  static OutOfService CountAll(const core::Fleet& fleet);

  const Truth truth_;
  const int full_every_;
  int commits_ = 0;
  uint64_t admissions_ = 0;
  core::Fleet committed_;
  OutOfService out_ = {};  // slot, quarantine, cordon
};

}  // namespace baton::sim

#endif  // TESTS_SIM_ORACLE_H_
