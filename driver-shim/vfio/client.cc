#include "driver-shim/vfio/client.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/migration.h"
#include "driver-shim/vfio/packed.h"

namespace baton::vfio {
namespace {

constexpr absl::Duration kLearnTimeout = absl::Seconds(2);

}  // namespace

Client::Client(Options options, Processes& processes, const Clock& clock,
               DeviceOpener open)
    : options_(std::move(options)),
      processes_(processes),
      clock_(clock),
      open_(open) {}

absl::StatusOr<Client::Facts> Client::Ask(const std::string& request,
                                          const Budget& budget) {
  if (!connection_.has_value()) {
    ASSIGN_OR_RETURN(connection_, LineSocket::Connect(options_.socket));
  }
  const absl::Status sent = connection_->Send(request, -1, budget);
  const absl::StatusOr<std::string> line =
      sent.ok() ? connection_->Receive(budget) : sent;
  if (!line.ok()) {
    connection_.reset();  // an answer that comes late is to no question
    return line.status();
  }
  absl::string_view rest = *line;
  if (!absl::ConsumePrefix(&rest, "OK")) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "CLIENT_REFUSED",
        absl::StrCat("client '", options_.guest, "' answers ", request,
                     " with '", *line, "'"));
  }
  Facts facts;
  for (const absl::string_view word :
       absl::StrSplit(rest, ' ', absl::SkipEmpty())) {
    facts.insert(absl::StrSplit(word, absl::MaxSplits('=', 1)));
  }
  return facts;
}

absl::Status Client::AskForDevice(const std::string& request,
                                  const Budget& budget) {
  RETURN_IF_ERROR(Ask(request, budget).status());
  Fd fd = connection_->TakeFd();
  if (!fd.ok()) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "CLIENT_REFUSED",
        absl::StrCat("client '", options_.guest, "' answers ", request,
                     " without its device's descriptor"));
  }
  device_ = open_(std::move(fd));
  return absl::OkStatus();
}

bool Client::Present() {
  if (process_.pid != 0 && processes_.Alive(process_)) return true;
  process_ = {};
  const bool answers = Ask("STATUS", Budget(clock_, kLearnTimeout)).ok();
  if (answers) {
    process_ = processes_.PeerOf(connection_->fd()).value_or(Process{});
  }
  connection_.reset();
  return answers;
}

std::vector<core::Blocker> Client::Preflight() {
  if (!Present()) return {};
  const auto facts = Ask("STATUS", Budget(clock_, kLearnTimeout));
  connection_.reset();
  const auto uuid = facts.ok() ? facts->find("uuid") : Facts::const_iterator();
  if (facts.ok() && uuid != facts->end() && uuid->second == options_.uuid) {
    return {};
  }
  return {{"CLIENT_ODD",
           absl::StrCat(
               "client '", options_.guest, "': ",
               facts.ok() ? absl::StrCat("it does not say that it holds vGPU ",
                                         options_.uuid)
                          : std::string(facts.status().message()),
               ": let one that speaks the control protocol listen on "
               "'",
               options_.socket, "'")}};
}

absl::Status Client::Prepare(const Budget& budget) {
  return Ask("STATUS", budget).status();
}

absl::Status Client::Stop(const Budget& budget) {
  device_ = nullptr;
  RETURN_IF_ERROR(AskForDevice("PAUSE", budget));
  return BringTo(core::DeviceState::kStop, *device_);
}

absl::StatusOr<Stream> Client::Save(const std::string& path,
                                    const Budget& budget) {
  ASSIGN_OR_RETURN(Device* const device, HeldDevice(budget));
  return SaveDevice(*device, path, budget);
}

absl::Status Client::Release(const Budget& budget) {
  device_ = nullptr;
  // Whoever has ended has let go.
  if (process_.pid != 0 && !processes_.Alive(process_)) {
    return absl::OkStatus();
  }
  return Ask("CLOSE", budget).status();
}

absl::Status Client::Restore(const Stream& stream, const Budget& budget) {
  RETURN_IF_ERROR(AskForDevice("OPEN", budget));
  absl::Status restored = RestoreDevice(stream, *device_, budget);
  if (restored.ok()) return restored;
  return ErrorWithReason(
      restored.code(), Reason(restored),
      absl::StrCat("client '", options_.guest,
                   "' cannot be restored: ", restored.message()));
}

absl::Status Client::Resume(const Budget& budget) {
  ASSIGN_OR_RETURN(Device* const device, HeldDevice(budget));
  RETURN_IF_ERROR(BringTo(core::DeviceState::kRunning, *device));
  device_ = nullptr;  // it keeps the module in
  return Ask("RESUME", budget).status();
}

absl::Status Client::Confirm(const Budget& budget) {
  ASSIGN_OR_RETURN(const Facts facts, Ask("STATUS", budget));
  const auto state = facts.find("state");
  if (state != facts.end() && state->second == "RUNNING") {
    return absl::OkStatus();
  }
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "VGPU_NO_PROGRESS",
      absl::StrCat("client '", options_.guest, "' is ",
                   state == facts.end() ? "in no state" : state->second,
                   ", want RUNNING"));
}

// It pauses once more where it is paused, and only then: who asks for the
// device means to change it.
absl::StatusOr<Device*> Client::HeldDevice(const Budget& budget) {
  if (device_ == nullptr) RETURN_IF_ERROR(AskForDevice("PAUSE", budget));
  return device_.get();
}

std::string Client::Record() const { return Packed(process_); }

bool Client::Recall(const std::string& record, core::Phase /*phase*/) {
  return Unpack(record, process_);
}

}  // namespace baton::vfio
