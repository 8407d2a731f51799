#ifndef CLI_CONNECT_H_
#define CLI_CONNECT_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/status.h"

namespace baton::cli {

// Where the service is when nobody says otherwise.
inline constexpr char kDefaultServer[] = "unix:/run/baton/batond.sock";

// Largest answer, in bytes: a plan of ten thousand hosts fits several times.
inline constexpr int kAnswerBytesMax = 64 << 20;

// Returns a channel to `server`, "unix:/path" or "host:port", without waiting
// for it.
std::shared_ptr<grpc::Channel> Dial(const std::string& server);

// Whether `server` has one of the forms that Dial() takes.
//
// Errors: INVALID_ARGUMENT, reason BAD_SERVER
absl::Status CheckServer(const std::string& server);

// Whether `user` can be sent: 1 to 63 of visible ASCII.
//
// Errors: INVALID_ARGUMENT, reason BAD_USER
absl::Status CheckUser(const std::string& user);

// Says who calls and how long an answer may take; InfiniteDuration(): for ever.
void Prepare(const std::string& user, absl::Duration timeout,
             grpc::ClientContext& context);

// Turns what a call ended with into ours. gRPC's own words for a service that
// is not there, or too late, become SERVICE_AWAY and NO_ANSWER_IN_TIME.
absl::Status Understand(const grpc::Status& status, const std::string& server);

}  // namespace baton::cli

#endif  // CLI_CONNECT_H_
