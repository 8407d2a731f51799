#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/reason.h"
#include "driver-shim/conformance/check.h"

// Requests that are wrong in themselves, and images that cannot be loaded.

namespace baton::conformance {
namespace {

constexpr int kPathBytesMax = 4095;
constexpr int kNameBytesMax = 256;

// ---- orders ----

struct BadOrder {
  const char* name = "";
  void (*spoil)(v1::StepOrder& order) = nullptr;
};

constexpr BadOrder kBadOrders[] = {
    {"no-order", [](v1::StepOrder& order) { order.Clear(); }},
    {"attempt-0", [](v1::StepOrder& order) { order.set_attempt(0); }},
    {"no-deadline", [](v1::StepOrder& order) { order.clear_deadline(); }},
    {"deadline-of-0",
     [](v1::StepOrder& order) { order.mutable_deadline()->Clear(); }},
    {"negative-deadline",
     [](v1::StepOrder& order) { order.mutable_deadline()->set_seconds(-1); }},
    {"deadline-under-1ms",
     [](v1::StepOrder& order) {
       order.mutable_deadline()->set_seconds(0);
       order.mutable_deadline()->set_nanos(999'999);
     }},
    {"deadline-over-1h",
     [](v1::StepOrder& order) {
       order.mutable_deadline()->set_seconds(3600);
       order.mutable_deadline()->set_nanos(1);
     }},
    {"absurd-deadline",
     [](v1::StepOrder& order) {
       order.mutable_deadline()->set_seconds(
           std::numeric_limits<int64_t>::max());
     }},
};

void TryBadOrder(Session& session, Check& check, const BadOrder& bad) {
  for (const Verb verb : kVerbs) {
    Call call = session.Draft(verb);
    bad.spoil(call.order);
    check.Refused(session.Make(call), absl::StatusCode::kInvalidArgument,
                  "BAD_ORDER", absl::StrCat(Name(verb), " with ", bad.name));
  }
  check.Stands(session, v1::ADAPTER_STATE_RUNNING, 0, "after all of them");
}

// ---- steps ahead that cannot be ----

struct BadAhead {
  const char* name = "";
  v1::Step step = v1::STEP_SAVE;
  int64_t seconds = 1;  // of its deadline
  bool image = false;   // whether it has one
};

constexpr BadAhead kBadAheads[] = {
    {"itself", v1::STEP_PAUSE},
    {"a-step-left-out", v1::STEP_UNLOAD},
    {"no-step", v1::STEP_UNSPECIFIED},
    {"a-deadline-of-0", v1::STEP_SAVE, 0},
    {"a-deadline-over-1h", v1::STEP_SAVE, 3601},
    {"an-image-for-Save", v1::STEP_SAVE, 1, true},
};

void TryBadAhead(Session& session, Check& check, const BadAhead& bad) {
  Call call = session.Draft(Verb::kPause);
  v1::NextStep& next = *call.order.add_ahead();
  next.set_step(bad.step);
  next.mutable_deadline()->set_seconds(bad.seconds);
  if (bad.image) *next.mutable_image() = session.next();
  const Answer answer = session.Make(call);
  if (Reason(answer.status) == "STEP_OUT_OF_ORDER") {
    return check.NotApplicable("it does not know steps ahead");
  }
  check.Refused(answer, absl::StatusCode::kInvalidArgument, "BAD_ORDER",
                absl::StrCat("Pause with ", bad.name, " ahead"));
  check.Stands(session, v1::ADAPTER_STATE_RUNNING, 0, "after that");
}

// ---- images that are no images ----

struct BadImage {
  const char* name = "";
  void (*spoil)(v1::DriverImage& image) = nullptr;
};

const BadImage kBadImages[] = {
    {"no-image", [](v1::DriverImage& image) { image.Clear(); }},
    {"no-path", [](v1::DriverImage& image) { image.clear_path(); }},
    {"relative-path",
     [](v1::DriverImage& image) { image.set_path("driver.so"); }},
    {"path-too-long",
     [](v1::DriverImage& image) {
       image.set_path("/" + std::string(kPathBytesMax, 'a'));
     }},
    {"path-with-a-zero",
     [](v1::DriverImage& image) { image.mutable_path()->push_back('\0'); }},
    {"no-digest", [](v1::DriverImage& image) { image.clear_digest(); }},
    {"digest-of-another-kind",
     [](v1::DriverImage& image) {
       image.set_digest("md5:d41d8cd98f00b204e9800998ecf8427e");
     }},
    {"digest-cut-short",
     [](v1::DriverImage& image) { image.mutable_digest()->pop_back(); }},
    {"name-too-long",
     [](v1::DriverImage& image) {
       image.set_driver(std::string(kNameBytesMax + 1, 'a'));
     }},
    {"version-too-long",
     [](v1::DriverImage& image) {
       image.set_version(std::string(kNameBytesMax + 1, '1'));
     }},
};

void TryBadImage(Session& session, Check& check, const BadImage& bad) {
  for (const Verb verb : {Verb::kPrepare, Verb::kRestore}) {
    Call call = session.Draft(verb);
    bad.spoil(call.image);
    check.Refused(session.Make(call), absl::StatusCode::kInvalidArgument,
                  "BAD_IMAGE", absl::StrCat(Name(verb), " with ", bad.name));
  }
  check.Stands(session, v1::ADAPTER_STATE_RUNNING, 0, "after all of them");
}

// ---- images that cannot be loaded ----

// A file that is no driver, for as long as this lives.
class NotADriver {
 public:
  NotADriver() {
    const int fd = mkstemp(path_.data());
    if (fd >= 0) std::ofstream(path_) << "not a driver\n";
  }
  ~NotADriver() { std::remove(path_.c_str()); }
  NotADriver(const NotADriver&) = delete;
  NotADriver& operator=(const NotADriver&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/baton-conformance-XXXXXX";
};

v1::DriverImage WrongDigest(const Session& session) {
  v1::DriverImage image = session.next();
  image.set_digest(Sha256Of("another driver"));
  return image;
}

// Digests of their own: an image that is open already may be known by that.
v1::DriverImage Missing(const Session& session) {
  v1::DriverImage image = WrongDigest(session);
  image.set_path("/nowhere/at/all.so");
  return image;
}

v1::DriverImage Directory(const Session& session) {
  v1::DriverImage image = WrongDigest(session);
  image.set_path("/tmp");
  return image;
}

void TryUnloadable(Session& session, Check& check,
                   const v1::DriverImage& image) {
  const Answer prepared = session.Take(Verb::kPrepare, image);
  check.Failed(prepared, "Prepare");
  check.Stands(session, v1::ADAPTER_STATE_RUNNING, 0, "after Prepare");
  if (!check.Ok(session.Reach(v1::ADAPTER_STATE_UNLOADED),
                "on the way to UNLOADED")) {
    return;
  }
  const auto before = session.Inspect();
  check.Failed(session.Take(Verb::kRestore, image), "Restore");
  check.Stands(session, v1::ADAPTER_STATE_UNLOADED, session.attempt(),
               "after Restore");
  const auto after = session.Inspect();
  if (!check.Ok(before.status(), "Inspect") ||
      !check.Ok(after.status(), "Inspect")) {
    return;
  }
  check.That(after->has_saved() && after->saved().SerializeAsString() ==
                                       before->saved().SerializeAsString(),
             absl::StrCat("after Restore: saved state is {",
                          after->saved().ShortDebugString(), "}, want {",
                          before->saved().ShortDebugString(), "} as before"));
  check.Ok(session.Walk({Verb::kRestore, Verb::kVerify}),
           "with the right image after that");
}

Case Unloadable(const std::string& what,
                v1::DriverImage (*image)(const Session& session)) {
  return {.name = absl::StrCat("image/", what),
          .promise = absl::StrCat("Prepare and Restore of ", what,
                                  " fail, and what is there is kept"),
          .fix =
              "check the file and its digest before anything is touched, and "
              "give a result with a reason; saved blocks stay for the way "
              "back",
          .run = [image](Session& session, Check& check) {
            TryUnloadable(session, check, image(session));
          }};
}

void TryNotADriver(Session& session, Check& check) {
  const NotADriver file;
  v1::DriverImage image = session.next();
  image.set_path(file.path());
  image.set_digest(Sha256Of("not a driver\n"));
  TryUnloadable(session, check, image);
}

}  // namespace

std::vector<Case> RequestCases() {
  std::vector<Case> cases;
  for (const BadOrder& bad : kBadOrders) {
    cases.push_back(
        {.name = absl::StrCat("request/", bad.name),
         .promise = absl::StrCat("any step with ", bad.name, " is refused"),
         .fix = "answer INVALID_ARGUMENT with reason BAD_ORDER: an attempt is "
                "at least 1, a deadline 1 ms to 1 h",
         .run = [&bad](Session& session, Check& check) {
           TryBadOrder(session, check, bad);
         }});
  }
  for (const BadAhead& bad : kBadAheads) {
    cases.push_back(
        {.name = absl::StrCat("request/ahead-", bad.name),
         .promise = absl::StrCat("Pause with ", bad.name, " ahead is refused"),
         .fix = "answer INVALID_ARGUMENT with reason BAD_ORDER: each step "
                "ahead follows the one before, has a deadline of 1 ms to 1 h, "
                "and an image if it is Restore",
         .run = [&bad](Session& session, Check& check) {
           TryBadAhead(session, check, bad);
         }});
  }
  for (const BadImage& bad : kBadImages) {
    cases.push_back(
        {.name = absl::StrCat("request/", bad.name),
         .promise = absl::StrCat("Prepare and Restore with ", bad.name,
                                 " are refused"),
         .fix =
             "answer INVALID_ARGUMENT with reason BAD_IMAGE: an absolute "
             "path of at most 4095 bytes, 'sha256:' and 64 hex digits, names "
             "of at most 256 bytes",
         .run = [&bad](Session& session, Check& check) {
           TryBadImage(session, check, bad);
         }});
  }
  cases.push_back(Unloadable("a-file-with-another-digest", &WrongDigest));
  cases.push_back(Unloadable("a-file-that-is-not-there", &Missing));
  cases.push_back(Unloadable("a-directory", &Directory));
  Case garbage = Unloadable("a-file-that-is-no-driver", &Missing);
  garbage.run = &TryNotADriver;
  cases.push_back(std::move(garbage));
  return cases;
}

}  // namespace baton::conformance
