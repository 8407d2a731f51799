#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "driver-shim/miniport/adapter.h"
#include "driver-shim/miniport/testing/fake_host.h"
#include "driver-shim/miniport/testing/fake_kernel.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/softgpu/guest/tenant.h"
#include "gtest/gtest.h"

namespace baton::miniport {
namespace {

constexpr Image kOne = {{1, kFaultsNone}, MakeGuestState1};
constexpr Image kTwo = {{2, kFaultsNone}, MakeGuestState2};

// Ends a tenant in another thread. Waits on a pipe.
class PipeStop final : public softgpu::Stop {
 public:
  PipeStop() { EXPECT_EQ(pipe2(ends_, O_CLOEXEC), 0); }
  ~PipeStop() override {
    close(ends_[0]);
    close(ends_[1]);
  }
  void Now() { EXPECT_EQ(write(ends_[1], "x", 1), 1); }
  bool WaitFor(absl::Duration timeout) override {
    pollfd waited = {ends_[0], POLLIN, 0};
    const timespec limit = absl::ToTimespec(timeout);
    return ppoll(&waited, 1, &limit, nullptr) > 0;
  }

 private:
  int ends_[2] = {-1, -1};
};

// The host's turn: one interrupt at most, then what it caused.
void ServeInterrupts(FakeHost& host, int line, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    pollfd waited = {line, POLLIN, 0};
    uint8_t message = 0;
    if (poll(&waited, 1, 50) > 0 && read(line, &message, 1) == 1) {
      host.adapter().Dpc();
    }
  }
}

// Tenants that know nothing of it work through updates in both directions, one
// of them cancelled and one undone with the same blocks.
TEST(HotUpdateTest, TenantsLoseNothingWhileTheirDriverIsReplaced) {
  FakeHost host;
  host.Load(kOne);
  ASSERT_EQ(host.Start(), STATUS_SUCCESS);
  const int line =
      open((host.board().directory() + "/irq").c_str(), O_RDONLY | O_CLOEXEC);
  auto control = softgpu::DeviceControl::Open(host.board().directory());
  PipeStop stops[2];
  softgpu::Report reports[2];
  std::vector<std::thread> tenants;
  for (uint32_t n = 0; n < 2; ++n) {
    ASSERT_EQ(host.CreateVgpu(n), STATUS_SUCCESS);
    softgpu::Tenant::Options options;
    options.directory = host.board().directory();
    options.function = n;
    options.batch_period = absl::Milliseconds(1);
    options.mailbox_period = absl::Milliseconds(1);
    options.working_bytes = 65536;
    options.seed = 100 + n;
    auto tenant = softgpu::Tenant::Create(options);
    ASSERT_TRUE(tenant.ok());
    tenants.emplace_back(
        [&, n, owned = std::shared_ptr<softgpu::Tenant>(std::move(*tenant))] {
          reports[n] = owned->Run(stops[n]);
        });
  }
  const auto replace = [&](const std::vector<Image>& by) {
    EXPECT_TRUE((*control)->PauseEngines(absl::Seconds(30)).ok());
    const auto before = (*control)->Functions();
    EXPECT_EQ(host.Save(), STATUS_SUCCESS);
    if (by.empty()) host.Cancel();
    for (const Image& image : by) {
      host.Unload();
      host.Load(image);
      EXPECT_EQ(host.RestoreAll(), STATUS_SUCCESS);
      EXPECT_EQ(host.Start(), STATUS_SUCCESS);
      host.adapter().Dpc();
    }
    const auto after = (*control)->Functions();
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ((*before)[i].registers, (*after)[i].registers);
    }
    EXPECT_TRUE((*control)->ResumeEngines(absl::Seconds(30)).ok());
    if (!by.empty()) host.CompleteRestore();
  };
  ServeInterrupts(host, line, 100);
  for (const std::vector<Image>& by : std::vector<std::vector<Image>>{
           {kTwo}, {}, {kOne}, {kTwo, kOne}, {kTwo}}) {
    replace(by);
    ServeInterrupts(host, line, 60);
  }
  for (uint32_t n = 0; n < 2; ++n) stops[n].Now();
  for (std::thread& tenant : tenants) tenant.join();
  for (const softgpu::Report& report : reports) {
    EXPECT_TRUE(report.Clean()) << report.ToJson();
    EXPECT_GT(report.commands, 0u);
    EXPECT_GT(report.mailbox_requests, 20u);
  }
  close(line);
  host.Unload();
  EXPECT_EQ(OutstandingAllocations(), 0u);
}

}  // namespace
}  // namespace baton::miniport
