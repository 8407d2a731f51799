#include "absl/strings/str_cat.h"
#include "driver-shim/conformance/check.h"

// Whole updates: forward, cancelled, back, and in reverse.

namespace baton::conformance {
namespace {

using V = Verb;

constexpr char kVgpuFix[] =
    "carry each vGPU's identity through the update: partition id, LUID, "
    "profile, guest and VRAM";

// Steps with the next driver, then steps with the one that was found; then
// `image` serves.
struct Route {
  std::vector<V> with_next = {};
  std::vector<V> with_found = {};
  bool ends_with_next = false;
};

void TryRoute(Session& session, Check& check, const Route& route) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  if (!check.Ok(session.Walk(route.with_next), "with the next driver")) return;
  if (!check.Ok(session.Walk(route.with_found, session.found()),
                "with the driver that was found")) {
    return;
  }
  check.Serves(session, route.ends_with_next ? session.next() : session.found(),
               *before);
}

Case RouteCase(const std::string& name, const std::string& promise,
               const Route& route) {
  return {.name = absl::StrCat("update/", name),
          .promise = promise,
          .fix = kVgpuFix,
          .run = [route](Session& session, Check& check) {
            TryRoute(session, check, route);
          }};
}

std::vector<V> Plus(std::vector<V> steps, const std::vector<V>& more) {
  steps.insert(steps.end(), more.begin(), more.end());
  return steps;
}

// ---- cancel ----

void TryCancel(Session& session, Check& check, v1::AdapterState from) {
  const auto before = session.Inspect();
  if (!check.Ok(before.status(), "Inspect")) return;
  if (!check.Ok(session.Reach(from),
                absl::StrCat("on the way to ", Name(from)))) {
    return;
  }
  const Answer cancelled = session.Take(V::kCancel);
  if (!check.Done(cancelled, "Cancel")) return;
  const bool stopped =
      from == v1::ADAPTER_STATE_PAUSED || from == v1::ADAPTER_STATE_SAVED;
  const int count = stopped ? before->adapter().vgpus_size() : 0;
  int told = 0;
  for (const v1::VirtualGpuResult& vgpu : cancelled.vgpus) {
    if (vgpu.has_blackout()) ++told;
    check.That(vgpu.preserved(),
               absl::StrCat("Cancel: vGPU {", vgpu.ShortDebugString(),
                            "} is not preserved"));
  }
  check.That(
      told == count,
      absl::StrCat("Cancel: ", told, " vGPUs have a blackout, want ", count));
  check.Serves(session, session.found(), *before);
  session.NewAttempt();
  // Nothing is left over.
  check.Ok(session.Walk(PathTo(v1::ADAPTER_STATE_CONFIRMED)),
           "an update after that");
}

// ---- reverse ----

void TryCancelledReverse(Session& session, Check& check,
                         v1::AdapterState origin, const std::vector<V>& steps) {
  if (!check.Ok(session.Reach(origin),
                absl::StrCat("on the way to ", Name(origin)))) {
    return;
  }
  if (!check.Ok(session.Walk(steps), "the way back, begun")) return;
  if (!check.Done(session.Take(V::kCancel), "Cancel")) return;
  check.Stands(session, origin, session.attempt(), "after Cancel");
  const auto seen = session.Inspect();
  if (!check.Ok(seen.status(), "Inspect")) return;
  check.That(seen->image().digest() == session.next().digest(),
             absl::StrCat("after Cancel the image is '", seen->image().path(),
                          "', want '", session.next().path(), "'"));
}

Case CancelledReverse(v1::AdapterState origin, const std::vector<V>& steps) {
  const std::string where = Name(After(steps.back()));
  return {.name = absl::StrCat("update/reverse-from-", Name(origin),
                               "-cancelled-in-", where),
          .promise = absl::StrCat("a reverse update that is cancelled in ",
                                  where, " leads back to ", Name(origin)),
          .fix =
              "remember where Pause came from, and let Cancel return there "
              "with the driver that was to go",
          .run = [origin, steps](Session& session, Check& check) {
            TryCancelledReverse(session, check, origin, steps);
          }};
}

}  // namespace

std::vector<Case> UpdateCases() {
  const std::vector<V> in = {V::kRestore, V::kVerify, V::kResume, V::kConfirm,
                             V::kCommit};
  const std::vector<V> again = Plus({V::kPause, V::kSave, V::kUnload}, in);
  const auto to = &PathTo;
  std::vector<Case> cases = {
      RouteCase("forward", "a whole update ends with the next driver",
                {.with_next = Plus(to(v1::ADAPTER_STATE_UNLOADED), in),
                 .ends_with_next = true}),
      RouteCase(
          "back-from-UNLOADED",
          "the driver that was unloaded is given the blocks again",
          {.with_next = to(v1::ADAPTER_STATE_UNLOADED), .with_found = in}),
      RouteCase("back-from-RESTORED",
                "after Restore of the next driver the old one can be let in",
                {.with_next = to(v1::ADAPTER_STATE_RESTORED),
                 .with_found = Plus({V::kUnload}, in)}),
      RouteCase("back-from-VERIFIED",
                "after Verify of the next driver the old one can be let in",
                {.with_next = to(v1::ADAPTER_STATE_VERIFIED),
                 .with_found = Plus({V::kUnload}, in)}),
      RouteCase("forward-twice",
                "the next driver can be let in again after it was taken out",
                {.with_next = Plus(
                     Plus(to(v1::ADAPTER_STATE_VERIFIED), {V::kUnload}), in),
                 .ends_with_next = true}),
      RouteCase(
          "reverse-from-RESUMED",
          "after Resume a second update leads back to the old driver",
          {.with_next = to(v1::ADAPTER_STATE_RESUMED), .with_found = again}),
      RouteCase(
          "reverse-from-CONFIRMED",
          "after Confirm a second update leads back to the old driver",
          {.with_next = to(v1::ADAPTER_STATE_CONFIRMED), .with_found = again}),
  };
  for (const v1::AdapterState from :
       {v1::ADAPTER_STATE_RUNNING, v1::ADAPTER_STATE_PREPARED,
        v1::ADAPTER_STATE_PAUSED, v1::ADAPTER_STATE_SAVED}) {
    cases.push_back(
        {.name = absl::StrCat("update/cancelled-in-", Name(from)),
         .promise = absl::StrCat("Cancel in ", Name(from),
                                 " leaves the old driver and all its vGPUs"),
         .fix = "undo what was done: Save with CancelHotUpdate where Save "
                "succeeded, engines on, the next driver's host ended; report "
                "each blackout",
         .run = [from](Session& session, Check& check) {
           TryCancel(session, check, from);
         }});
  }
  for (const v1::AdapterState origin :
       {v1::ADAPTER_STATE_RESUMED, v1::ADAPTER_STATE_CONFIRMED}) {
    cases.push_back(CancelledReverse(origin, {V::kPause}));
    cases.push_back(CancelledReverse(origin, {V::kPause, V::kSave}));
  }
  return cases;
}

}  // namespace baton::conformance
