#ifndef AGENT_LINK_H_
#define AGENT_LINK_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "agent/inventory_line.h"
#include "agent/ports.h"
#include "agent/service_clock.h"
#include "base/backoff.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/random.h"
#include "baton/v1/agent.grpc.pb.h"
#include "grpcpp/channel.h"

namespace baton::agent {

// The stream to the service: opens it, says hello, sends heartbeats and
// reports, hands on what comes, and opens it again with full jitter when it
// breaks, or when the service said to come again, if it did. Each report says
// all, so only the newest one waits.
//
// A thread of its own decides what is written when; gRPC's threads only pass
// on what they read.
class Link final : public Uplink {
 public:
  struct Options {
    std::string host = "";  // "hosts/{host}"
    std::string boot_id = "";
    std::string agent_version = "";
    std::map<std::string, std::string> labels = {};
    Backoff::Options reconnect = {absl::Milliseconds(200), absl::Seconds(30)};
    // When another agent claims this host's name: longer, so that the two do
    // not throw each other out all the time.
    absl::Duration after_replaced = absl::Seconds(20);
  };

  // Hands on one word of the service; false when it cannot be taken now. Called
  // on gRPC's threads; must not block.
  using Deliver = std::function<bool(FromService news)>;

  Link(Options options, const std::shared_ptr<grpc::Channel>& channel,
       const Clock& clock, Random& random, Deliver deliver);
  // Ends the stream.
  ~Link() override;

  // The first call opens the stream.
  void Publish(View view) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Stream;
  // What went over the stream that is open.
  struct Sent {
    std::string report_key = "";                        // empty: none
    absl::Duration last = absl::ZeroDuration();         // when anything did
    absl::Duration report_last = absl::ZeroDuration();  // when a report did
  };

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status RunStream() ABSL_LOCKS_EXCLUDED(mu_);
  void Converse(Stream& stream) ABSL_LOCKS_EXCLUDED(mu_);
  void AwaitEnd(absl::Duration most) ABSL_LOCKS_EXCLUDED(mu_);
  v1::ConnectRequest Hello(Sent& sent) ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<v1::ConnectRequest> NextWord(Sent& sent)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // How long what there is to say of the update is to wait yet.
  absl::Duration ReportWaits(const Sent& sent) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Duration WaitAfter(const absl::Status& ended) ABSL_LOCKS_EXCLUDED(mu_);
  void Pause(absl::Duration wait) ABSL_LOCKS_EXCLUDED(mu_);

  const Options options_;
  const std::unique_ptr<v1::AgentService::Stub> stub_;
  const Clock& clock_;
  const Deliver deliver_;
  Backoff backoff_;   // of the link's thread
  std::string told_;  // the last cause that was logged; of the link's thread

  Mutex mu_;
  CondVar changed_;
  std::optional<View> view_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  // Of the stream that is open.
  bool welcomed_ ABSL_GUARDED_BY(mu_) = false;
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool broken_ ABSL_GUARDED_BY(mu_) = false;
  InventoryLine inventory_ ABSL_GUARDED_BY(mu_);
  // How long the service wants this agent to stay away.
  std::optional<absl::Duration> wait_ ABSL_GUARDED_BY(mu_);
  std::optional<absl::Status> ended_ ABSL_GUARDED_BY(mu_);
  absl::Duration heartbeat_ ABSL_GUARDED_BY(mu_) = absl::Seconds(5);

  std::thread thread_;  // last: everything it uses is there
};

}  // namespace baton::agent

#endif  // AGENT_LINK_H_
