#include "driver-shim/vfio/testing/fake_client.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "driver-shim/vfio/testing/unix_listener.h"

namespace baton::vfio {

FakeClient::FakeClient(std::string socket, std::string uuid)
    : socket_(std::move(socket)),
      uuid_(std::move(uuid)),
      listener_(ListenAt(socket_)),
      wake_(eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this] { Serve(); });
}

FakeClient::~FakeClient() {
  const uint64_t one = 1;
  CHECK(write(wake_.get(), &one, sizeof one) == sizeof one);
  thread_.join();
}

std::string FakeClient::state() {
  MutexLock lock(mu_);
  return state_;
}

void FakeClient::set_answer(const std::string& answer) {
  MutexLock lock(mu_);
  answer_ = answer;
}

void FakeClient::set_sends_fd(bool sends) {
  MutexLock lock(mu_);
  sends_fd_ = sends;
}

std::string FakeClient::Answer(const std::string& request, bool& with_fd) {
  MutexLock lock(mu_);
  if (!answer_.empty()) return answer_;
  if (request == "STATUS") {
    return absl::StrCat("OK state=", state_, " uuid=", uuid_,
                        " pid=", getpid());
  }
  const bool open = state_ != "CLOSED";
  if ((request == "PAUSE" && open) ||
      (request == "OPEN" && state_ != "RUNNING")) {
    state_ = "PAUSED";
    with_fd = sends_fd_;
  } else if (request == "CLOSE" && state_ != "RUNNING") {
    state_ = "CLOSED";
  } else if (request == "RESUME" && open) {
    state_ = "RUNNING";
  } else {
    return absl::StrCat("ERROR OUT_OF_ORDER ", request, " in ", state_);
  }
  return "OK";
}

void FakeClient::Serve() {
  while (AwaitInput(listener_.get(), wake_.get())) {
    Fd fd(accept4(listener_.get(), nullptr, nullptr,
                  SOCK_CLOEXEC | SOCK_NONBLOCK));
    LineSocket connection = LineSocket::Over(std::move(fd), socket_);
    const Budget budget(RealClock(), absl::Seconds(30));
    while (AwaitInput(connection.fd(), wake_.get())) {
      const auto request = connection.Receive(budget);
      if (!request.ok()) break;
      bool with_fd = false;
      const std::string answer = Answer(*request, with_fd);
      const int device = with_fd ? wake_.get() : -1;
      if (!connection.Send(answer, device, budget).ok()) break;
    }
  }
}

}  // namespace baton::vfio
