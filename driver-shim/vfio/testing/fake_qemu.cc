#include "driver-shim/vfio/testing/fake_qemu.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "driver-shim/vfio/testing/unix_listener.h"

namespace baton::vfio {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// Where the device's own bytes begin in what QEMU sends.
constexpr char kHeader[] = "QEMU and its other devices;";

nlohmann::json Error(const std::string& why) {
  return {{"error", {{"class", "GenericError"}, {"desc", why}}}};
}

nlohmann::json Done() { return {{"return", nlohmann::json::object()}}; }

}  // namespace

FakeQemu::FakeQemu(Options options)
    : options_(std::move(options)),
      listener_(ListenAt(options_.socket)),
      wake_(eventfd(0, EFD_CLOEXEC)),
      status_(options_.status),
      vgpu_(options_.vgpu) {
  if (options_.incoming) status_ = "inmigrate";
  thread_ = std::thread([this] { Serve(); });
}

FakeQemu::~FakeQemu() {
  const uint64_t one = 1;
  CHECK(write(wake_.get(), &one, sizeof one) == sizeof one);
  thread_.join();
}

std::string FakeQemu::status() {
  MutexLock lock(mu_);
  return status_;
}

std::vector<std::string> FakeQemu::commands() {
  MutexLock lock(mu_);
  return commands_;
}

std::shared_ptr<FakeVgpu> FakeQemu::vgpu() {
  MutexLock lock(mu_);
  return vgpu_;
}

bool FakeQemu::Has(const std::string& fd) {
  MutexLock lock(mu_);
  return fds_.contains(fd);
}

void FakeQemu::Refuse(const std::string& command, const std::string& why) {
  MutexLock lock(mu_);
  options_.refuses[command] = why;
}

void FakeQemu::Serve() {
  while (!ended_ && AwaitInput(listener_.get(), wake_.get())) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr,
                  SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.ok()) Talk(LineSocket::Over(std::move(fd), options_.socket));
  }
}

void FakeQemu::Talk(LineSocket socket) {
  const Budget budget(RealClock(), kPatience);
  const Json greeting = {{"QMP",
                          {{"version",
                            {{"qemu",
                              {{"major", options_.version.first},
                               {"minor", options_.version.second}}}}},
                           {"capabilities", Json::array()}}}};
  if (!socket.Send(greeting.dump(), -1, budget).ok()) return;
  std::string late;
  while (!ended_ && AwaitInput(socket.fd(), wake_.get())) {
    const auto line = socket.Receive(budget);
    if (!line.ok()) return;
    const Json request = Json::parse(*line, nullptr, false);
    Json answer = Answer(request, socket);
    if (request.contains("id")) answer["id"] = request["id"];
    if (request.value("execute", "") == options_.answers_late) {
      late = answer.dump();
      continue;
    }
    if (!late.empty() && !socket.Send(late, -1, budget).ok()) return;
    late.clear();
    // What an event is to a client that waits for an answer.
    const Json event = {{"event", "NOISE"}, {"data", Json::object()}};
    if (!socket.Send(event.dump(), -1, budget).ok()) return;
    if (!socket.Send(answer.dump(), -1, budget).ok()) return;
    MigrateIn();
  }
}

nlohmann::json FakeQemu::Answer(const Json& request, LineSocket& socket) {
  const std::string command = request.value("execute", "");
  const Json arguments = request.value("arguments", Json::object());
  MutexLock lock(mu_);
  commands_.push_back(command);
  const auto refused = options_.refuses.find(command);
  if (refused != options_.refuses.end()) return Error(refused->second);
  return Carry(command, arguments, socket);
}

nlohmann::json FakeQemu::Carry(const std::string& command,
                               const Json& arguments, LineSocket& socket) {
  if (command == "getfd") {
    fds_[arguments.value("fdname", "")] = socket.TakeFd();
    return Done();
  }
  if (command == "query-status") return {{"return", {{"status", status_}}}};
  if (command == "query-migrate") {
    return {
        {"return", {{"status", migration_}, {"error-desc", migration_error_}}}};
  }
  if (command == "stop") {
    status_ = "paused";
    if (vgpu_ != nullptr && vgpu_->state() == core::DeviceState::kRunning &&
        !vgpu_->Take(core::DeviceState::kStop).ok()) {
      return Error("the device does not stop");
    }
    return Done();
  }
  if (command == "cont") return Continue();
  if (command == "migrate") return MigrateOut();
  if (command == "migrate-incoming") {
    comes_in_ = true;
    migration_ = "active";
    return Done();
  }
  if (command == "device_add") {
    if (arguments.value("x-flag", Json(true)) != Json(true)) {
      return Error("x-flag is no boolean");
    }
    vgpu_ = options_.plug();
    return Done();
  }
  if (command == "device-list-properties") {
    return {{"return", Json::array({{{"name", "x-flag"}, {"type", "bool"}},
                                    {{"name", "addr"}, {"type", "str"}}})}};
  }
  if (command == "closefd") {
    fds_.erase(arguments.value("fdname", ""));
    return Done();
  }
  if (command == "quit") {
    ended_ = true;
    unlink(options_.socket.c_str());
    fds_.clear();
    return Done();
  }
  return Done();  // capabilities and parameters
}

nlohmann::json FakeQemu::Continue() {
  if (vgpu_ != nullptr && vgpu_->state() != core::DeviceState::kStop &&
      vgpu_->state() != core::DeviceState::kRunning) {
    std::ofstream(options_.log, std::ios::app)
        << "vfio: the device does not resume\n";
    vgpu_->Reset();
  }
  if (vgpu_ != nullptr && vgpu_->state() == core::DeviceState::kStop) {
    vgpu_->Take(core::DeviceState::kRunning).IgnoreError();
  }
  status_ = "running";
  return Done();
}

nlohmann::json FakeQemu::MigrateOut() {
  if (status_ == "postmigrate") {
    return Error("can't migrate the vm that was paused due to migration");
  }
  const std::string state = absl::StrCat(kHeader, vgpu_->content());
  const Fd sink = std::move(fds_["baton-state"]);
  const ssize_t put = write(sink.get(), state.data(), state.size());
  const bool whole = put == static_cast<ssize_t>(state.size());
  migration_ = whole ? "completed" : "failed";
  if (whole) status_ = "postmigrate";
  return Done();
}

// Reads what is poured, to its end, as soon as it was told to.
void FakeQemu::MigrateIn() {
  Fd source;
  {
    MutexLock lock(mu_);
    if (!std::exchange(comes_in_, false)) return;
    source = std::move(fds_["baton-state"]);
  }
  std::string text;
  char piece[4096];
  ssize_t got = 0;
  while ((got = read(source.get(), piece, sizeof piece)) > 0) {
    text.append(piece, static_cast<size_t>(got));
  }
  MutexLock lock(mu_);
  const size_t header = std::strlen(kHeader);
  const bool known = text.compare(0, header, kHeader) == 0;
  const absl::Status written =
      known && vgpu_ != nullptr ? vgpu_->Write(text.substr(header))
                                : absl::InvalidArgumentError("no such device");
  migration_ = written.ok() ? "completed" : "failed";
  migration_error_ = std::string(written.message());
  if (written.ok()) status_ = "paused";
}

}  // namespace baton::vfio
