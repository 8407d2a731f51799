#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "driver-shim/conformance/check.h"

// Whether what the service says is so: Inspect, results, the census.

namespace baton::conformance {
namespace {

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) +
         absl::Nanoseconds(duration.nanos());
}

std::vector<Verb> Whole() {
  std::vector<Verb> steps = PathTo(v1::ADAPTER_STATE_CONFIRMED);
  steps.push_back(Verb::kCommit);
  return steps;
}

// ---- Inspect ----

// What Inspect must say of image and blocks after a step of a forward update.
struct Truth {
  Verb verb = Verb::kPrepare;
  const v1::DriverImage* image = nullptr;  // null: none
  bool saved = false;
};

void CheckTruth(Session& session, Check& check, const Truth& truth) {
  const auto seen = session.Inspect();
  if (!check.Ok(seen.status(), "Inspect")) return;
  const std::string step = absl::StrCat("after ", Name(truth.verb));
  check.That(seen->state() == After(truth.verb),
             absl::StrCat(step, ": state is ", Name(seen->state()), ", want ",
                          Name(After(truth.verb))));
  const std::string want = truth.image == nullptr ? "" : truth.image->digest();
  check.That(
      seen->image().digest() == want,
      absl::StrCat(step, ": image is {", seen->image().ShortDebugString(),
                   "}, want digest '", want, "'"));
  check.That(seen->has_saved() == truth.saved,
             absl::StrCat(step, ": saved state is ",
                          seen->has_saved() ? "there" : "absent", ", want it ",
                          truth.saved ? "there" : "absent"));
  const v1::SavedState& told = session.Recorded(Verb::kSave).saved;
  if (truth.saved) {
    check.That(seen->saved().SerializeAsString() == told.SerializeAsString(),
               absl::StrCat(
                   step, ": saved state is {", seen->saved().ShortDebugString(),
                   "}, but Save said {", told.ShortDebugString(), "}"));
  }
}

void TryInspectAfterEachStep(Session& session, Check& check) {
  const auto first = session.Inspect();
  if (!check.Ok(first.status(), "Inspect")) return;
  // Without a vGPU there may be nothing to save.
  const bool some = first->adapter().vgpus_size() > 0;
  const v1::DriverImage* const found = &session.found();
  const v1::DriverImage* const next = &session.next();
  const Truth truths[] = {
      {Verb::kPrepare, found, false}, {Verb::kPause, found, false},
      {Verb::kSave, found, true},     {Verb::kUnload, nullptr, true},
      {Verb::kRestore, next, true},   {Verb::kVerify, next, true},
      {Verb::kResume, next, true},    {Verb::kConfirm, next, true},
      {Verb::kCommit, next, false},
  };
  for (const Truth& truth : truths) {
    if (!check.Done(session.Take(truth.verb), Name(truth.verb))) return;
    Truth wanted = truth;
    wanted.saved = truth.saved && some;
    CheckTruth(session, check, wanted);
  }
}

void TryInspectIsWhole(Session& session, Check& check) {
  const auto seen = session.Inspect();
  if (!check.Ok(seen.status(), "Inspect")) return;
  const v1::Adapter& adapter = seen->adapter();
  check.That(!adapter.name().empty(), "the adapter has no name");
  check.That(!adapter.model().empty(), "the adapter has no model");
  check.That(!adapter.pci_id().empty(), "the adapter has no PCI id");
  check.That(!seen->shim_version().empty(), "the shim has no version");
  check.That(adapter.hot_update_capable(),
             "the adapter says that it cannot be hot updated, and yet it was");
  check.That(
      adapter.image_digest() == seen->image().digest(),
      absl::StrCat("the adapter's image digest is '", adapter.image_digest(),
                   "', the image's '", seen->image().digest(), "'"));
  for (const v1::VirtualGpu& vgpu : adapter.vgpus()) {
    check.That(!vgpu.luid().empty() && !vgpu.profile().empty() &&
                   vgpu.vram_bytes() > 0,
               absl::StrCat("vGPU {", vgpu.ShortDebugString(),
                            "} has no LUID, profile or VRAM"));
  }
}

void TryInspectDuringSteps(Session& session, Check& check) {
  std::atomic<bool> over = false;
  std::vector<std::string> slow;
  std::thread watcher([&] {
    while (!over) {
      const auto seen = session.client().Inspect();
      if (!seen.ok()) slow.emplace_back(seen.status().message());
    }
  });
  const absl::Status walked = session.Walk(Whole());
  over = true;
  watcher.join();
  check.Ok(walked, "a whole update");
  check.That(slow.empty(),
             absl::StrCat("Inspect failed ", slow.size(),
                          " times, first: ", slow.empty() ? "" : slow.front()));
}

// ---- results ----

void TryResultsSayHowItWent(Session& session, Check& check) {
  for (const Verb verb : Whole()) {
    const Answer answer = session.Take(verb);
    if (!check.Done(answer, Name(verb))) return;
    const v1::StepResult& result = answer.result;
    check.That(result.reason().empty() && result.message().empty() &&
                   result.rule().empty(),
               absl::StrCat(Name(verb), ": succeeded with {",
                            result.ShortDebugString(),
                            "}, want no reason, message or rule"));
    const absl::Duration elapsed = FromProto(result.elapsed());
    check.That(
        result.has_elapsed() && elapsed >= absl::ZeroDuration() &&
            elapsed <= answer.waited,
        absl::StrCat(Name(verb), ": says it took ",
                     absl::FormatDuration(elapsed), ", but its caller waited ",
                     absl::FormatDuration(answer.waited)));
  }
}

void TryCallsAreInOrder(Session& session, Check& check) {
  if (!check.Ok(session.Walk(Whole()), "a whole update")) return;
  const auto names = [&](Verb verb) {
    std::vector<std::string> calls;
    for (const v1::EntryPointCall& call :
         session.Recorded(verb).result.calls()) {
      calls.push_back(call.entry_point());
    }
    return calls;
  };
  const std::vector<std::string> unload = names(Verb::kUnload);
  if (unload.empty()) {
    return check.NotApplicable(
        "results name no entry points: this adapter's "
        "driver has another interface");
  }
  const std::vector<std::string> want_unload = {
      "DxgkDdiStopDevice", "DxgkDdiRemoveDevice", "DxgkDdiUnload"};
  check.That(unload == want_unload,
             absl::StrCat("Unload called ", absl::StrJoin(unload, ", "),
                          "; want ", absl::StrJoin(want_unload, ", ")));
  std::vector<std::string> want_restore = {"DriverEntry", "DxgkDdiAddDevice"};
  want_restore.insert(want_restore.end(),
                      session.Recorded(Verb::kSave).saved.blocks(),
                      "DxgkDdiRestoreMemoryForHotUpdate");
  want_restore.push_back("DxgkDdiStartDevice");
  std::vector<std::string> restore = names(Verb::kRestore);
  // What follows StartDevice are questions, and free.
  if (restore.size() > want_restore.size()) {
    restore.resize(want_restore.size());
  }
  check.That(restore == want_restore,
             absl::StrCat("Restore called ", absl::StrJoin(restore, ", "),
                          "; want ", absl::StrJoin(want_restore, ", ")));
}

// ---- the census ----

void TryCensus(Session& session, Check& check) {
  const auto seen = session.Inspect();
  if (!check.Ok(seen.status(), "Inspect")) return;
  if (!check.Ok(session.Walk(Whole()), "a whole update")) return;
  const std::vector<v1::CensusEntry>& census =
      session.Recorded(Verb::kPause).census;
  const auto& vgpus = seen->adapter().vgpus();
  if (!check.That(static_cast<int>(census.size()) == vgpus.size(),
                  absl::StrCat("Pause counts ", census.size(),
                               " vGPUs, Inspect ", vgpus.size()))) {
    return;
  }
  for (int i = 0; i < vgpus.size(); ++i) {
    const v1::CensusEntry& entry = census[static_cast<size_t>(i)];
    check.That(entry.vgpu().SerializeAsString() == vgpus[i].SerializeAsString(),
               absl::StrCat("Pause counts {", entry.vgpu().ShortDebugString(),
                            "}, Inspect {", vgpus[i].ShortDebugString(), "}"));
    check.That(!entry.state_digest().empty(),
               absl::StrCat("partition ", entry.vgpu().partition_id(),
                            " has no state digest"));
    check.That(i == 0 || vgpus[i - 1].partition_id() < vgpus[i].partition_id(),
               "vGPUs are not ordered by partition id");
  }
}

void TryFateOfVgpus(Session& session, Check& check) {
  if (!check.Ok(session.Walk(Whole()), "a whole update")) return;
  const std::vector<v1::CensusEntry>& census =
      session.Recorded(Verb::kPause).census;
  for (const Verb verb : {Verb::kVerify, Verb::kResume, Verb::kConfirm}) {
    const std::vector<v1::VirtualGpuResult>& vgpus =
        session.Recorded(verb).vgpus;
    check.That(vgpus.size() == census.size(),
               absl::StrCat(Name(verb), " speaks of ", vgpus.size(),
                            " vGPUs, Pause of ", census.size()));
    for (const v1::VirtualGpuResult& vgpu : vgpus) {
      check.That(vgpu.preserved() && vgpu.difference().empty(),
                 absl::StrCat(Name(verb), ": vGPU {", vgpu.ShortDebugString(),
                              "} is not preserved"));
      const bool black = FromProto(vgpu.blackout()) > absl::ZeroDuration();
      check.That(verb == Verb::kVerify || black,
                 absl::StrCat(Name(verb), ": vGPU {", vgpu.ShortDebugString(),
                              "} has no blackout"));
    }
  }
}

void TryHealth(Session& session, Check& check) {
  check.Ok(session.client().CheckHealth(), "grpc.health.v1");
}

}  // namespace

std::vector<Case> TruthCases() {
  return {
      {.name = "inspect/after-each-step",
       .promise = "Inspect says state, image and saved blocks after each step",
       .fix = "let Inspect see what a step did before the step is answered",
       .run = &TryInspectAfterEachStep},
      {.name = "inspect/whole",
       .promise = "Inspect describes adapter, shim and each vGPU",
       .fix = "fill in every field that does not say it may be absent",
       .run = &TryInspectIsWhole},
      {.name = "inspect/during-steps",
       .promise = "Inspect answers while steps are under way",
       .fix =
           "answer Inspect from a copy, not from the thread that takes steps",
       .run = &TryInspectDuringSteps},
      {.name = "result/success",
       .promise = "what succeeded has its time, and neither reason nor message",
       .fix = "measure each step on the monotonic clock; leave the fields of a "
              "failure empty",
       .run = &TryResultsSayHowItWent},
      {.name = "result/calls",
       .promise =
           "the driver's entry points are called in the documented order",
       .fix = "StopDevice, RemoveDevice, Unload; then DriverEntry, AddDevice, "
              "one Restore for each block, StartDevice",
       .run = &TryCallsAreInOrder},
      {.name = "census/identity",
       .promise = "Pause counts whom Inspect names, ordered by partition id",
       .fix = "take both from one census; an identity never changes",
       .run = &TryCensus},
      {.name = "census/fate",
       .promise =
           "Verify, Resume and Confirm say of each vGPU what became of it",
       .fix = "compare by identity, and measure each blackout at the device",
       .run = &TryFateOfVgpus},
      {.name = "service/health",
       .promise = "grpc.health.v1 says SERVING",
       .fix = "serve the health service beside ShimService",
       .run = &TryHealth},
  };
}

}  // namespace baton::conformance
