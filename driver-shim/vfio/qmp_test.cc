#include "driver-shim/vfio/qmp.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <thread>

#include "base/reason.h"
#include "driver-shim/vfio/proc_files.h"
#include "driver-shim/vfio/testing/unix_listener.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

using testing::HasSubstr;

constexpr char kGreeting[] =
    "{\"QMP\": {\"version\": {\"qemu\": {\"major\": 10, \"minor\": 0}}}}\n";
constexpr char kAgreed[] = "{\"return\": {}, \"id\": 1}\n";

// Whoever listens at a machine's path may be anything that its user likes.
class QmpTest : public testing::Test {
 protected:
  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    std::string path = "/tmp/baton-qmp-XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    directory_ = path;
  }
  void TearDown() override {
    over_ = true;
    qmp_ = nullptr;
    if (thread_.joinable()) thread_.join();
    std::filesystem::remove_all(directory_);
  }

  static void Say(int fd, const std::string& text) {
    size_t done = 0;
    while (done < text.size()) {
      const ssize_t put =
          send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
      if (put <= 0) return;
      done += static_cast<size_t>(put);
    }
  }

  static bool Heard(int fd) {
    char text[4096];
    return recv(fd, text, sizeof text, 0) > 0;
  }

  // Connects to a QEMU that goes on as said once it has been agreed with.
  void Meet(std::function<void(int)> then) {
    const std::string path = directory_ + "/qmp";
    thread_ = std::thread([listener = ListenAt(path), then = std::move(then)] {
      const Fd fd(accept(listener.get(), nullptr, nullptr));
      Say(fd.get(), kGreeting);
      if (!Heard(fd.get())) return;
      Say(fd.get(), kAgreed);
      if (!Heard(fd.get())) return;
      then(fd.get());
      while (Heard(fd.get())) {
      }
    });
    auto qmp = Qmp::Connect(path, Enough());
    ASSERT_TRUE(qmp.ok()) << qmp.status();
    qmp_ = *std::move(qmp);
  }

  static Budget Enough() { return Budget(RealClock(), absl::Seconds(20)); }
  static Budget Soon() { return Budget(RealClock(), absl::Milliseconds(200)); }

  std::string directory_;
  std::atomic<bool> over_ = false;
  std::thread thread_;
  std::unique_ptr<Qmp> qmp_;
};

// Nobody else's machine went on while one of them talked.
TEST_F(QmpTest, OneThatNeverStopsTalkingIsTooLate) {
  Meet([this](int fd) {
    std::string noise;
    for (int i = 0; i < 50'000; ++i) noise += "{\"event\": \"NOISE\"}\n";
    while (!over_) Say(fd, noise);
  });
  EXPECT_EQ(Reason(qmp_->Status(Soon()).status()), "STEP_TOO_SLOW");
}

TEST_F(QmpTest, ALineThatComesByteAfterByteIsTooLate) {
  Meet([this](int fd) {
    while (!over_) Say(fd, " ");
  });
  EXPECT_EQ(Reason(qmp_->Status(Soon()).status()), "STEP_TOO_SLOW");
}

TEST_F(QmpTest, AnIdThatIsNoNumberIsToNoCommand) {
  Meet([](int fd) {
    Say(fd,
        "{\"return\": {\"status\": \"other\"}, \"id\": \"2\"}\n"
        "{\"return\": {\"status\": \"other\"}, \"id\": null}\n"
        "{\"return\": {\"status\": \"other\"}, \"id\": {}}\n"
        "{\"return\": {\"status\": \"paused\"}, \"id\": 2}\n");
  });
  const auto status = qmp_->Status(Enough());
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(*status, "paused");
}

// What a command line has may be any bytes.
TEST_F(QmpTest, BytesThatAreNoTextAreSentAllTheSame) {
  Meet([](int fd) {
    Say(fd, "{\"error\": {\"desc\": \"no such place\"}, \"id\": 2}\n");
  });
  const auto answer =
      qmp_->Run("device_add", {{"sysfsdev", "/tmp/\xff/../x"}}, Enough());
  EXPECT_THAT(answer.status().message(), HasSubstr("no such place"));
}

TEST_F(QmpTest, AnAnswerThatIsNestedWithoutEndIsNone) {
  constexpr size_t kDeep = 1'000'000;
  Meet([](int fd) {
    Say(fd, "{\"return\": " + std::string(kDeep, '[') +
                std::string(kDeep, ']') + ", \"id\": 2}\n");
  });
  EXPECT_EQ(
      Reason(qmp_->Run("query-status", Json::object(), Enough()).status()),
      "SOCKET_CLOSED");
}

// One who sends more than one along had the shim run out of them.
TEST_F(QmpTest, KeepsNoDescriptorThatNobodyAskedFor) {
  Meet([](int fd) {
    std::string text = "{\"event\": \"NOISE\"}\n";
    for (int i = 0; i < 20; ++i) {
      iovec piece = {.iov_base = text.data(), .iov_len = text.size()};
      alignas(cmsghdr) char control[CMSG_SPACE(2 * sizeof(int))] = {};
      msghdr message = {};
      message.msg_iov = &piece;
      message.msg_iovlen = 1;
      message.msg_control = control;
      message.msg_controllen = sizeof control;
      cmsghdr* const header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(2 * sizeof(int));
      const int both[2] = {fd, fd};
      std::memcpy(CMSG_DATA(header), both, sizeof both);
      sendmsg(fd, &message, MSG_NOSIGNAL);
    }
    Say(fd, "{\"return\": {\"status\": \"paused\"}, \"id\": 2}\n");
  });
  const size_t before = NamesIn("/proc/self/fd").size();
  ASSERT_TRUE(qmp_->Status(Enough()).ok());
  EXPECT_LE(NamesIn("/proc/self/fd").size(), before + 1);
}

}  // namespace
}  // namespace baton::vfio
