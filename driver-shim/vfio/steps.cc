#include "driver-shim/vfio/steps.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/order.h"
#include "driver-shim/vfio/module_file.h"
#include "driver-shim/vfio/proc_files.h"

// Start, acts, and the steps before the point of no return; the others are in
// steps_after.cc.

namespace baton::vfio {
namespace {

using core::Act;
using core::Goal;
using core::Phase;
using port::AdapterState;

absl::Status Blocked(const std::vector<core::Blocker>& blockers) {
  if (blockers.empty()) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         blockers.front().reason, blockers.front().message);
}

// A module whose loading was begun, and nobody saw the end.
constexpr char kUnknownDigest[] = "unknown";
// Kept free beside a stream, for a machine's other devices, and for the record
// and logs.
constexpr uint64_t kReservedBytes = uint64_t{4} << 20;
// What a vGPU gets of a step in which none may keep another, whatever others
// took before it; and what it gets at least before it is given up.
constexpr absl::Duration kTurn = absl::Milliseconds(500);
constexpr absl::Duration kLastTurnLeast = absl::Seconds(2);
// To let guests go on after a Pause that failed, whatever its deadline was.
constexpr absl::Duration kUndoTimeout = absl::Seconds(10);

}  // namespace

Steps::Steps(Config config, std::string state_directory,
             std::vector<Vgpu> vgpus, Kernel& kernel, const Clock& clock)
    : config_(std::move(config)),
      state_directory_(std::move(state_directory)),
      vgpus_(std::move(vgpus)),
      kernel_(kernel),
      clock_(clock),
      file_(absl::StrCat(state_directory_, "/record"), kernel.BootId()),
      present_(vgpus_.size(), false) {}

// ---- start ----

absl::Status Steps::Start(const port::DriverImage& image,
                          const std::string& fresh_instance) {
  ASSIGN_OR_RETURN(std::optional<Record> record, file_.Read());
  if (record.has_value()) return Recall(*std::move(record));
  record_ = Record();
  record_.instance = fresh_instance;
  RETURN_IF_ERROR(LoadFirst(image));
  record_.state = AdapterState::kRunning;
  CleanUp();
  return Keep();
}

absl::Status Steps::Recall(Record record) {
  record_ = std::move(record);
  for (Vgpu& vgpu : vgpus_) {
    const VgpuRecord& known = RecordOf(vgpu);
    if (known.holder.empty()) continue;  // it was not configured then
    if (vgpu.holder->Recall(known.holder, known.phase)) continue;
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "RECORD_DAMAGED",
        absl::StrCat("the update's record is damaged: what it says of '",
                     vgpu.config.guest, "' makes no sense"));
  }
  if (!kernel_.Loaded(config_.module.name)) {
    const port::DriverImage was = record_.loaded;
    record_.loaded = {};
    // Nobody of ours took it out: whoever used it has lost it already.
    if (record_.state == AdapterState::kRunning) {
      RETURN_IF_ERROR(LoadModule(was));
    }
  }
  if (record_.state == AdapterState::kRunning) CleanUp();
  if (record_.state == AdapterState::kRunning && record_.attempt != 0) {
    // It was committed; only the end was not told.
    record_.reports[port::AdapterStep::kCommit] = {};
    record_.finished = std::exchange(record_.attempt, 0);
  }
  LogInfo(absl::StrCat("goes on from the record: adapter is ",
                       port::Name(record_.state), " in attempt ",
                       record_.attempt));
  return Keep();
}

absl::Status Steps::LoadFirst(const port::DriverImage& image) {
  port::DriverImage first = image;
  if (first.digest.empty()) {
    ASSIGN_OR_RETURN(first.digest, Sha256OfFile(first.path));
  }
  RETURN_IF_ERROR(CheckModule(first));
  if (!kernel_.Loaded(config_.module.name)) return LoadModule(first);
  // Which file a loaded module came from, only its build id tells.
  ASSIGN_OR_RETURN(const ModuleFile file, ReadModuleFile(first.path));
  const std::string loaded = kernel_.BuildIdOf(config_.module.name);
  if (file.build_id.empty() || loaded != file.build_id) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "MODULE_UNKNOWN",
        absl::StrCat("module '", config_.module.name,
                     "' is loaded with build id '", loaded, "', but '",
                     first.path, "' has '", file.build_id,
                     "': name the file that it was loaded from"));
  }
  record_.loaded = first;
  for (const Vgpu& vgpu : vgpus_) {
    if (kernel_.HasVgpu(vgpu.config.uuid)) continue;
    RETURN_IF_ERROR(kernel_.CreateVgpu({config_.mdev.parent, config_.mdev.type},
                                       vgpu.config.uuid));
  }
  return absl::OkStatus();
}

absl::Status Steps::Keep() {
  for (Vgpu& vgpu : vgpus_) RecordOf(vgpu).holder = vgpu.holder->Record();
  return file_.Write(record_);
}

void Steps::CleanUp() {
  for (Vgpu& vgpu : vgpus_) {
    VgpuRecord& record = RecordOf(vgpu);
    vgpu.holder->Dismiss();
    record = VgpuRecord{.holder = vgpu.holder->Record()};
  }
  const std::string streams = absl::StrCat(state_directory_, "/streams/");
  for (const std::string& name : NamesIn(streams)) {
    unlink(absl::StrCat(streams, name).c_str());
  }
  untidy_ = false;
}

void Steps::Tidy() {
  CleanUp();
  Look();
  // A shim that does not find it so tidies up once more.
  if (absl::Status kept = Keep(); !kept.ok()) LogWarning(kept.message());
}

// ---- acts ----

const VgpuRecord* Steps::FindRecord(const Vgpu& vgpu) const {
  const auto found = record_.vgpus.find(vgpu.config.uuid);
  return found == record_.vgpus.end() ? nullptr : &found->second;
}

// Whoever is not carried is as good as lost to the decision: nothing is done
// about them.
core::Sight Steps::See(const port::DriverImage& wanted) const {
  core::Sight sight = {.loaded = record_.loaded.digest,
                       .wanted = wanted.digest};
  for (const Vgpu& vgpu : vgpus_) {
    const VgpuRecord* const record = FindRecord(vgpu);
    const bool carried = record != nullptr && record->carried;
    sight.vgpus.push_back({.phase = carried ? record->phase : Phase::kLost,
                           .proven = carried && record->proven});
  }
  return sight;
}

absl::Status Steps::Reach(Goal goal, const port::DriverImage& wanted,
                          const Budget& budget) {
  while (const auto next = core::NextAct(goal, See(wanted))) {
    if (budget.Left() == absl::ZeroDuration()) {
      return budget.Exceeded("what was to be done");
    }
    RETURN_IF_ERROR(Do(*next, wanted, budget));
  }
  return absl::OkStatus();
}

absl::Status Steps::ReachEach(Goal goal, const port::DriverImage& wanted,
                              const Budget& budget, absl::Duration turn,
                              Failures& failures) {
  // On the way back there is nothing that all could go back to.
  const bool forward = record_.state == AdapterState::kVerified &&
                       record_.loaded.digest != record_.previous.digest;
  absl::Status first;
  while (true) {
    core::Sight sight = See(wanted);
    for (const auto& [vgpu, why] : failures) {
      sight.vgpus[vgpu].phase = Phase::kLost;
    }
    const auto next = core::NextAct(goal, sight);
    if (!next.has_value()) return first;
    // No device of a module that goes may stay held, whosever it is.
    const bool of_all =
        next->act == Act::kUnloadModule || next->act == Act::kLoadModule ||
        (next->act == Act::kRelease && sight.loaded != sight.wanted);
    if (!of_all) sight.vgpus[next->vgpu].phase = Phase::kLost;
    const bool others_wait = core::NextAct(goal, sight).has_value();
    const absl::Duration left = budget.Left();
    const absl::Duration share = std::max(others_wait ? left / 2 : left, turn);
    absl::Status done =
        Do(*next, wanted, of_all ? budget : Budget(clock_, share));
    if (done.ok()) continue;
    first.Update(done);
    if (of_all) {
      failures.clear();
      return done;
    }
    failures[next->vgpu] = done;
    // Nobody may run yet: all can go back with what was saved.
    if (forward && !AnyCarriedIn({Phase::kResuming, Phase::kRuns})) {
      return first;
    }
  }
}

absl::Status Steps::LetAllGoOn(const Budget& budget) {
  Failures failures;
  return ReachEach(Goal::kRunning, record_.loaded, budget, kTurn, failures);
}

// There is no other way left: one whose next QEMU cannot take it back has none
// of the others stand for it. Where none can be taken back it is the module,
// and nothing is given up.
absl::Status Steps::BringBack(const port::StepOrder& order,
                              const Budget& budget) {
  Failures failures;
  const port::DriverImage& image = order.image;
  absl::Status first =
      ReachEach(Goal::kRestored, image, budget, kTurn, failures);
  if (failures.empty() || !AnyCarriedIn({Phase::kRestored})) return first;
  // It may have been a moment's trouble, or no time.
  Failures again;
  const absl::Duration turn = std::max(order.deadline, kLastTurnLeast);
  if (ReachEach(Goal::kRestored, image, budget, turn, again).ok()) {
    return absl::OkStatus();
  }
  if (again.empty()) again = failures;
  for (const auto& [vgpu, why] : again) SetAside(vgpus_[vgpu], why);
  return Keep();
}

// A person can still start it with what was saved, which is kept.
void Steps::SetAside(Vgpu& vgpu, const absl::Status& why) {
  VgpuRecord& record = RecordOf(vgpu);
  const std::string folder = absl::StrCat(state_directory_, "/lost");
  const std::string kept =
      absl::StrCat(folder, "/", vgpu.config.guest, ".stream");
  mkdir(folder.c_str(), S_IRWXU);
  // A shim that dies before this is on record finds it where it was.
  unlink(kept.c_str());
  const bool is_kept = link(record.saved.path.c_str(), kept.c_str()) == 0;
  if (is_kept) record.saved.path = kept;
  record.lost = absl::StrCat(
      "it could not be taken back, and is left out: ", why.message(),
      is_kept ? "; what was saved of it is in '"
              : "; what was saved of it could not be kept in '",
      kept, "'");
  record.phase = Phase::kLost;
  LogError(absl::StrCat("vGPU of '", vgpu.config.guest, "': ", record.lost));
  vgpu.holder->Dismiss();
}

absl::Status Steps::Do(const core::Next& next, const port::DriverImage& wanted,
                       const Budget& budget) {
  if (next.act == Act::kUnloadModule) return UnloadModule(budget);
  if (next.act == Act::kLoadModule) return LoadModule(wanted);
  return ActOn(vgpus_[next.vgpu], next.act, budget);
}

absl::Status Steps::UnloadModule(const Budget& budget) {
  record_.state = AdapterState::kUnloaded;
  RETURN_IF_ERROR(Keep());
  FAIL_POINT("shim.vfio_before_unload");
  if (kernel_.Loaded(config_.module.name)) {
    RETURN_IF_ERROR(kernel_.Unload(config_.module.name, budget));
  }
  FAIL_POINT("shim.vfio_after_unload");
  record_.loaded = {};
  return Keep();
}

absl::Status Steps::LoadModule(const port::DriverImage& image) {
  record_.loaded = {.digest = kUnknownDigest};
  RETURN_IF_ERROR(Keep());
  FAIL_POINT("shim.vfio_before_load");
  if (absl::Status loaded = kernel_.Load(image.path, config_.module.parameters);
      !loaded.ok()) {
    if (!kernel_.Loaded(config_.module.name)) record_.loaded = {};
    return loaded;
  }
  FAIL_POINT("shim.vfio_after_load");
  for (const Vgpu& vgpu : vgpus_) {
    RETURN_IF_ERROR(kernel_.CreateVgpu({config_.mdev.parent, config_.mdev.type},
                                       vgpu.config.uuid));
    const auto& access = RecordOf(vgpu).access;
    if (!access.has_value()) continue;
    // Whoever is carried over hears of it again.
    if (absl::Status admitted = kernel_.Admit(vgpu.config.uuid, *access);
        !admitted.ok()) {
      LogWarning(admitted.message());
    }
  }
  record_.loaded = image;
  return Keep();
}

absl::Status Steps::ActOn(Vgpu& vgpu, Act act, const Budget& budget) {
  if (act == Act::kResume) return ResumeVgpu(vgpu, budget);
  VgpuRecord& record = RecordOf(vgpu);
  record.phase = During(act, record.phase);
  // The first that lets go of its device is the point of no return.
  if (act == Act::kRelease) record_.state = AdapterState::kUnloaded;
  if (act == Act::kStop) record.stopped_at = clock_.Monotonic();
  RETURN_IF_ERROR(Keep());
  FAIL_POINT("shim.vfio_before_act");
  if (absl::Status done = Carry(vgpu, act, budget); !done.ok()) {
    // What a machine that has ended by itself had is gone with it, unless it
    // was saved.
    const bool live =
        record.phase == Phase::kStopping || record.phase == Phase::kSaving;
    if (live && !vgpu.holder->Present()) record.phase = Phase::kLost;
    // Others do not wait for whoever cannot come back.
    if (act != Act::kRestore || vgpu.holder->CanReturn()) return done;
    record.phase = Phase::kLost;
    return Keep();
  }
  FAIL_POINT("shim.vfio_after_act");
  record.phase = After(act, record.phase);
  return Keep();
}

absl::Status Steps::Carry(Vgpu& vgpu, Act act, const Budget& budget) {
  VgpuRecord& record = RecordOf(vgpu);
  switch (act) {
    case Act::kStop: {
      RETURN_IF_ERROR(vgpu.holder->Stop(budget));
      ASSIGN_OR_RETURN(record.state, StateOf(vgpu, budget));
      record.proven = false;
      return absl::OkStatus();
    }
    case Act::kSave: {
      const std::string path = absl::StrCat(state_directory_, "/streams/",
                                            vgpu.config.guest, ".stream");
      ASSIGN_OR_RETURN(record.saved, vgpu.holder->Save(path, budget));
      return absl::OkStatus();
    }
    case Act::kRelease:
      return vgpu.holder->Release(budget);
    case Act::kRestore:
      record.proven = false;
      return RestoreVgpu(vgpu, budget);
    case Act::kProve:
    case Act::kResume:
    case Act::kLoadModule:
    case Act::kUnloadModule:
      break;  // done elsewhere
  }
  return absl::InternalError("an act of no vGPU's");
}

// Its holder may not be root, and the device's file is a new one. Whatever else
// sees it come, such as udev, may give it to others just then.
absl::Status Steps::RestoreVgpu(Vgpu& vgpu, const Budget& budget) {
  const VgpuRecord& record = RecordOf(vgpu);
  const std::string& uuid = vgpu.config.uuid;
  if (!record.access.has_value()) {
    return vgpu.holder->Restore(record.saved, budget);
  }
  RETURN_IF_ERROR(kernel_.Admit(uuid, *record.access));
  absl::Status restored = vgpu.holder->Restore(record.saved, budget);
  if (restored.ok() || kernel_.AccessTo(uuid) == record.access) {
    return restored;
  }
  LogWarning(absl::StrCat("the file of vGPU ", uuid,
                          " was given to others: takes it back once"));
  RETURN_IF_ERROR(kernel_.Admit(uuid, *record.access));
  return vgpu.holder->Restore(record.saved, budget);
}

// That it may run is durable before it may.
absl::Status Steps::ResumeVgpu(Vgpu& vgpu, const Budget& budget) {
  VgpuRecord& record = RecordOf(vgpu);
  FAIL_POINT("shim.vfio_before_adopt");
  RETURN_IF_ERROR(vgpu.holder->Adopt(budget));
  record.phase = Phase::kResuming;
  RETURN_IF_ERROR(Keep());
  FAIL_POINT("shim.vfio_before_resume");
  if (absl::Status resumed = vgpu.holder->Resume(budget); !resumed.ok()) {
    if (vgpu.holder->Present()) return resumed;
    // It has ended by itself: the others go on without it.
    record.phase = Phase::kLost;
    return Keep();
  }
  FAIL_POINT("shim.vfio_after_resume");
  if (record.stopped_at.has_value()) {
    const absl::Duration blackout = clock_.Monotonic() - *record.stopped_at;
    record.blackout = std::max(record.blackout.value_or(blackout), blackout);
    record.stopped_at = std::nullopt;
  }
  record.phase = Phase::kRuns;
  return Keep();
}

// ---- before ----

absl::Status Steps::CheckImage(const port::DriverImage& image) {
  const FileIdentity file = IdentityOfFile(image.path);
  const auto known = checked_.find(image.digest);
  if (known != checked_.end() && known->second == file) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(image.path));
  if (digest != image.digest) {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                           "IMAGE_DIGEST_MISMATCH",
                           absl::StrCat("image '", image.path, "' has digest ",
                                        digest, ", want ", image.digest));
  }
  RETURN_IF_ERROR(CheckModule(image));
  checked_[image.digest] = file;
  return absl::OkStatus();
}

absl::Status Steps::CheckModule(const port::DriverImage& image) const {
  ASSIGN_OR_RETURN(const ModuleFile file, ReadModuleFile(image.path));
  if (file.name != config_.module.name) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "MODULE_OTHER_NAME",
        absl::StrCat("'", image.path, "' is module '", file.name, "', want '",
                     config_.module.name, "'"));
  }
  const std::string release = kernel_.Release();
  if (absl::StartsWith(file.vermagic, absl::StrCat(release, " "))) {
    return absl::OkStatus();
  }
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "MODULE_OTHER_KERNEL",
      absl::StrCat("'", image.path, "' was built for kernel '", file.vermagic,
                   "', this one is '", release, "'"));
}

absl::Status Steps::CheckSpace() const {
  struct statvfs space = {};
  const bool known = statvfs(state_directory_.c_str(), &space) == 0;
  const uint64_t free = known ? space.f_bavail * space.f_frsize : 0;
  uint64_t need = kReservedBytes;
  for (size_t i = 0; i < vgpus_.size(); ++i) {
    if (!present_[i]) continue;
    need += (config_.mdev.vram_mib << 20) + kReservedBytes;
  }
  if (free >= need) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kResourceExhausted, "STREAM_SPACE_SHORT",
      absl::StrCat("'", state_directory_, "' has ", free,
                   " bytes free for saved state, want ", need));
}

absl::Status Steps::CheckBlockers() {
  Look();
  return Blocked(blockers_);
}

// Whoever is there before anybody was stopped is carried over. Later, on the
// way back, one that has ended by itself is lost, and one that stands between
// two modules is left as it is.
absl::Status Steps::ReadyHolders(const Budget& budget) {
  const bool fresh = record_.state == AdapterState::kRunning ||
                     record_.state == AdapterState::kPrepared;
  for (size_t i = 0; i < vgpus_.size(); ++i) {
    VgpuRecord& record = RecordOf(vgpus_[i]);
    if (fresh) {
      record.carried = present_[i];
      record.access = kernel_.AccessTo(vgpus_[i].config.uuid);
    }
    const bool may_run = record.phase == Phase::kRuns ||
                         record.phase == Phase::kStopping ||
                         record.phase == Phase::kResuming;
    if (!record.carried || !may_run) continue;
    if (!fresh && !vgpus_[i].holder->Present()) {
      record.phase = Phase::kLost;
      continue;
    }
    if (budget.Left() == absl::ZeroDuration()) {
      return budget.Exceeded("making the holders ready");
    }
    // Before anybody was stopped CheckBlockers() has just asked all of them.
    if (!fresh) RETURN_IF_ERROR(Blocked(vgpus_[i].holder->Preflight()));
    RETURN_IF_ERROR(vgpus_[i].holder->Prepare(budget));
    RETURN_IF_ERROR(Keep());
  }
  return absl::OkStatus();
}

void Steps::Look() {
  blockers_.clear();
  if (config_.proof.state_digest.empty() && !config_.proof.read_back &&
      !config_.proof.accept_unverified) {
    blockers_.push_back(
        {"UNVERIFIABLE",
         "its driver gives no proof that it took what it was given: name "
         "proof.state_digest or set proof.read_back in the configuration, or "
         "say proof.unverified 'accept'"});
  }
  for (size_t i = 0; i < vgpus_.size(); ++i) {
    Vgpu& vgpu = vgpus_[i];
    present_[i] = vgpu.holder->Present();
    for (core::Blocker& blocker : vgpu.holder->Preflight()) {
      blockers_.push_back(std::move(blocker));
    }
    for (const Occupant& stranger : kernel_.HoldersOf(vgpu.config.uuid)) {
      if (stranger.pid == vgpu.holder->Pid()) continue;
      blockers_.push_back(
          {"FOREIGN_HOLDER",
           absl::StrCat("vGPU ", vgpu.config.uuid, " of '", vgpu.config.guest,
                        "' is held by process ", stranger.pid, " (",
                        stranger.command,
                        "), which is not the one that the configuration "
                        "names: end it, or name it")});
    }
  }
}

port::StepReport Steps::Prepare(const port::StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  if (untidy_) CleanUp();
  report.status = [&] {
    RETURN_IF_ERROR(CheckImage(order.image));
    // What leads back must be there too.
    RETURN_IF_ERROR(CheckImage(record_.loaded));
    RETURN_IF_ERROR(CheckBlockers());
    RETURN_IF_ERROR(CheckSpace());
    // What the guests are: another shim finds by it what this one starts.
    RETURN_IF_ERROR(Keep());
    RETURN_IF_ERROR(ReadyHolders(budget));
    if (budget.Left() == absl::ZeroDuration()) {
      return budget.Exceeded("making ready");
    }
    return absl::OkStatus();
  }();
  if (!report.status.ok()) {
    CleanUp();
    return report;
  }
  record_.previous = record_.loaded;
  record_.origin = AdapterState::kRunning;
  record_.state = AdapterState::kPrepared;
  return report;
}

port::StepReport Steps::Pause(const port::StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  report.status = [&] {
    if (record_.state == AdapterState::kPrepared) {
      RETURN_IF_ERROR(CheckBlockers());
    }
    RETURN_IF_ERROR(ReadyHolders(budget));
    RETURN_IF_ERROR(Reach(Goal::kStopped, record_.loaded, budget));
    return TakeCensus(budget, report);
  }();
  if (!report.status.ok()) {
    const absl::Status undone = LetAllGoOn(Budget(clock_, kUndoTimeout));
    if (!undone.ok()) LogError(undone.message());
    return report;
  }
  if (record_.state != AdapterState::kPrepared) {
    record_.origin = record_.state;
  }
  record_.state = AdapterState::kPaused;
  return report;
}

port::StepReport Steps::Save(const port::StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  report.status = Reach(Goal::kSaved, record_.loaded, budget);
  if (!report.status.ok()) return report;
  report.saved = Saved().value_or(port::SavedState());
  record_.state = AdapterState::kSaved;
  return report;
}

port::StepReport Steps::Cancel(const port::StepOrder& order) {
  if (untidy_) CleanUp();
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  report.status = LetAllGoOn(budget);
  if (!report.status.ok()) return report;
  const bool stood = record_.state != AdapterState::kRunning &&
                     record_.state != AdapterState::kPrepared;
  for (port::VirtualGpuResult& result : Results()) {
    // A Pause that failed stopped some, and one may have ended in it.
    if (stood || result.blackout.has_value() || !result.preserved) {
      report.vgpus.push_back(std::move(result));
    }
  }
  record_.state = stood ? record_.origin : AdapterState::kRunning;
  if (record_.state == AdapterState::kRunning) {
    CleanUp();
    Look();
  }
  return report;
}

}  // namespace baton::vfio
