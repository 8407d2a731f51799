#ifndef AGENT_SHIM_CLIENT_H_
#define AGENT_SHIM_CLIENT_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include "agent/ports.h"
#include "baton/v1/shim.grpc.pb.h"

namespace baton::agent {

// The shim behind a unix socket. Calls block. Inspect() from any thread, Run()
// from one at a time.
class ShimClient final : public Shim {
 public:
  struct Options {
    std::string target = "";  // e.g. "unix:/run/baton/shim.sock"
    // What a call may take beyond the step's deadline, which the shim itself
    // keeps.
    absl::Duration margin = absl::Seconds(2);
  };

  explicit ShimClient(Options options);

  absl::StatusOr<Sight> Inspect(absl::Duration deadline, Depth depth) override;
  core::Outcome Run(const ShimStep& step) override;

 private:
  // What a step did that was taken in the wake of another, as that one's answer
  // said.
  struct Taken {
    uint64_t attempt = 0;
    core::Step step = core::Step::kInspect;
    core::Outcome outcome = {};
  };

  // Whether the last answer says what `step` did.
  bool Knows(const ShimStep& step) const;
  core::Outcome Call(const ShimStep& step);
  template <typename Response>
  void KeepAhead(const ShimStep& step, const Response& response);

  const Options options_;
  const std::unique_ptr<v1::ShimService::Stub> stub_;
  std::deque<Taken> ahead_ = {};  // in order
};

}  // namespace baton::agent

#endif  // AGENT_SHIM_CLIENT_H_
