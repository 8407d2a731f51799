#include "driver-shim/softgpu/execute.h"

#include <cstring>

#include "driver-shim/softgpu/doorbell.h"

namespace baton::softgpu {
namespace {

bool Inside(uint64_t offset, uint64_t bytes, const Window& window) {
  return offset % 8 == 0 && bytes % 8 == 0 && bytes <= window.bytes &&
         offset <= window.bytes - bytes;
}

bool Overlap(uint64_t a, uint64_t b, uint64_t bytes) {
  return a < b + bytes && b < a + bytes;
}

uint64_t GoOn(uint64_t chain, const uint8_t* from, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes; at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, from + at, 8);
    chain ^= word;
    chain = ((chain << 27) | (chain >> 37)) * 0x9e3779b97f4a7c15u + 0x52dce729u;
  }
  return chain;
}

}  // namespace

uint32_t Check(const softgpu_command& command, const Window& window,
               const softgpu_context* contexts) {
  if (command.context >= SOFTGPU_CONTEXTS ||
      softgpu_read32(&contexts[command.context].valid) == 0 ||
      softgpu_read32(&contexts[command.context].tag) != command.context_tag) {
    return SOFTGPU_FAULT_CONTEXT;
  }
  switch (command.opcode) {
    case SOFTGPU_FILL:
      return Inside(command.dst, command.bytes, window) ? SOFTGPU_FAULT_NONE
                                                        : SOFTGPU_FAULT_BOUNDS;
    case SOFTGPU_COPY:
      return Inside(command.dst, command.bytes, window) &&
                     Inside(command.src, command.bytes, window) &&
                     !Overlap(command.dst, command.src, command.bytes)
                 ? SOFTGPU_FAULT_NONE
                 : SOFTGPU_FAULT_BOUNDS;
    case SOFTGPU_HASH:
      return Inside(command.src, command.bytes, window) &&
                     Inside(command.dst, 8, window)
                 ? SOFTGPU_FAULT_NONE
                 : SOFTGPU_FAULT_BOUNDS;
    case SOFTGPU_FENCE:
      return Inside(command.dst, 8, window) ? SOFTGPU_FAULT_NONE
                                            : SOFTGPU_FAULT_BOUNDS;
  }
  return SOFTGPU_FAULT_OPCODE;
}

void Execute(const softgpu_command& command, const Window& window,
             uint64_t* chain, uint64_t* fence) {
  uint8_t* const dst = window.vram + command.dst;
  switch (command.opcode) {
    case SOFTGPU_FILL:
      for (uint64_t at = 0; at < command.bytes; at += 8) {
        std::memcpy(dst + at, &command.value, 8);
      }
      break;
    case SOFTGPU_COPY:
      std::memcpy(dst, window.vram + command.src, command.bytes);
      break;
    case SOFTGPU_HASH:
      *chain = GoOn(*chain, window.vram + command.src, command.bytes);
      std::memcpy(dst, chain, 8);
      break;
    case SOFTGPU_FENCE:
      softgpu_write64(fence, command.value);
      std::memcpy(dst, &command.value, 8);
      break;
  }
}

}  // namespace baton::softgpu
