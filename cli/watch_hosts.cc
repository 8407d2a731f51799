#include "cli/watch_hosts.h"

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "cli/follow.h"
#include "cli/names.h"
#include "cli/render/host.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

class HostWatch final : public Follow<v1::WatchHostsResponse> {
 public:
  HostWatch(const std::string& selector, Session& session)
      : Follow(session),
        selector_(selector),
        stub_(session.Stub<v1::FleetService>()) {}

 private:
  Reader Call(grpc::ClientContext& context) override {
    v1::WatchHostsRequest request;
    request.set_filter(selector_);
    return stub_->WatchHosts(&context, request);
  }

  void OnMessage(const v1::WatchHostsResponse& message) override {
    session().ShowMessage(message);
    if (!session().IsForPeople()) return;
    for (const v1::Host& host : message.hosts()) {
      std::string line = HostLine(host);
      std::string& known = lines_[host.name()];
      if (line == known) continue;
      known = std::move(line);
      Show(host.name(), known);
    }
    for (const std::string& name : message.deleted()) {
      lines_.erase(name);
      Show(name, "DELETED");
    }
  }

  void Show(const std::string& name, const std::string& line) {
    const std::string host = Printable(ShortName(name));
    session().out() << (session().settings().quiet
                            ? host
                            : absl::StrCat(StampOf(clock().Now()), " ", host,
                                           " ", line))
                    << std::endl;
  }

  Result Interrupted() override { return ExitCode::kInterrupted; }

  absl::Status TooLate() override {
    return ErrorWithReason(
        absl::StatusCode::kDeadlineExceeded, "WATCH_TIMED_OUT",
        absl::StrCat("hosts were watched for ",
                     absl::FormatDuration(*session().settings().timeout)));
  }

  const std::string selector_;
  const std::unique_ptr<v1::FleetService::Stub> stub_;
  std::map<std::string, std::string> lines_;  // by name, as shown last
};

}  // namespace

absl::StatusOr<ExitCode> WatchHosts(const std::string& selector,
                                    Session& session) {
  return HostWatch(selector, session).Run();
}

}  // namespace baton::cli
