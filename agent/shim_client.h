#ifndef AGENT_SHIM_CLIENT_H_
#define AGENT_SHIM_CLIENT_H_

#include <memory>
#include <string>

#include "agent/ports.h"
#include "baton/v1/shim.grpc.pb.h"

namespace baton::agent {

// The shim behind a unix socket. Any thread; calls block.
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
  core::Outcome Call(const ShimStep& step);

  const Options options_;
  const std::unique_ptr<v1::ShimService::Stub> stub_;
};

}  // namespace baton::agent

#endif  // AGENT_SHIM_CLIENT_H_
