#ifndef CLI_FAKE_SERVICE_H_
#define CLI_FAKE_SERVICE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "baton/v1/audit.grpc.pb.h"
#include "baton/v1/driver.grpc.pb.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "google/protobuf/message.h"
#include "grpcpp/server.h"

namespace baton::cli {

// The service in the test's own process: answers from samples, keeps what it
// was asked, fails when told to. Any thread; no port.
class FakeService {
 public:
  // What a stream does once its messages are sent.
  enum class Then { kEnd, kStayOpen };
  // One WatchRollout call, as scripted.
  struct WatchScript {
    std::vector<v1::WatchRolloutResponse> messages = {};
    absl::Status end = absl::OkStatus();
    Then then = Then::kEnd;
  };
  // One WatchHosts call. GCC 12 does not survive one template for both.
  struct HostsScript {
    std::vector<v1::WatchHostsResponse> messages = {};
    absl::Status end = absl::OkStatus();
    Then then = Then::kEnd;
  };

  FakeService();
  // Ends calls that stay open.
  ~FakeService();

  std::shared_ptr<grpc::Channel> Channel();

  // Every call from now on ends so.
  void FailWith(absl::Status status) ABSL_LOCKS_EXCLUDED(mu_);

  // What the next WatchRollout calls do, in order. Once none is left they
  // end with UNAVAILABLE.
  void ScriptWatches(std::vector<WatchScript> scripts) ABSL_LOCKS_EXCLUDED(mu_);
  // The same for WatchHosts.
  void ScriptHosts(std::vector<HostsScript> scripts) ABSL_LOCKS_EXCLUDED(mu_);

  // The calls so far, "Method {request}" with the request as one-line text and
  // without its request_id.
  std::vector<std::string> calls() ABSL_LOCKS_EXCLUDED(mu_);
  // Of the last call. Empty: it had none.
  std::string last_user() ABSL_LOCKS_EXCLUDED(mu_);
  std::string last_request_id() ABSL_LOCKS_EXCLUDED(mu_);
  // The bytes of the last upload.
  std::string uploaded() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Fleet;
  class Rollouts;
  class Drivers;
  class Audit;

  // Notes the call; returns what it must end with.
  grpc::Status Note(const grpc::ServerContext& context, const char* method,
                    const google::protobuf::Message& request)
      ABSL_LOCKS_EXCLUDED(mu_);
  WatchScript NextWatch() ABSL_LOCKS_EXCLUDED(mu_);
  HostsScript NextHosts() ABSL_LOCKS_EXCLUDED(mu_);
  template <typename Script, typename Response>
  grpc::Status Play(const Script& script, grpc::ServerWriter<Response>& writer)
      ABSL_LOCKS_EXCLUDED(mu_);
  void StayOpen() ABSL_LOCKS_EXCLUDED(mu_);
  void Keep(std::string bytes) ABSL_LOCKS_EXCLUDED(mu_);

  Mutex mu_;
  CondVar changed_;
  absl::Status fail_with_ ABSL_GUARDED_BY(mu_);
  std::vector<WatchScript> watches_ ABSL_GUARDED_BY(mu_);
  std::vector<HostsScript> hosts_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mu_);
  std::string user_ ABSL_GUARDED_BY(mu_);
  std::string request_id_ ABSL_GUARDED_BY(mu_);
  std::string uploaded_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;

  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace baton::cli

#endif  // CLI_FAKE_SERVICE_H_
