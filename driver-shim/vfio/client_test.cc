#include "driver-shim/vfio/client.h"

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "driver-shim/vfio/linux_kernel.h"
#include "driver-shim/vfio/linux_processes.h"
#include "driver-shim/vfio/testing/fake_client.h"
#include "driver-shim/vfio/testing/fake_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

using core::DeviceState;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kUuid[] = "b9a70000-0000-4000-8000-000000000001";
constexpr char kState[] = "what the client computed";

// The vGPU behind whatever descriptor the client sends: its own as long as it
// is open, a new one once it was closed.
std::shared_ptr<FakeVgpu>& Behind() {
  static auto& vgpu = *new std::shared_ptr<FakeVgpu>();
  return vgpu;
}

class ClientTest : public testing::Test {
 protected:
  // A unix socket's path has at most 107 bytes, and Bazel's are longer.
  static std::string NewDirectory() {
    std::string path = "/tmp/baton-vfio-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    return path;
  }

  void TearDown() override { std::filesystem::remove_all(directory_); }

  void SetUp() override {
    Behind() = std::make_shared<FakeVgpu>(kState);
    client_ = std::make_unique<FakeClient>(directory_ + "/s", kUuid);
    NewShim();
  }

  void NewShim() {
    holder_ = std::make_unique<Client>(
        Client::Options{
            .guest = "plain", .uuid = kUuid, .socket = directory_ + "/s"},
        *processes_, RealClock(),
        [](Fd /*fd*/) { return FakeVgpu::Open(Behind()); });
  }

  Budget budget_() const { return Budget(RealClock(), absl::Seconds(20)); }

  const std::string directory_ = NewDirectory();
  const std::unique_ptr<Processes> processes_ = OpenProcesses();
  std::unique_ptr<FakeClient> client_;
  std::unique_ptr<Client> holder_;
};

TEST_F(ClientTest, IsCarriedOver) {
  EXPECT_TRUE(holder_->Present());
  EXPECT_EQ(holder_->Pid(), getpid());
  EXPECT_THAT(holder_->Preflight(), IsEmpty());
  ASSERT_TRUE(holder_->Prepare(budget_()).ok());
  ASSERT_TRUE(holder_->Stop(budget_()).ok());
  EXPECT_EQ(client_->state(), "PAUSED");
  EXPECT_EQ(Behind()->state(), DeviceState::kStop);
  const auto stream = holder_->Save(directory_ + "/stream", budget_());
  ASSERT_TRUE(stream.ok()) << stream.status();
  ASSERT_TRUE(holder_->Release(budget_()).ok());
  EXPECT_EQ(client_->state(), "CLOSED");
  Behind() = std::make_shared<FakeVgpu>("");
  const absl::Status restored = holder_->Restore(*stream, budget_());
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_EQ(Behind()->content(), kState);
  EXPECT_EQ(Behind()->state(), DeviceState::kStop);
  EXPECT_EQ(client_->state(), "PAUSED");
  ASSERT_TRUE(holder_->Adopt(budget_()).ok());
  ASSERT_TRUE(holder_->Resume(budget_()).ok());
  EXPECT_EQ(Behind()->state(), DeviceState::kRunning);
  EXPECT_EQ(client_->state(), "RUNNING");
  EXPECT_TRUE(holder_->Confirm(budget_()).ok());
}

TEST_F(ClientTest, ARefusalEarlyOrLateIsARefusal) {
  ASSERT_TRUE(holder_->Stop(budget_()).ok());
  const auto stream = holder_->Save(directory_ + "/stream", budget_());
  ASSERT_TRUE(stream.ok());
  ASSERT_TRUE(holder_->Release(budget_()).ok());
  Behind() = std::make_shared<FakeVgpu>("");
  Behind()->set_behaviour({.refuses_late = true});
  const absl::Status refused = holder_->Restore(*stream, budget_());
  EXPECT_EQ(Reason(refused), "STREAM_REFUSED");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("'plain'"));
  // After that the device is in ERROR; the good stream loads all the same.
  Behind()->set_behaviour({});
  EXPECT_TRUE(holder_->Restore(*stream, budget_()).ok());
  EXPECT_EQ(Behind()->content(), kState);
}

TEST_F(ClientTest, EachCallMayBeRepeatedByAnotherShim) {
  ASSERT_TRUE(holder_->Stop(budget_()).ok());
  NewShim();
  ASSERT_TRUE(holder_->Stop(budget_()).ok());
  const auto stream = holder_->Save(directory_ + "/stream", budget_());
  ASSERT_TRUE(stream.ok());
  EXPECT_TRUE(holder_->Present());
  const std::string record = holder_->Record();
  NewShim();
  ASSERT_TRUE(holder_->Recall(record, core::Phase::kRuns));
  ASSERT_TRUE(holder_->Release(budget_()).ok());
  NewShim();
  ASSERT_TRUE(holder_->Recall(record, core::Phase::kRuns));
  ASSERT_TRUE(holder_->Release(budget_()).ok());
  NewShim();
  ASSERT_TRUE(holder_->Restore(*stream, budget_()).ok());
  NewShim();
  ASSERT_TRUE(holder_->Resume(budget_()).ok());
  NewShim();
  ASSERT_TRUE(holder_->Resume(budget_()).ok());
  EXPECT_TRUE(holder_->Confirm(budget_()).ok());
}

TEST_F(ClientTest, SaysWhatTheClientAnswered) {
  client_->set_answer("ERROR BUSY a kernel runs");
  const absl::Status status = holder_->Stop(budget_());
  EXPECT_EQ(Reason(status), "CLIENT_REFUSED");
  EXPECT_THAT(std::string(status.message()), HasSubstr("a kernel runs"));
  client_->set_answer("");
  client_->set_sends_fd(false);
  EXPECT_EQ(Reason(holder_->Stop(budget_())), "CLIENT_REFUSED");
}

TEST_F(ClientTest, OneThatHoldsAnotherVgpuIsOdd) {
  client_->set_answer("OK state=RUNNING uuid=another");
  ASSERT_EQ(holder_->Preflight().size(), 1u);
  EXPECT_EQ(holder_->Preflight()[0].reason, "CLIENT_ODD");
}

TEST_F(ClientTest, NobodyIsThereWhereNobodyListens) {
  std::filesystem::remove(directory_ + "/s");
  EXPECT_FALSE(holder_->Present());
  EXPECT_EQ(Reason(holder_->Stop(budget_())), "SOCKET_CLOSED");
}

}  // namespace
}  // namespace baton::vfio
