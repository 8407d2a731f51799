#ifndef DRIVER_SHIM_VERIFY_LEDGER_H_
#define DRIVER_SHIM_VERIFY_LEDGER_H_

#include <array>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/softgpu/guest/report.h"
#include "driver-shim/verify/findings.h"

// What is held against a driver, rule by rule. Pure.

namespace baton::verify {

inline constexpr int kRules = 17;

// What the driver that is looked at was when another was, or is, restored.
enum class Role {
  kOld,      // it saved
  kNew,      // it was given what was saved
  kBoth,     // either
  kBetween,  // neither: it was tried, and the one that saved is let in again
};

// A rule that was broken, and how that was seen.
struct Blame {
  int rule = 0;               // 1 to kRules
  std::string sequence = "";  // what was being tried
  std::string message = "";
};

// The rules that a step which went well is evidence for.
// `vgpus`  that there are; without any, saving proves nothing
std::vector<int> RulesShownBy(port::AdapterStep step, size_t vgpus);

// The rule that a step's report is to be held against; 0 when nothing is wrong.
// Unload succeeds whatever the driver does, and its report tells.
int RuleBrokenBy(port::AdapterStep step, const port::StepReport& report,
                 Role role);

// The rule that a driver broke which could not be started where nothing was
// saved; at least 1.
int RuleBrokenAtStart(const absl::Status& status);

// The rule that what a guest saw is to be held against; 0 when all is well.
int RuleBrokenBy(const softgpu::Report& guest);

// One line on a step that went wrong, for the vendor.
std::string Describe(port::AdapterStep step, const port::StepReport& report);

// Evidence for and against each rule.
class Ledger {
 public:
  void Credit(const std::vector<int>& rules);
  void Credit(int rule) { ++credits_[Index(rule)]; }
  void Add(const Blame& blame);

  bool clean() const { return blames_.empty(); }
  const std::vector<Blame>& blames() const { return blames_; }

  // One finding for each rule, in their order.
  std::vector<Finding> Findings() const;

 private:
  static size_t Index(int rule) { return static_cast<size_t>(rule - 1); }

  std::array<size_t, kRules> credits_ = {};
  std::vector<Blame> blames_;
};

}  // namespace baton::verify

#endif  // DRIVER_SHIM_VERIFY_LEDGER_H_
