#ifndef SERVICE_RPC_AGENT_LINK_H_
#define SERVICE_RPC_AGENT_LINK_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "baton/v1/agent.grpc.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "service/core/admission.h"
#include "service/rpc/end_gate.h"
#include "service/rpc/open_streams.h"
#include "service/runtime/fleet_loop.h"
#include "service/runtime/ports.h"

namespace baton::rpc {

// Lets agents in one by one when thousands come back at once. Any thread.
class Doorway {
 public:
  // `loop`  whose time counts; it must outlive this
  Doorway(const core::AdmissionOptions& options, const runtime::FleetLoop& loop)
      : options_(options), loop_(loop) {}

  // Returns zero when the agent may come in, else how long it is to stay away.
  // One in the middle of an update always may.
  absl::Duration Enter(const v1::AgentHello& hello) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const core::AdmissionOptions options_;
  const runtime::FleetLoop& loop_;
  Mutex mu_;
  core::Admission admission_ ABSL_GUARDED_BY(mu_);
};

// One agent's stream. What the agent says is taken one word at a time: the next
// is read once the one before is durable, so an agent cannot pile up work. Of
// what goes to the agent it holds at most a welcome, two acknowledgements, and
// one order: orders say what should be, so only the newest counts.
//
// gRPC and the loop own it; it goes when both let go.
class AgentStream final
    : public grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>,
      public runtime::Link,
      public OpenStream,
      public std::enable_shared_from_this<AgentStream> {
 public:
  // Returns the reactor of a call. Any thread. All three must outlive the call.
  static AgentStream* Open(runtime::FleetLoop& loop, OpenStreams& streams,
                           Doorway& doorway);

  // Link and OpenStream: any thread.
  void Send(const core::Order& order) override ABSL_LOCKS_EXCLUDED(mu_);
  void Close(const absl::Status& why) override { End(why); }
  void End(const absl::Status& why) override { FinishIf(gate_.End(why)); }

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_);
  void OnCancel() override;
  void OnDone() override;

 private:
  AgentStream(runtime::FleetLoop& loop, OpenStreams& streams, Doorway& doorway)
      : loop_(loop),
        streams_(streams),
        doorway_(doorway),
        number_(loop.NewStream()) {}

  // Each takes one word of the agent; an error ends the stream. Once the word
  // is durable, Settle() goes on.
  absl::Status Take(const v1::ConnectRequest& request);
  absl::Status TakeHello(const v1::AgentHello& hello);
  absl::Status TakeHeartbeat(const v1::AgentHeartbeat& heartbeat);
  absl::Status TakeReport(const v1::UpdateReport& report);

  void SendAway(absl::Duration wait) ABSL_LOCKS_EXCLUDED(mu_);
  void Welcome(const absl::Status& status, const core::Fleet& fleet);
  void Acknowledge(const absl::Status& status, uint64_t attempt,
                   uint64_t sequence);

  // One of the things that a word asked for is done; after the last one, reads
  // on, or ends the stream if `status` says so.
  void Settle(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);

  void Push(v1::ConnectResponse response) ABSL_LOCKS_EXCLUDED(mu_);
  // Writes the next of what waits, if there is anything. The caller holds the
  // gate for the writing.
  void WriteNext() ABSL_LOCKS_EXCLUDED(mu_);
  v1::ConnectResponse TakeNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void FinishIf(const std::optional<absl::Status>& due);

  runtime::FleetLoop& loop_;
  OpenStreams& streams_;
  Doorway& doorway_;
  const uint64_t number_;
  std::shared_ptr<AgentStream> self_;  // until gRPC is done with it
  EndGate gate_;

  // Touched by one word at a time.
  v1::ConnectRequest request_;
  std::string host_;  // "hosts/{host}"; empty before the hello
  std::string actor_;

  Mutex mu_;
  int unsettled_ ABSL_GUARDED_BY(mu_) = 0;  // of what the last word asked for
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  std::deque<v1::ConnectResponse> answers_ ABSL_GUARDED_BY(mu_);
  std::optional<v1::Order> order_ ABSL_GUARDED_BY(mu_);
  // With what the stream ends once all is written.
  std::optional<absl::Status> last_ ABSL_GUARDED_BY(mu_);
  v1::ConnectResponse response_;  // on the wire while writing_
};

// Where agents report and are told what to do; see agent.proto.
class AgentLink final : public v1::AgentService::CallbackService {
 public:
  // All must outlive every call.
  AgentLink(runtime::FleetLoop& loop, OpenStreams& streams,
            const core::AdmissionOptions& admission = {})
      : loop_(loop), streams_(streams), doorway_(admission, loop) {}

  grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* Connect(
      grpc::CallbackServerContext*) override {
    return AgentStream::Open(loop_, streams_, doorway_);
  }

 private:
  runtime::FleetLoop& loop_;
  OpenStreams& streams_;
  Doorway doorway_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_AGENT_LINK_H_
