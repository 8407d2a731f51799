#include "driver-shim/port/bars.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::port {
namespace {

// Far above the host's memory. Each register begins at a multiple of 64 GiB.
constexpr uint64_t kFirstAddress = uint64_t{1} << 40;
constexpr uint64_t kAddressStride = uint64_t{1} << 36;

}  // namespace

Bars::~Bars() {
  for (const Mapped& bar : bars_) munmap(bar.data, bar.bytes);
}

absl::Status Bars::Open(const std::vector<Bar>& bars) {
  for (const Bar& bar : bars) {
    const int fd = open(bar.path.c_str(), O_RDWR | O_CLOEXEC);
    void* const data = fd < 0 ? MAP_FAILED
                              : mmap(nullptr, bar.bytes, PROT_READ | PROT_WRITE,
                                     MAP_SHARED, fd, 0);
    if (fd >= 0) close(fd);
    if (data == MAP_FAILED) {
      return ErrorWithReason(
          absl::StatusCode::kUnavailable, "DEVICE_GONE",
          absl::StrCat("cannot map ", bar.bytes, " bytes of '", bar.path, "'"));
    }
    bars_.push_back(
        {.data = static_cast<std::byte*>(data),
         .bytes = bar.bytes,
         .physical_address = kFirstAddress + bars_.size() * kAddressStride});
  }
  Describe();
  return absl::OkStatus();
}

void Bars::Describe() {
  const size_t bytes = sizeof(CM_RESOURCE_LIST) +
                       bars_.size() * sizeof(CM_PARTIAL_RESOURCE_DESCRIPTOR);
  resources_.assign((bytes + 7) / 8, 0);
  resources()->Count = 1;
  CM_PARTIAL_RESOURCE_LIST& list = resources()->List[0].PartialResourceList;
  list.Version = 1;
  list.Revision = 1;
  list.Count = static_cast<ULONG>(bars_.size());
  for (size_t i = 0; i < bars_.size(); ++i) {
    CM_PARTIAL_RESOURCE_DESCRIPTOR& bar = list.PartialDescriptors[i];
    const bool large = bars_[i].bytes > 0xffffffff;
    bar.Type = large ? CmResourceTypeMemoryLarge : CmResourceTypeMemory;
    bar.Flags = large ? CM_RESOURCE_MEMORY_LARGE_40 : 0;
    bar.u.Memory.Start.QuadPart =
        static_cast<LONGLONG>(bars_[i].physical_address);
    bar.u.Memory.Length =
        static_cast<ULONG>(large ? bars_[i].bytes >> 8 : bars_[i].bytes);
  }
}

void* Bars::Map(uint64_t physical_address, uint64_t bytes) const {
  for (const Mapped& bar : bars_) {
    if (physical_address < bar.physical_address) continue;
    const uint64_t offset = physical_address - bar.physical_address;
    if (offset < bar.bytes && bytes <= bar.bytes - offset) {
      return bar.data + offset;
    }
  }
  return nullptr;
}

bool Bars::IsMapped(const void* address) const {
  const auto* const at = static_cast<const std::byte*>(address);
  for (const Mapped& bar : bars_) {
    if (at >= bar.data && at < bar.data + bar.bytes) return true;
  }
  return false;
}

void Bars::LockVram() {
  if (bars_.size() <= kVram) return;
  mprotect(bars_[kVram].data, bars_[kVram].bytes, PROT_READ);
}

void Bars::UnlockVram() {
  if (bars_.size() <= kVram) return;
  mprotect(bars_[kVram].data, bars_[kVram].bytes, PROT_READ | PROT_WRITE);
}

bool Bars::IsVram(uint64_t address) const {
  if (bars_.size() <= kVram) return false;
  const auto begin = reinterpret_cast<uint64_t>(bars_[kVram].data);
  return address >= begin && address - begin < bars_[kVram].bytes;
}

}  // namespace baton::port
