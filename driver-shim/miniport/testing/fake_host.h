#ifndef DRIVER_SHIM_MINIPORT_TESTING_FAKE_HOST_H_
#define DRIVER_SHIM_MINIPORT_TESTING_FAKE_HOST_H_

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "driver-shim/ddi/miniport.h"
#include "driver-shim/miniport/adapter.h"
#include "driver-shim/softgpu/testing/test_board.h"

namespace baton::miniport {

struct SavedBlock {
  std::string bytes = "";
  std::string metadata = "";
};

// A host around an Adapter and a real board in this process. One at a time.
class FakeHost {
 public:
  explicit FakeHost(uint32_t board_revision = 0);
  ~FakeHost();
  FakeHost(const FakeHost&) = delete;
  FakeHost& operator=(const FakeHost&) = delete;

  // Adds a device of that image, without starting it.
  void Load(const Image& image);
  NTSTATUS Start();
  // Saves; `blocks()` holds what was saved.
  NTSTATUS Save();
  void Cancel();
  // Stop and remove.
  void Unload();
  // Hands every block over.
  NTSTATUS RestoreAll();
  void CompleteRestore();
  NTSTATUS CreateVgpu(uint32_t partition);

  // What a guest would do: one request, answered by a DPC if at all.
  // Returns the mailbox status, or kUnanswered.
  static constexpr uint32_t kUnanswered = 0xffffffff;
  uint32_t Request(uint32_t function, uint32_t opcode, uint64_t first,
                   uint64_t second, uint64_t* results);
  // Answers what waits, if the driver will.
  bool ServeWaiting(uint32_t function);

  // The census of one virtual GPU. `digest` in hex.
  NTSTATUS Census(uint32_t partition, std::string* digest) const;

  Adapter& adapter() { return *adapter_; }
  const softgpu::TestBoard& board() const { return board_; }
  std::vector<SavedBlock>& blocks() { return blocks_; }
  bool page_saved_twice() const { return page_saved_twice_; }
  int dpcs() const { return dpcs_; }

 private:
  static NTSTATUS GetDeviceInformation(HANDLE host, DXGK_DEVICE_INFO* info);
  static NTSTATUS MapMemory(HANDLE host, PHYSICAL_ADDRESS bar, ULONG bytes,
                            BOOLEAN, BOOLEAN, MEMORY_CACHING_TYPE,
                            PVOID* address);
  static NTSTATUS UnmapMemory(HANDLE host, PVOID address);
  static BOOLEAN QueueDpc(HANDLE host);
  static NTSTATUS SaveMemory(HANDLE host,
                             IN_CONST_PDXGKARGCB_SAVEMEMORYFORHOTUPDATE block);

  void TakePages(SavedBlock* block, uint64_t first_page, uint64_t pages);

  softgpu::TestBoard board_;
  std::vector<std::unique_ptr<softgpu::MappedFile>> functions_;
  std::vector<uint8_t> resources_;
  std::unique_ptr<Adapter> adapter_;
  std::vector<SavedBlock> blocks_;
  std::set<uint64_t> saved_pages_;
  bool page_saved_twice_ = false;
  int mapped_ = 0;
  int dpcs_ = 0;
};

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_TESTING_FAKE_HOST_H_
