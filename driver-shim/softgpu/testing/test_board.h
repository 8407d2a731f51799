#ifndef DRIVER_SHIM_SOFTGPU_TESTING_TEST_BOARD_H_
#define DRIVER_SHIM_SOFTGPU_TESTING_TEST_BOARD_H_

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "driver-shim/softgpu/board.h"
#include "driver-shim/softgpu/doorbell.h"
#include "driver-shim/softgpu/mapped_file.h"

namespace baton::softgpu {

// A real board in a directory of its own, in this process, and what a driver
// would do to its registers. For tests.
class TestBoard {
 public:
  explicit TestBoard(uint32_t functions = 4, uint32_t board_revision = 0)
      : directory_(NewDirectory()) {
    auto board = Board::Create({.directory = directory_,
                                .functions = functions,
                                .vram_bytes = uint64_t{functions} << 20,
                                .board_revision = board_revision});
    CHECK(board.ok());
    board_ = std::move(*board);
    pf_file_ = Map("pf", 0);
    vram_file_ = Map("vram", 0);
  }

  const std::string& directory() const { return directory_; }
  softgpu_pf* pf() const { return pf_file_->As<softgpu_pf>(); }
  uint8_t* vram() const { return vram_file_->data(); }
  std::unique_ptr<MappedFile> MapFunction(uint32_t n) const {
    return Map("vf" + std::to_string(n), 0);
  }

  // Ends the device, as its power switch would.
  void PowerOff() { board_.reset(); }

  // Gives function `n` the n-th mebibyte, and enables it with one context, 0,
  // whose tag is 1.
  void EnableFunction(uint32_t n) const {
    softgpu_function* control = &pf()->functions[n];
    control->window_base = uint64_t{n} << 20;
    control->window_bytes = uint64_t{1} << 20;
    SetEnable(n, 1);
    control->contexts[0] = {1, 1};
  }

  // Returns once the device has followed. Refused: returns, not enabled.
  void SetEnable(uint32_t n, uint32_t enable) const {
    softgpu_function* control = &pf()->functions[n];
    softgpu_write32(&control->enable, enable);
    softgpu_ring(&pf()->control_doorbell);
    while (softgpu_read32(&control->enabled) !=
           softgpu_read32(&control->enable)) {
      softgpu_wait(&control->enabled, 1 - enable, 10'000'000);
    }
  }

 private:
  static std::string NewDirectory() {
    std::string name = "/dev/shm/baton-test-XXXXXX";
    CHECK(mkdtemp(name.data()) != nullptr);
    return name;
  }

  std::unique_ptr<MappedFile> Map(const std::string& name,
                                  uint64_t bytes) const {
    auto file = MappedFile::Open(directory_ + "/" + name, 0, bytes);
    CHECK(file.ok());
    return std::move(*file);
  }

  const std::string directory_;
  std::unique_ptr<Board> board_;
  std::unique_ptr<MappedFile> pf_file_;
  std::unique_ptr<MappedFile> vram_file_;
};

// Puts a command into a function's ring and waits until it was executed.
class TestRing {
 public:
  explicit TestRing(softgpu_vf* page) : page_(page) {}

  // Fills in sequence and context.
  uint64_t Submit(softgpu_command command) {
    const uint64_t sequence = page_->submitted + 1;
    command.sequence = sequence;
    command.context_tag = 1;
    page_->ring[sequence % SOFTGPU_RING_SLOTS] = command;
    __atomic_store_n(&page_->notify_at, sequence, __ATOMIC_SEQ_CST);
    softgpu_write64(&page_->submitted, sequence);
    softgpu_ring(&page_->doorbell);
    return sequence;
  }

  softgpu_command* Await(uint64_t sequence) {
    while (softgpu_read64(&page_->completed) < sequence) {
      const uint32_t doorbell = softgpu_read32(&page_->completion_doorbell);
      if (softgpu_read64(&page_->completed) >= sequence) break;
      softgpu_wait(&page_->completion_doorbell, doorbell, 10'000'000);
    }
    return &page_->ring[sequence % SOFTGPU_RING_SLOTS];
  }

 private:
  softgpu_vf* const page_;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_TESTING_TEST_BOARD_H_
