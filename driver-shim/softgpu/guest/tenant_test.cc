#include "driver-shim/softgpu/guest/tenant.h"

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/reason.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/softgpu/testing/test_board.h"
#include "gtest/gtest.h"

namespace baton::softgpu {
namespace {

// A driver that is right, in the tenant's own thread: answers whenever the
// tenant waits. Ends the tenant after so many waits.
class DriverStop final : public Stop {
 public:
  DriverStop(const TestBoard& board, uint32_t function, int waits)
      : board_(board),
        page_(board.MapFunction(function)),
        function_(function),
        waits_(waits) {}

  // Called once, in the middle of the run.
  void InTheMiddle(std::function<void()> act) {
    act_ = std::move(act);
    act_at_ = waits_ / 2;
  }

  bool WaitFor(absl::Duration) override {
    Answer();
    if (waits_ == act_at_ && act_ != nullptr) act_();
    return --waits_ <= 0;
  }

  softgpu_vf* page() const { return page_->As<softgpu_vf>(); }
  bool forget_allocations_ = false;

 private:
  void Answer() {
    softgpu_mailbox& mailbox = page()->mailbox;
    if (mailbox.request_sequence == mailbox.response_sequence) return;
    mailbox.status = Carry(mailbox);
    softgpu_write64(&mailbox.response_sequence, mailbox.request_sequence);
  }

  uint32_t Carry(softgpu_mailbox& mailbox) {
    const uint64_t name = mailbox.arguments[0];
    switch (mailbox.opcode) {
      case SOFTGPU_MAILBOX_ALLOCATE: {
        const uint64_t bytes = (name + 255) / 256 * 256;
        const uint64_t offset = forget_allocations_ ? 0 : GapFor(bytes);
        mailbox.results[0] = ++handle_;
        mailbox.results[1] = offset;
        allocations_[handle_] = {offset, bytes};
        return SOFTGPU_MAILBOX_OK;
      }
      case SOFTGPU_MAILBOX_FREE:
        allocations_.erase(name);
        return SOFTGPU_MAILBOX_OK;
      case SOFTGPU_MAILBOX_QUERY:
        mailbox.results[0] = allocations_[name].first;
        mailbox.results[1] = allocations_[name].second;
        return SOFTGPU_MAILBOX_OK;
      case SOFTGPU_MAILBOX_CREATE_CONTEXT: {
        uint32_t index = 0;
        while (contexts_.contains(index)) ++index;
        contexts_[index] = ++tag_;
        board_.pf()->functions[function_].contexts[index] = {1, tag_};
        mailbox.results[0] = index;
        mailbox.results[1] = tag_;
        return SOFTGPU_MAILBOX_OK;
      }
      case SOFTGPU_MAILBOX_DESTROY_CONTEXT:
        contexts_.erase(static_cast<uint32_t>(name));
        return SOFTGPU_MAILBOX_OK;
      case SOFTGPU_MAILBOX_INFO:
        mailbox.results[0] = allocations_.size();
        mailbox.results[1] = 0;
        for (const auto& [handle, range] : allocations_) {
          mailbox.results[1] += range.second;
        }
        mailbox.results[2] = contexts_.size();
        return SOFTGPU_MAILBOX_OK;
      case SOFTGPU_MAILBOX_SIGNAL_FENCE:
        fences_[name] = mailbox.arguments[1];
        return SOFTGPU_MAILBOX_OK;
      case SOFTGPU_MAILBOX_QUERY_FENCE:
        mailbox.results[0] = fences_[name];
        return SOFTGPU_MAILBOX_OK;
    }
    return SOFTGPU_MAILBOX_INVALID;
  }

  uint64_t GapFor(uint64_t bytes) const {
    uint64_t offset = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (const auto& [handle, taken] : allocations_) {
        if (offset < taken.first + taken.second &&
            taken.first < offset + bytes) {
          offset = taken.first + taken.second;
          moved = true;
        }
      }
    }
    return offset;
  }

  const TestBoard& board_;
  const std::unique_ptr<MappedFile> page_;
  const uint32_t function_;
  int waits_;
  int act_at_ = -1;
  std::function<void()> act_;
  uint64_t handle_ = 0;
  uint32_t tag_ = 0;
  std::map<uint64_t, std::pair<uint64_t, uint64_t>> allocations_;
  std::map<uint32_t, uint32_t> contexts_;
  std::map<uint64_t, uint64_t> fences_;
};

Tenant::Options OptionsOf(const TestBoard& board) {
  Tenant::Options options;
  options.directory = board.directory();
  options.function = 1;
  options.name = "vm-1";
  options.working_bytes = 65536;
  options.mailbox_period = absl::ZeroDuration();
  options.drain = absl::Milliseconds(1);
  options.seed = 11;
  return options;
}

// Setting up takes some sixty; the middle is well behind it.
constexpr int kWaits = 400;

Report RunWith(DriverStop& driver, const TestBoard& board) {
  auto tenant = Tenant::Create(OptionsOf(board));
  EXPECT_TRUE(tenant.ok());
  return (*tenant)->Run(driver);
}

TEST(TenantTest, FindsNothingWrongWithADeviceAndDriverThatAreRight) {
  TestBoard board;
  board.EnableFunction(1);
  DriverStop driver(board, 1, kWaits);
  const Report report = RunWith(driver, board);
  EXPECT_TRUE(report.Clean()) << report.ToJson();
  EXPECT_GT(report.commands, 1000u);
  EXPECT_GT(report.mailbox_requests, 30u);
}

TEST(TenantTest, GoesOnWhereATenantBeforeItEnded) {
  TestBoard board;
  board.EnableFunction(1);
  DriverStop driver(board, 1, kWaits);
  EXPECT_TRUE(RunWith(driver, board).Clean());
  const uint64_t before = driver.page()->submitted;
  DriverStop again(board, 1, kWaits);
  again.page()->mailbox.request_sequence =
      again.page()->mailbox.response_sequence;
  const Report report = RunWith(again, board);
  EXPECT_TRUE(report.Clean()) << report.ToJson();
  EXPECT_EQ(driver.page()->submitted, before + report.commands);
}

TEST(TenantTest, LosesNothingWhenEnginesArePausedAndResumed) {
  TestBoard board;
  board.EnableFunction(1);
  auto control = DeviceControl::Open(board.directory());
  DriverStop driver(board, 1, kWaits);
  driver.InTheMiddle([&] {
    EXPECT_TRUE((*control)->PauseEngines(absl::Seconds(30)).ok());
    EXPECT_TRUE((*control)->ResumeEngines(absl::Seconds(30)).ok());
  });
  const Report report = RunWith(driver, board);
  EXPECT_TRUE(report.Clean()) << report.ToJson();
}

TEST(TenantTest, NoticesADriverThatForgotWhatIsAllocated) {
  TestBoard board;
  board.EnableFunction(1);
  DriverStop driver(board, 1, kWaits);
  driver.InTheMiddle([&] { driver.forget_allocations_ = true; });
  EXPECT_GT(RunWith(driver, board).mailbox_errors, 0u);
}

TEST(TenantTest, NoticesAContextThatIsGone) {
  TestBoard board;
  board.EnableFunction(1);
  DriverStop driver(board, 1, kWaits);
  driver.InTheMiddle([&] { board.pf()->functions[1].contexts[0] = {}; });
  const Report report = RunWith(driver, board);
  EXPECT_GT(report.faults, 0u);
  EXPECT_GT(report.wrong, 0u);
}

TEST(TenantTest, NoticesAHashChainThatStartedAgain) {
  TestBoard board;
  board.EnableFunction(1);
  DriverStop driver(board, 1, kWaits);
  driver.InTheMiddle([&] { board.pf()->functions[1].hash_chain[0] ^= 1; });
  EXPECT_GT(RunWith(driver, board).wrong, 0u);
}

TEST(TenantTest, NoticesOneChangedByteOfItsVram) {
  TestBoard board;
  board.EnableFunction(1);
  DriverStop driver(board, 1, kWaits);
  driver.InTheMiddle([&] { board.vram()[(1 << 20) + 66000] ^= 1; });
  EXPECT_GT(RunWith(driver, board).wrong, 0u);
}

TEST(TenantTest, ReportsInTheMiddleAndGoesOn) {
  TestBoard board;
  board.EnableFunction(1);
  DriverStop driver(board, 1, kWaits);
  bool wanted = false;
  std::vector<Report> reports;
  driver.InTheMiddle([&] {
    board.vram()[(1 << 20) + 66000] ^= 1;
    wanted = true;
  });
  Tenant::Options options = OptionsOf(board);
  options.report_wanted = [&] { return std::exchange(wanted, false); };
  options.on_report = [&](const Report& report) { reports.push_back(report); };
  const Report last = (*Tenant::Create(options))->Run(driver);
  ASSERT_EQ(reports.size(), 1u);
  EXPECT_GT(reports[0].wrong, 0u);
  EXPECT_GT(reports[0].commands, 0u);
  EXPECT_GT(last.commands, reports[0].commands);
}

TEST(TenantTest, NoticesCommandsThatAreExecutedTwice) {
  TestBoard board;
  board.EnableFunction(1);
  DriverStop driver(board, 1, kWaits);
  driver.InTheMiddle([&] {
    // The ring's position goes back: the engine takes again what it did.
    auto control = DeviceControl::Open(board.directory());
    ASSERT_TRUE((*control)->PauseEngines(absl::Seconds(30)).ok());
    board.pf()->functions[1].completed -= 40;
    ASSERT_TRUE((*control)->ResumeEngines(absl::Seconds(30)).ok());
  });
  const Report report = RunWith(driver, board);
  EXPECT_GT(report.duplicated + report.wrong + report.reordered, 0u)
      << report.ToJson();
}

TEST(TenantTest, SaysWhatIsLostWhenItsFunctionIsTakenAway) {
  TestBoard board;
  board.EnableFunction(1);
  auto control = DeviceControl::Open(board.directory());
  DriverStop driver(board, 1, kWaits);
  driver.InTheMiddle([&] { board.SetEnable(1, 0); });
  const Report report = RunWith(driver, board);
  EXPECT_GT(report.lost, 0u);
}

TEST(TenantTest, RefusesOptionsOutOfRange) {
  TestBoard board;
  Tenant::Options options = OptionsOf(board);
  options.name = "a\"b";
  EXPECT_EQ(Reason(Tenant::Create(options).status()), "GUEST_OPTION");
  options = OptionsOf(board);
  options.rate = 0;
  EXPECT_EQ(Reason(Tenant::Create(options).status()), "GUEST_OPTION");
  options = OptionsOf(board);
  options.working_bytes = 1000;
  EXPECT_EQ(Reason(Tenant::Create(options).status()), "GUEST_OPTION");
  options = OptionsOf(board);
  options.function = 9;
  EXPECT_EQ(Tenant::Create(options).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace baton::softgpu
