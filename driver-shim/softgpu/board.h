#ifndef DRIVER_SHIM_SOFTGPU_BOARD_H_
#define DRIVER_SHIM_SOFTGPU_BOARD_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "driver-shim/softgpu/engine.h"
#include "driver-shim/softgpu/mapped_file.h"
#include "driver-shim/softgpu/registers.h"

namespace baton::softgpu {

// A software SR-IOV GPU: its BARs as files in a directory, its engines as
// threads. It knows neither drivers nor hosts: it does what its registers say,
// from Create() to destruction, which removes the files and the directory.
class Board {
 public:
  struct Options {
    std::string directory = "";  // made if there is none; its parent must exist
    uint32_t functions = 8;      // 1 to SOFTGPU_FUNCTIONS_MAX
    uint64_t vram_bytes = 0;     // of the whole board, a multiple of 4096
    uint32_t board_revision = 0;
    std::string model = "Baton SoftGPU";  // at most 31 bytes
  };

  // Errors:
  //   INVALID_ARGUMENT     an option is out of range; reason DEVICE_OPTION
  //   FAILED_PRECONDITION  another board lives there; reason DEVICE_IN_USE
  //   UNAVAILABLE          a file cannot be made; reason DEVICE_FILE
  static absl::StatusOr<std::unique_ptr<Board>> Create(const Options& options);

  ~Board();
  Board(const Board&) = delete;
  Board& operator=(const Board&) = delete;

 private:
  explicit Board(const Options& options) : options_(options) {}

  absl::Status MakeDirectory();
  absl::Status MakeFiles();
  void Strap();
  void Run();
  void FollowControl();
  void FollowRequests();
  void Enable(uint32_t function);
  void Disable(uint32_t function);
  bool WindowIsGood(uint32_t function) const;
  void RemoveFiles();
  std::string PathOf(const std::string& name) const;

  softgpu_pf* pf() const { return pf_->As<softgpu_pf>(); }
  softgpu_vf* vf(uint32_t function) const {
    return vfs_[function]->As<softgpu_vf>();
  }

  const Options options_;
  int lock_fd_ = -1;
  int interrupt_fd_ = -1;
  std::unique_ptr<MappedFile> pf_;
  std::unique_ptr<MappedFile> vram_;
  std::vector<std::unique_ptr<MappedFile>> vfs_;
  std::map<uint32_t, std::unique_ptr<Engine>> engines_;  // by function
  std::atomic<bool> stopping_ = false;
  std::thread control_thread_;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_BOARD_H_
