#include "driver-shim/conformance/check.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::conformance {
namespace {

bool IsReason(absl::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isupper(c) && !absl::ascii_isdigit(c) && c != '_') {
      return false;
    }
  }
  return !text.empty();
}

}  // namespace

bool Check::That(bool holds, absl::string_view what) {
  if (!holds) failures_.emplace_back(what);
  return holds;
}

bool Check::Ok(const absl::Status& status, absl::string_view step) {
  return That(status.ok(), absl::StrCat(step, ": ", status.message()));
}

bool Check::Done(const Answer& answer, absl::string_view step) {
  return That(answer.ok(),
              absl::StrCat(step, ": got ", Describe(answer), ", want it done"));
}

bool Check::Refused(const Answer& answer, absl::StatusCode code,
                    absl::string_view reason, absl::string_view step) {
  const bool holds =
      answer.status.code() == code && Reason(answer.status) == reason;
  return That(
      holds,
      absl::StrCat(step, ": got ", Describe(answer), ", want status ",
                   absl::StatusCodeToString(code), " with reason ", reason));
}

bool Check::Failed(const Answer& answer, absl::string_view step) {
  if (!That(answer.status.ok() && answer.result.code() != 0,
            absl::StrCat(step, ": got ", Describe(answer),
                         ", want an OK call whose result is an error"))) {
    return false;
  }
  return That(
      IsReason(answer.result.reason()) && !answer.result.message().empty(),
      absl::StrCat(step, ": its result has reason '", answer.result.reason(),
                   "' and message '", answer.result.message(),
                   "', want UPPER_SNAKE_CASE and a text"));
}

bool Check::Repeats(const Answer& again, const Answer& first,
                    absl::string_view step) {
  if (!Done(again, step)) return false;
  That(again.result.SerializeAsString() == first.result.SerializeAsString(),
       absl::StrCat(step, ": got the result {", again.result.ShortDebugString(),
                    "}, want the recorded one {",
                    first.result.ShortDebugString(), "}"));
  return true;
}

bool Check::Stands(Session& session, v1::AdapterState state, uint64_t attempt,
                   absl::string_view step) {
  const auto seen = session.Inspect();
  if (!Ok(seen.status(), "Inspect")) return false;
  return That(
      seen->state() == state && seen->attempt() == attempt,
      absl::StrCat(step, ": Inspect says ", Name(seen->state()), " in attempt ",
                   seen->attempt(), ", want ", Name(state), " in ", attempt));
}

void Check::Serves(Session& session, const v1::DriverImage& image,
                   const v1::InspectResponse& before) {
  const auto seen = session.Inspect();
  if (!Ok(seen.status(), "Inspect")) return;
  That(seen->state() == v1::ADAPTER_STATE_RUNNING && seen->attempt() == 0 &&
           !seen->has_saved(),
       absl::StrCat("at the end Inspect says ", Name(seen->state()),
                    " in attempt ", seen->attempt(), " with ",
                    seen->saved().blocks(),
                    " saved blocks, want RUNNING in 0 with 0"));
  That(seen->image().digest() == image.digest(),
       absl::StrCat("at the end the image is '", seen->image().path(),
                    "', want '", image.path(), "'"));
  That(seen->adapter().fault().empty(),
       absl::StrCat("at the end the adapter has the fault '",
                    seen->adapter().fault(), "', want none"));
  const auto& now = seen->adapter().vgpus();
  const auto& then = before.adapter().vgpus();
  if (!That(now.size() == then.size(),
            absl::StrCat("at the end there are ", now.size(), " vGPUs, want ",
                         then.size()))) {
    return;
  }
  for (int i = 0; i < now.size(); ++i) {
    That(now[i].SerializeAsString() == then[i].SerializeAsString(),
         absl::StrCat("at the end a vGPU is {", now[i].ShortDebugString(),
                      "}, want {", then[i].ShortDebugString(), "}"));
  }
}

}  // namespace baton::conformance
