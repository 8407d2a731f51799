#ifndef DRIVER_SHIM_CONFORMANCE_SESSION_H_
#define DRIVER_SHIM_CONFORMANCE_SESSION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "driver-shim/conformance/promises.h"
#include "driver-shim/conformance/shim_client.h"

namespace baton::conformance {

// One adapter under examination: knows the driver it was found with and the one
// it is updated to, and leads it to a state and home again. Confined to one
// thread.
class Session {
 public:
  struct Options {
    v1::DriverImage next = {};
    // What the adapter is found with. Path "": what Inspect says.
    v1::DriverImage found = {};
    absl::Duration deadline = absl::Seconds(20);  // of each step
  };

  // Looks at the adapter, and finds out by trying which attempt number comes
  // next.
  //
  // Errors: those of the service; and
  //   FAILED_PRECONDITION  it is not RUNNING, or does not say what it runs;
  //                        reason ADAPTER_NOT_READY
  static absl::StatusOr<std::unique_ptr<Session>> Begin(ShimClient& client,
                                                        Options options);

  // Takes a step of the present attempt, as a caller should. `image` of Prepare
  // and Restore is the next driver's.
  Answer Take(Verb verb) { return Take(verb, options_.next); }
  Answer Take(Verb verb, const v1::DriverImage& image);
  // The call that Take() would make, to be changed.
  Call Draft(Verb verb) const;
  // Makes a call as it is.
  Answer Make(const Call& call);

  // Takes the steps one after the other.
  // Errors: FAILED_PRECONDITION, naming the first that was not done
  absl::Status Walk(const std::vector<Verb>& verbs) {
    return Walk(verbs, options_.next);
  }
  absl::Status Walk(const std::vector<Verb>& verbs,
                    const v1::DriverImage& image);

  // Stands in `state` of a forward update, in an attempt of its own; where it
  // does already, does nothing.
  absl::Status Reach(v1::AdapterState state);

  // Leads back to RUNNING with the driver that was found, from wherever it is.
  absl::Status GoHome();

  // The present attempt is over; the next step begins another.
  void NewAttempt() { ++attempt_; }
  uint64_t attempt() const { return attempt_; }

  absl::StatusOr<v1::InspectResponse> Inspect() { return client_.Inspect(); }
  // What a step of this attempt answered when it was done last.
  const Answer& Recorded(Verb verb) { return recorded_[verb]; }
  const v1::DriverImage& next() const { return options_.next; }
  const v1::DriverImage& found() const { return options_.found; }
  absl::Duration deadline() const { return options_.deadline; }
  ShimClient& client() { return client_; }

 private:
  Session(ShimClient& client, Options options)
      : client_(client), options_(std::move(options)) {}

  absl::Status FindAttempt();
  absl::StatusOr<bool> StepHome();

  ShimClient& client_;
  Options options_;
  uint64_t attempt_ = 0;
  std::map<Verb, Answer> recorded_;
};

}  // namespace baton::conformance

#endif  // DRIVER_SHIM_CONFORMANCE_SESSION_H_
