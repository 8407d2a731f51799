#include "driver-shim/softgpu/guest/model.h"

#include <sys/mman.h>

#include <bit>
#include <cstring>

#include "base/check.h"

namespace baton::softgpu {
namespace {

constexpr uint64_t kBytesMin = 256;
constexpr uint64_t kBytesMax = 2048;

uint8_t* Reserve(uint64_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(memory != MAP_FAILED);
  return static_cast<uint8_t*>(memory);
}

}  // namespace

Model::Model(uint64_t window_bytes, uint64_t seed)
    : shadow_(Reserve(window_bytes)),
      window_bytes_(window_bytes),
      dice_(seed) {}

Model::~Model() { munmap(shadow_, window_bytes_); }

void Model::SetWorkingSet(uint64_t offset, uint64_t bytes) {
  CHECK(bytes >= 32768 && bytes % 4096 == 0);
  results_ = offset;
  results_bytes_ = bytes / 4;
  work_ = offset + results_bytes_;
  work_bytes_ = bytes - results_bytes_;
}

softgpu_command Model::Next(uint32_t index) {
  softgpu_command command = {};
  const uint64_t bytes =
      kBytesMin + dice_.Below((kBytesMax - kBytesMin) / 8 + 1) * 8;
  command.bytes = static_cast<uint32_t>(bytes);
  command.value = dice_.Bits();
  const uint64_t result = results_ + uint64_t{index} * 8 % results_bytes_;
  const uint64_t kind = dice_.Below(16);
  if (kind < 6) {
    command.opcode = SOFTGPU_FILL;
    command.dst = Place(bytes);
  } else if (kind < 10) {
    command.opcode = SOFTGPU_COPY;
    command.dst = Place(bytes);
    do {
      command.src = Place(bytes);
    } while (command.src < command.dst + bytes &&
             command.dst < command.src + bytes);
  } else if (kind < 15) {
    command.opcode = SOFTGPU_HASH;
    command.src = Place(bytes);
    command.dst = result;
  } else {
    command.opcode = SOFTGPU_FENCE;
    command.bytes = 0;
    command.value = ++fence_;
    command.dst = result;
  }
  Apply(command);
  return command;
}

uint64_t Model::Place(uint64_t bytes) {
  return work_ + dice_.Below((work_bytes_ - bytes) / 8 + 1) * 8;
}

void Model::Apply(const softgpu_command& command) {
  auto* const words = reinterpret_cast<uint64_t*>(shadow_);
  const uint64_t count = command.bytes / 8;
  uint64_t* const dst = words + command.dst / 8;
  const uint64_t* const src = words + command.src / 8;
  switch (command.opcode) {
    case SOFTGPU_FILL:
      for (uint64_t i = 0; i < count; ++i) dst[i] = command.value;
      return;
    case SOFTGPU_COPY:
      for (uint64_t i = 0; i < count; ++i) dst[i] = src[i];
      return;
    case SOFTGPU_HASH:
      for (uint64_t i = 0; i < count; ++i) {
        chain_ =
            std::rotl(chain_ ^ src[i], 27) * 0x9e3779b97f4a7c15u + 0x52dce729u;
      }
      *dst = chain_;
      return;
    case SOFTGPU_FENCE:
      *dst = command.value;
      return;
  }
}

bool Model::Check(const uint8_t* window, uint64_t offset, uint64_t bytes) {
  if (std::memcmp(window + offset, shadow_ + offset, bytes) == 0) return true;
  std::memcpy(shadow_ + offset, window + offset, bytes);
  return false;
}

Written WrittenBy(const softgpu_command& command) {
  const bool one_word =
      command.opcode == SOFTGPU_HASH || command.opcode == SOFTGPU_FENCE;
  return {command.dst, one_word ? 8 : command.bytes};
}

}  // namespace baton::softgpu
