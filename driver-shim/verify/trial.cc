#include "driver-shim/verify/trial.h"

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "driver-shim/port/order.h"

namespace baton::verify {
namespace {

using port::AdapterStep;
using Step = AdapterStep;

// Whether a driver that is treated with hostility may end a step so.
bool IsRefusal(const port::StepReport& report) {
  return Reason(report.status) == "DRIVER_REFUSED";
}

}  // namespace

Role Trial::RoleNow() const {
  if (pair_.old.digest == pair_.next.digest) return Role::kBoth;
  if (restored_ == pair_.subject) return Role::kNew;
  return saver_ == pair_.subject ? Role::kOld : Role::kBetween;
}

void Trial::Note(Step step, const port::DriverImage& image) {
  if (step == Step::kSave) saver_ = stand_.Inspect().image.digest;
  if (step == Step::kRestore) restored_ = image.digest;
}

bool Trial::Check(bool holds, int rule, const std::string& message) {
  if (!holds) {
    ledger_.Add({.rule = rule, .sequence = name_, .message = message});
  }
  return holds;
}

bool Trial::Judge(Step step, const absl::StatusOr<port::StepReport>& report) {
  if (!report.ok()) {
    return Check(false, 13,
                 absl::StrCat(port::Name(step), " was not possible: ",
                              report.status().message()));
  }
  const int rule = RuleBrokenBy(step, *report, RoleNow());
  return Check(rule == 0, rule == 0 ? 1 : rule, Describe(step, *report));
}

bool Trial::Do(const std::vector<Step>& steps, const port::DriverImage& image) {
  for (const Step step : steps) {
    Note(step, image);
    const auto report = stand_.Take(step, image);
    if (!Judge(step, report)) return false;
    if (step == Step::kSave) saved_ = report->saved;
    ledger_.Credit(RulesShownBy(step, stand_.vgpus()));
    // Nobody may be lost by a cancel either.
    if (step != Step::kCancel) continue;
    for (const port::VirtualGpuResult& vgpu : report->vgpus) {
      if (!Check(vgpu.preserved, 11,
                 absl::StrCat("after CancelHotUpdate partition ",
                              vgpu.partition_id, " ", vgpu.difference))) {
        return false;
      }
    }
  }
  return true;
}

Trial::Survived Trial::Survive(Step step, const port::Hostility& hostility,
                               int rule) {
  Note(step, pair_.next);
  stand_.hostility() = hostility;
  const auto report = stand_.Take(step, pair_.next);
  stand_.hostility() = {};
  Survived survived;
  if (!report.ok()) {
    Judge(step, report);
    return survived;
  }
  survived.succeeded = report->status.ok();
  const bool quiet =
      report->rule.empty() && (survived.succeeded || IsRefusal(*report));
  if (quiet) {
    survived.intact = true;
    return survived;
  }
  const bool crashed =
      report->rule.empty() && Reason(report->status) != "DRIVER_HUNG";
  Check(false, crashed ? rule : RuleBrokenBy(step, *report, RoleNow()),
        Describe(step, *report));
  return survived;
}

bool Trial::Serves() {
  const port::AdapterReport report = stand_.Inspect();
  return Check(
      report.state == port::AdapterState::kRunning &&
          report.vgpus.size() == stand_.vgpus() && report.fault.empty(),
      15,
      absl::StrCat("at the end the adapter is ", port::Name(report.state),
                   " with ", report.vgpus.size(), " of ", stand_.vgpus(),
                   " vGPUs", report.fault.empty() ? "" : ": ", report.fault));
}

std::vector<Step> ToUnload() {
  return {Step::kPrepare, Step::kPause, Step::kSave, Step::kUnload};
}

std::vector<Step> FromRestore() {
  return {Step::kRestore, Step::kVerify, Step::kResume, Step::kConfirm,
          Step::kCommit};
}

std::vector<Step> WholeUpdate() {
  std::vector<Step> steps = ToUnload();
  for (const Step step : FromRestore()) steps.push_back(step);
  return steps;
}

}  // namespace baton::verify
