#include "service/rpc/caller.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "service/core/event.h"

namespace baton::rpc {
namespace {

constexpr size_t kUserBytesMax = 64;

absl::Status BadUser(absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_USER",
                         absl::StrCat("metadata \"", kUserKey, "\" ", why));
}

}  // namespace

absl::StatusOr<std::string> CallerOf(
    const grpc::CallbackServerContext& context) {
  const auto found = context.client_metadata().find(kUserKey);
  if (found == context.client_metadata().end()) return "anonymous";
  const absl::string_view user(found->second.data(), found->second.size());
  if (user.empty() || user.size() > kUserBytesMax) {
    return BadUser(
        absl::StrCat("has ", user.size(), " bytes, want 1 to ", kUserBytesMax));
  }
  if (!std::all_of(user.begin(), user.end(),
                   [](unsigned char c) { return absl::ascii_isprint(c); })) {
    return BadUser("has bytes that cannot be printed");
  }
  if (user == core::kServiceActor || absl::StartsWith(user, "agent:")) {
    return BadUser(absl::StrCat("is \"", user,
                                "\", which is the service or one of its "
                                "agents; give your own name"));
  }
  return std::string(user);
}

}  // namespace baton::rpc
