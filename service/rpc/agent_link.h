#ifndef SERVICE_RPC_AGENT_LINK_H_
#define SERVICE_RPC_AGENT_LINK_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "baton/v1/agent.grpc.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "service/rpc/end_gate.h"
#include "service/rpc/open_streams.h"
#include "service/runtime/fleet_loop.h"
#include "service/runtime/ports.h"

namespace baton::rpc {

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
  // Returns the reactor of a call. Any thread. `loop` and `streams` must
  // outlive the call.
  static AgentStream* Open(runtime::FleetLoop& loop, OpenStreams& streams);

  // Link and OpenStream: any thread.
  void Send(const core::Order& order) override ABSL_LOCKS_EXCLUDED(mu_);
  void Close(const absl::Status& why) override { End(why); }
  void End(const absl::Status& why) override { FinishIf(gate_.End(why)); }

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_);
  void OnCancel() override;
  void OnDone() override;

 private:
  AgentStream(runtime::FleetLoop& loop, OpenStreams& streams)
      : loop_(loop), streams_(streams), number_(loop.NewStream()) {}

  // Each takes one word of the agent; an error ends the stream. Once the word
  // is durable, Settle() goes on.
  absl::Status Take(const v1::ConnectRequest& request);
  absl::Status TakeHello(const v1::AgentHello& hello);
  absl::Status TakeHeartbeat(const v1::AgentHeartbeat& heartbeat);
  absl::Status TakeReport(const v1::UpdateReport& report);

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
  v1::ConnectResponse response_;  // on the wire while writing_
};

// Where agents report and are told what to do; see agent.proto.
class AgentLink final : public v1::AgentService::CallbackService {
 public:
  // Both must outlive every call.
  AgentLink(runtime::FleetLoop& loop, OpenStreams& streams)
      : loop_(loop), streams_(streams) {}

  grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* Connect(
      grpc::CallbackServerContext*) override {
    return AgentStream::Open(loop_, streams_);
  }

 private:
  runtime::FleetLoop& loop_;
  OpenStreams& streams_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_AGENT_LINK_H_
