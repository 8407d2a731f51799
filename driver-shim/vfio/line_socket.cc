#include "driver-shim/vfio/line_socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::vfio {
namespace {

absl::Status ClosedError(const std::string& path, absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "SOCKET_CLOSED",
                         absl::StrCat("socket '", path, "': ", why));
}

}  // namespace

absl::StatusOr<LineSocket> LineSocket::Connect(const std::string& path) {
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof address.sun_path) {
    return ClosedError(path, "its path is too long");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.ok() || connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
                          sizeof address) != 0) {
    return ClosedError(path, std::generic_category().message(errno));
  }
  return LineSocket(std::move(fd), path);
}

absl::Status LineSocket::Closed(absl::string_view why) const {
  return ClosedError(path_, why);
}

absl::Status LineSocket::Send(absl::string_view line, int fd,
                              const Budget& budget) {
  const std::string text = absl::StrCat(line, "\n");
  size_t sent = 0;
  while (sent < text.size()) {
    iovec piece = {.iov_base = const_cast<char*>(text.data()) + sent,
                   .iov_len = text.size() - sent};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message = {};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    if (fd >= 0 && sent == 0) {
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* const header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(sizeof fd);
      std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    const ssize_t put = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
    if (put >= 0) {
      sent += static_cast<size_t>(put);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return Closed(std::generic_category().message(errno));
    pollfd one = {.fd = fd_.get(), .events = POLLOUT, .revents = 0};
    const int got = poll(&one, 1, budget.LeftMilliseconds());
    // One that takes byte after byte is never found waiting for too long.
    if (got == 0 || budget.Left() == absl::ZeroDuration()) {
      return budget.Exceeded(absl::StrCat("sending to '", path_, "'"));
    }
  }
  return absl::OkStatus();
}

std::optional<std::string> LineSocket::TakeLine() {
  const size_t end = buffer_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

absl::Status LineSocket::ReceiveSome() {
  char piece[16384];
  iovec into = {.iov_base = piece, .iov_len = sizeof piece};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &into;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t got = recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return absl::OkStatus();
  if (got < 0) return Closed(std::generic_category().message(errno));
  if (got == 0) return Closed("the other side has closed it");
  // As many as there was room for, which is more than one.
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_type != SCM_RIGHTS) continue;
    const size_t bytes = header->cmsg_len - CMSG_LEN(0);
    for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + at, sizeof fd);
      received_ = Fd(fd);
    }
  }
  buffer_.append(piece, static_cast<size_t>(got));
  if (buffer_.size() > kLineBytesMax) return Closed("a line has no end");
  return absl::OkStatus();
}

absl::StatusOr<std::string> LineSocket::Receive(const Budget& budget) {
  while (true) {
    if (auto line = TakeLine(); line.has_value()) return *std::move(line);
    pollfd one = {.fd = fd_.get(), .events = POLLIN, .revents = 0};
    const int got = poll(&one, 1, budget.LeftMilliseconds());
    // One that always has something to say never lets it come to a wait.
    if (got == 0 || budget.Left() == absl::ZeroDuration()) {
      return budget.Exceeded(absl::StrCat("an answer from '", path_, "'"));
    }
    RETURN_IF_ERROR(ReceiveSome());
  }
}

}  // namespace baton::vfio
