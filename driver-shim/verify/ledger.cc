#include "driver-shim/verify/ledger.h"

#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "driver-shim/port/order.h"

namespace baton::verify {
namespace {

using port::AdapterStep;

// As many of one rule as a reader wants to see.
constexpr size_t kBlamesShown = 5;

struct Rule {
  const char* promise = "";
  const char* fix = "";
};

// By number, from R1 on.
constexpr std::array<Rule, kRules> kBook = {{
    {"the state of every active vGPU is saved",
     "save all that you keep in memory for each vGPU, and return success only "
     "when each block was taken"},
    {"blocks are saved inside Save, and only there",
     "call DxgkCbSaveMemoryForHotUpdate from DxgkDdiSaveMemoryForHotUpdate "
     "alone, before it returns"},
    {"each block has exactly one form, with a size",
     "set one of pDataMemoryRanges, pDataMdl and pData with its size, clear "
     "the others, and heed what the callback returns"},
    {"no page is saved twice",
     "give pages of their own to what is saved in place, and save each once"},
    {"each block is restored as it was saved, in any order",
     "leave saved pages alone after Save; keep and check a digest in each "
     "block; tell blocks apart by their metadata, never by their order; refuse "
     "what is damaged"},
    {"restored blocks are taken as descriptor lists",
     "read the whole of the list with its offset and length, whatever form "
     "saved it"},
    {"what was restored and allocated is freed, once",
     "on success free a list's pages with MmFreePagesFromMdl, then the list "
     "with ExFreePool; leave nothing behind at Unload"},
    {"a list whose restore failed is left to the host",
     "free a list only when you return success"},
    {"vGPUs are not touched before StartDevice",
     "in Restore only reserve what restoring needs; rebuild in StartDevice"},
    {"RestoreComplete is accepted", "free what restoring needed, and succeed"},
    {"after CancelHotUpdate the driver goes on",
     "undo what Save did and return success; needing memory for it is no good"},
    {"the adapter says HotDriverUpdate",
     "set it in the answer to DXGKQAITYPE_GPUPCAPS"},
    {"it is stopped and started in the documented order",
     "succeed in StopDevice, RemoveDevice, Unload, DriverEntry, AddDevice and "
     "StartDevice, with restored state and without; once StopDevice returns no "
     "DPC may be queued"},
    {"virtual functions and VRAM are left alone during an update",
     "between Save and the engines' start neither reset nor disable a "
     "function, "
     "and write neither its registers nor VRAM"},
    {"guests go on by themselves once engines run",
     "do not wait for SuspendVirtualGpu or ResumeVirtualGpu: serve mailboxes "
     "and interrupts again when they come"},
    {"short memory is an error and no disaster",
     "check every allocation; return STATUS_NO_MEMORY, free what you had, and "
     "leave the state as it was; save no more than you must"},
    {"every call returns in time",
     "never wait in an entry point without a bound well below its deadline"},
}};

std::string Fact(absl::string_view what, absl::string_view value) {
  return value.empty() ? "" : absl::StrCat(" ", what, " ", value);
}

bool NamesStart(absl::string_view entry_point) {
  return !absl::StartsWith(entry_point, "DxgkDdiRestoreMemory");
}

// Of a step that failed without a rule of its own.
int RuleOfStep(AdapterStep step, const port::StepReport& report, Role role) {
  const std::string reason = Reason(report.status);
  switch (step) {
    case AdapterStep::kPrepare:
      return 13;
    case AdapterStep::kPause:
    case AdapterStep::kSave:
      return reason == "SAVED_STATE_DAMAGED" ? 5 : 1;
    case AdapterStep::kCancel:
      return 11;
    case AdapterStep::kUnload:
      return 13;
    case AdapterStep::kRestore:
      // The blocks are the same as ever: it is the device that is not.
      if (role == Role::kBetween) return 14;
      // Where the new driver is known to be good, what it was given is not.
      if (role == Role::kOld) return NamesStart(report.entry_point) ? 1 : 5;
      return NamesStart(report.entry_point) ? 13 : 5;
    case AdapterStep::kVerify:
      if (role == Role::kBetween) return 14;
      if (role == Role::kNew) return 5;
      return role == Role::kBoth && reason == "VGPU_CHANGED" ? 5 : 1;
    case AdapterStep::kResume:
    case AdapterStep::kConfirm:
      return 15;
    case AdapterStep::kCommit:
      return 10;
  }
  std::abort();
}

}  // namespace

std::vector<int> RulesShownBy(AdapterStep step, size_t vgpus) {
  switch (step) {
    case AdapterStep::kPrepare:
      return {12};
    case AdapterStep::kPause:
      return {};
    case AdapterStep::kSave:
      if (vgpus == 0) return {2};
      return {1, 2, 3, 4};
    case AdapterStep::kCancel:
      return {11};
    case AdapterStep::kUnload:
      return {7, 13};
    case AdapterStep::kRestore:
      if (vgpus == 0) return {9, 13};
      return {5, 6, 9, 13};
    case AdapterStep::kVerify:
      if (vgpus == 0) return {};
      return {5, 14};
    case AdapterStep::kResume:
      return {};
    case AdapterStep::kConfirm:
      if (vgpus == 0) return {};
      return {15};
    case AdapterStep::kCommit:
      return {10};
  }
  std::abort();
}

int RuleBrokenBy(AdapterStep step, const port::StepReport& report, Role role) {
  absl::string_view number = report.rule;
  int rule = 0;
  if (absl::ConsumePrefix(&number, "R") && absl::SimpleAtoi(number, &rule) &&
      rule >= 1 && rule <= kRules) {
    return rule;
  }
  const std::string reason = Reason(report.status);
  if (reason == "DRIVER_HUNG") return 17;
  if (!report.status.ok()) return RuleOfStep(step, report, role);
  if (step == AdapterStep::kUnload && !report.entry_point.empty()) return 13;
  return 0;
}

int RuleBrokenAtStart(const absl::Status& status) {
  const std::string reason = Reason(status);
  if (reason == "DRIVER_HUNG") return 17;
  if (reason == "GUEST_IDLE") return 15;
  absl::string_view message = status.message();
  int rule = 0;
  if (reason == "RULE_BROKEN" && absl::ConsumePrefix(&message, "rule R") &&
      absl::SimpleAtoi(message.substr(0, message.find(' ')), &rule) &&
      rule >= 1 && rule <= kRules) {
    return rule;
  }
  return 13;
}

int RuleBrokenBy(const softgpu::Report& guest) {
  if (guest.lost + guest.duplicated + guest.reordered + guest.wrong +
          guest.faults >
      0) {
    return 14;
  }
  if (guest.mailbox_errors > 0) return 5;
  return guest.stalls > 0 ? 15 : 0;
}

std::string Describe(AdapterStep step, const port::StepReport& report) {
  std::string out = absl::StrCat(
      port::Name(step),
      report.status.ok() ? " was done by force: the driver failed" : " failed",
      Fact("in", report.entry_point), Fact("with", Reason(report.status)));
  if (!report.status.ok()) {
    absl::StrAppend(&out, ": ", report.status.message());
  }
  if (!report.driver_log.empty()) {
    absl::StrAppend(&out,
                    "; the driver's last line: ", report.driver_log.back());
  }
  return out;
}

void Ledger::Credit(const std::vector<int>& rules) {
  for (const int rule : rules) Credit(rule);
}

void Ledger::Add(const Blame& blame) { blames_.push_back(blame); }

std::vector<Finding> Ledger::Findings() const {
  std::vector<Finding> findings;
  for (int rule = 1; rule <= kRules; ++rule) {
    const Rule& row = kBook[Index(rule)];
    Finding finding = {.name = absl::StrCat("R", rule),
                       .promise = row.promise,
                       .fix = row.fix};
    size_t count = 0;
    for (const Blame& blame : blames_) {
      if (blame.rule != rule || ++count > kBlamesShown) continue;
      absl::StrAppend(&finding.detail, finding.detail.empty() ? "" : "\n",
                      blame.sequence, ": ", blame.message);
    }
    if (count > kBlamesShown) {
      absl::StrAppend(&finding.detail, "\nand ", count - kBlamesShown, " more");
    }
    if (count > 0) {
      finding.outcome = Outcome::kFail;
    } else if (credits_[Index(rule)] > 0) {
      finding.outcome = Outcome::kPass;
    } else {
      finding.detail = "nothing that was tried came that far";
    }
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace baton::verify
