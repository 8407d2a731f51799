// The index of saved blocks, as it is read back after a crash: by the shim,
// which checks it against memory, then by the next driver's host, which maps
// it. The first byte of the input chooses between bytes as they are, bytes
// under a right checksum, and blocks that say anything about themselves.

#include <stdlib.h>
#include <sys/mman.h>

#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/digest.h"
#include "driver-shim/fuzz/input.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/rules.h"
#include "driver-shim/port/saved_state.h"

namespace baton::fuzz {
namespace {

using port::BlockIndex;
using port::kFirstPage;
using port::SavedBlock;

constexpr uint64_t kPages = 16;
constexpr size_t kRecordsAt = 40;  // behind the header, whose parts are:
constexpr size_t kUsedAt = 32;     // a digest, magic, state, blocks, used

// Two files that live as long as the process, without names.
class Memory {
 public:
  Memory() {
    std::string directory = "/dev/shm/baton-fuzz-XXXXXX";
    CHECK(mkdtemp(directory.data()) != nullptr);
    auto store = port::SavedStateStore::Create(directory, kPages * 4096);
    CHECK(store.ok());
    store_ = *std::move(store);
    index_ = Map(store_->index_fd(), BlockIndex::kBytes);
    memory_ = Map(store_->memory_fd(), kPages * 4096);
    store_->Remove();
    CHECK(rmdir(directory.c_str()) == 0);
  }

  std::byte* index() const { return index_; }
  std::byte* memory() const { return memory_; }
  port::SavedStateStore& store() const { return *store_; }

 private:
  static std::byte* Map(int fd, size_t bytes) {
    void* const at =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(at != MAP_FAILED);
    return static_cast<std::byte*>(at);
  }

  std::unique_ptr<port::SavedStateStore> store_;
  std::byte* index_ = nullptr;
  std::byte* memory_ = nullptr;
};

void MakeRight(std::byte* index) {
  uint64_t used = 0;
  std::memcpy(&used, index + kUsedAt, sizeof used);
  if (used > BlockIndex::kBytes - kRecordsAt) return;
  const Digest128 digest =
      Xxh3Of(index + sizeof digest, kRecordsAt - sizeof digest + used);
  std::memcpy(index, &digest, sizeof digest);
}

// Runs that are small now and then, so that something gets through.
uint64_t AnyPage(Input& input) {
  const uint8_t how = input.Take<uint8_t>();
  return how < 200 ? kFirstPage + how % (kPages + 1) : input.Take<uint64_t>();
}

uint64_t AnyBytes(Input& input) {
  const uint8_t how = input.Take<uint8_t>();
  return how < 128 ? input.Take<uint16_t>() : input.Take<uint64_t>();
}

bool IsInside(const SavedBlock& block) {
  for (const port::PageRun& run : block.runs) {
    const bool inside = run.pages > 0 && run.first >= kFirstPage &&
                        run.first - kFirstPage <= kPages &&
                        run.pages <= kPages - (run.first - kFirstPage);
    if (!inside) return false;
  }
  return !block.runs.empty() && block.byte_offset < 4096 && block.bytes > 0;
}

void WriteBlocks(Input& input, const Memory& memory) {
  BlockIndex index(memory.index());
  index.Begin();
  for (uint64_t left = input.Below(6); left > 0; --left) {
    SavedBlock block;
    block.kind = static_cast<port::BlockKind>(1 + input.Below(3));
    block.byte_offset = input.Take<uint16_t>();
    if (input.Below(4) != 0) block.byte_offset %= 4096;
    block.bytes = AnyBytes(input);
    for (uint64_t runs = input.Below(4); runs > 0; --runs) {
      block.runs.push_back({.first = AnyPage(input), .pages = 0});
      block.runs.back().pages =
          input.Below(8) != 0 ? input.Below(4) : input.Take<uint64_t>();
    }
    block.metadata = input.TakeString(input.Below(16));
    if (IsInside(block)) {
      block.digest = port::DigestOf(block, memory.memory(), kFirstPage);
    }
    CHECK(index.Append(block));
  }
  index.Seal();
}

// What the shim let pass, the next driver's host must be able to hand over.
void HandOver(const Memory& memory, const std::vector<SavedBlock>& blocks) {
  auto kernel = port::KernelMemory::Create(memory.store().memory_fd(),
                                           [](int, const std::string&) {});
  CHECK(kernel.ok());
  if (!(*kernel)->Reserve(blocks).ok()) return;
  std::set<uint64_t> pages;
  for (const SavedBlock& block : blocks) {
    MDL* const list = (*kernel)->Deliver(block);
    for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i) {
      CHECK(pages.insert(MmGetMdlPfnArray(list)[i]).second);
    }
    CHECK(!port::CheckList(*list, block).has_value());
    const auto* const bytes = static_cast<char*>((*kernel)->MapPages(list));
    CHECK(bytes != nullptr);
    volatile char read = bytes[0];
    read = bytes[block.bytes - 1];
    static_cast<void>(read);
  }
}

}  // namespace
}  // namespace baton::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  static const auto& memory = *new baton::fuzz::Memory;
  static size_t dirty = 0;
  std::memset(memory.index(), 0, dirty);
  baton::fuzz::Input input(data, bytes);
  const uint8_t how = input.Take<uint8_t>() % 4;
  dirty = std::min(input.left() + 4096, baton::port::BlockIndex::kBytes);
  if (how < 2) {
    const size_t size = std::min(input.left(), dirty);
    if (size > 0) std::memcpy(memory.index(), input.data(), size);
    if (how == 1) baton::fuzz::MakeRight(memory.index());
  } else {
    baton::fuzz::WriteBlocks(input, memory);
  }
  if (!memory.store().Check().ok()) return 0;
  const auto blocks = baton::port::BlockIndex(memory.index()).Read();
  CHECK(blocks.ok());
  for (const auto& block : *blocks) {
    CHECK(block.bytes <= baton::port::PageCount(block) * 4096);
  }
  baton::fuzz::HandOver(memory, *blocks);
  return 0;
}
