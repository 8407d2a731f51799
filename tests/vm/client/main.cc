// A program that holds a virtual GPU and is no machine. It does the workload,
// 20 turns a second, and answers the shim's requests on a socket
// (docs/KVM.md). After each turn it prints
//
//   T <turn> <driver> <steps> <wrong>
//
// usage: vfio_client UUID SOCKET

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "tests/vm/client/control.h"
#include "tests/vm/client/vfio_device.h"
#include "tests/vm/workload/workload.h"

namespace {

using baton::vm::Answer;
using baton::vm::ClientState;
using baton::vm::VfioDevice;

constexpr int64_t kTurnNanoseconds = 50'000'000;
constexpr uint32_t kBatch = 50;
constexpr size_t kDmaBytes = size_t{2} * kPageBytes;

VfioDevice device;  // NOLINT: DeviceRead and DeviceWrite have no argument

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "vfio_client: %s\n", what.c_str());
  std::_Exit(1);
}

int Listen(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) Fail("socket path too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  unlink(path.c_str());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener, generic, sizeof(address)) != 0 ||
      listen(listener, 4) != 0) {
    Fail("cannot listen on " + path);
  }
  return listener;
}

int StartTimer() {
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  const itimerspec often = {.it_interval = {0, kTurnNanoseconds},
                            .it_value = {0, kTurnNanoseconds}};
  timerfd_settime(timer, 0, &often, nullptr);
  return timer;
}

// Sends one line; with it, on its first byte, the device's descriptor.
bool Send(int connection, const Answer& answer) {
  std::string line = answer.line + "\n";
  iovec bytes = {line.data(), line.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control = {};
  msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (answer.with_descriptor) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int descriptor = device.descriptor();
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(descriptor));
  }
  return sendmsg(connection, &message, MSG_NOSIGNAL) ==
         static_cast<ssize_t>(line.size());
}

class Client {
 public:
  Client(std::string uuid, const std::string& socket_path)
      : uuid_(std::move(uuid)),
        listener_(Listen(socket_path)),
        timer_(StartTimer()) {
    void* dma = mmap(nullptr, kDmaBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (dma == MAP_FAILED) Fail("no memory");
    dma_ = static_cast<uint32_t*>(dma);
    port_ = {.close = [] { device.Close(); },
             .open = [this] { return Open(); },
             .status = "uuid=" + uuid_ + " pid=" + std::to_string(getpid())};
  }

  [[noreturn]] void Run() {
    const std::string error = Open();
    if (!error.empty()) Fail(error);
    WorkloadStart(workload_.get());
    for (;;) Turn();
  }

 private:
  std::string Open() {
    std::string error = device.Open(uuid_, dma_, kDmaBytes);
    if (!error.empty()) return error;
    workload_->memory = device.memory();
    workload_->memory_bytes = static_cast<uint32_t>(device.memory_bytes());
    workload_->batch = kBatch;
    workload_->out = dma_;
    workload_->in = dma_ + kPageWords;
    workload_->out_address = 0;
    workload_->in_address = kPageBytes;
    return "";
  }

  void Turn() {
    std::array<pollfd, 3> wait = {{{timer_, POLLIN, 0},
                                   {listener_, POLLIN, 0},
                                   {connection_, POLLIN, 0}}};
    if (poll(wait.data(), wait.size(), -1) < 0) return;
    if (wait[1].revents != 0) Accept();
    if (connection_ >= 0 && wait[2].revents != 0) Receive();
    if (wait[0].revents != 0) Tick();
  }

  void Tick() {
    uint64_t ticks = 0;
    if (read(timer_, &ticks, sizeof(ticks)) != sizeof(ticks)) return;
    if (state_ != ClientState::kRunning) return;
    const uint32_t turn = workload_->turn;
    const uint32_t wrong = WorkloadTurn(workload_.get());
    std::printf("T %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu32 "\n", turn,
                DeviceRead(BGPU_REG_DRIVER), workload_->steps, wrong);
    std::fflush(stdout);
  }

  // The newest is the one that counts.
  void Accept() {
    Hang();
    connection_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  }

  void Receive() {
    std::array<char, 256> bytes = {};
    const ssize_t size = read(connection_, bytes.data(), bytes.size());
    if (size <= 0) return Hang();
    received_.append(bytes.data(), static_cast<size_t>(size));
    size_t end = 0;
    while ((end = received_.find('\n')) != std::string::npos) {
      const std::string request = received_.substr(0, end);
      received_.erase(0, end + 1);
      if (!Send(connection_, Handle(request, state_, port_))) return Hang();
    }
  }

  void Hang() {
    if (connection_ >= 0) close(connection_);
    connection_ = -1;
    received_.clear();
  }

  const std::string uuid_;
  const int listener_;
  const int timer_;
  int connection_ = -1;
  std::string received_;
  ClientState state_ = ClientState::kRunning;
  baton::vm::ClientPort port_;
  uint32_t* dma_ = nullptr;
  std::unique_ptr<Workload> workload_ = std::make_unique<Workload>();
};

}  // namespace

uint32_t DeviceRead(uint32_t offset) { return device.Read(offset); }
void DeviceWrite(uint32_t offset, uint32_t value) {
  device.Write(offset, value);
}

int main(int argc, char** argv) {
  if (argc != 3) Fail("usage: vfio_client UUID SOCKET");
  Client(argv[1], argv[2]).Run();
}
