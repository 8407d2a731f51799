// What a virtual GPU is carried by, in two formats:
//
//   1  header, registers, configuration space, memory in one piece
//   2  header, memory in tiles of 64 KiB each behind its number, configuration
//      space, registers
//
// Version 1 knows format 1. Version 2 reads both, and writes what it is built
// to write: 1, so that there is a way back, or 2.

#include <linux/crc32.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "bgpu.h"
#include "build.h"
#include "device.h"

#define TILE_BYTES 65536u

struct header {
  u32 magic;
  u32 format;
  u64 memory_bytes;
  u64 stream_bytes;  // header and all
  u32 checksum;      // CRC-32 of all behind the header
  u32 reserved;
};

static u8* put(u8* to, const void* from, size_t bytes) {
  memcpy(to, from, bytes);
  return to + bytes;
}

static u8* put_memory(const struct bgpu_device* gpu, u8* to, size_t offset,
                      size_t bytes) {
  bgpu_memory_read(gpu, offset, to, bytes);
  return to + bytes;
}

static size_t stream_bytes(const struct bgpu_device* gpu, u32 format) {
  size_t bytes = sizeof(struct header) + sizeof(struct bgpu_registers) +
                 BGPU_CONFIG_BYTES + gpu->memory_bytes;
  if (format == 2) bytes += gpu->memory_bytes / TILE_BYTES * sizeof(u32);
  return bytes;
}

size_t bgpu_stream_bytes_max(const struct bgpu_device* gpu) {
  return stream_bytes(gpu, BGPU_MAJOR);
}

#if BGPU_MAJOR >= 2
static const u8* take_tiles(struct bgpu_device* gpu, const u8* from) {
  u32 i, number;

  for (i = 0; i < gpu->memory_bytes / TILE_BYTES; i++) {
    memcpy(&number, from, sizeof(number));
    bgpu_memory_write(gpu, (size_t)number * TILE_BYTES, from + sizeof(number),
                      TILE_BYTES);
    from += sizeof(number) + TILE_BYTES;
  }
  return from;
}

static bool tiles_are_in_order(const struct bgpu_device* gpu, const u8* from) {
  u32 i, number;

  for (i = 0; i < gpu->memory_bytes / TILE_BYTES; i++) {
    memcpy(&number, from, sizeof(number));
    if (number != i) return false;
    from += sizeof(number) + TILE_BYTES;
  }
  return true;
}
#endif

#if BGPU_WRITES == 2
static u8* put_tiles(const struct bgpu_device* gpu, u8* to) {
  u32 i;

  for (i = 0; i < gpu->memory_bytes / TILE_BYTES; i++) {
    to = put(to, &i, sizeof(i));
    to = put_memory(gpu, to, (size_t)i * TILE_BYTES, TILE_BYTES);
  }
  return to;
}
#endif

size_t bgpu_stream_write(const struct bgpu_device* gpu, u8* to) {
  u8* const body = to + sizeof(struct header);
  struct header header = {.magic = BGPU_MAGIC,
                          .format = BGPU_WRITES,
                          .memory_bytes = gpu->memory_bytes,
                          .stream_bytes = stream_bytes(gpu, BGPU_WRITES)};
  struct bgpu_registers registers;
  u8* at = body;

  bgpu_state_registers(gpu->state, &registers);
#if BGPU_WRITES == 1
  at = put(at, &registers, sizeof(registers));
  at = put(at, gpu->config, sizeof(gpu->config));
  at = put_memory(gpu, at, 0, gpu->memory_bytes);
#else
  at = put_tiles(gpu, at);
  at = put(at, gpu->config, sizeof(gpu->config));
  at = put(at, &registers, sizeof(registers));
#endif
  header.checksum = crc32_le(~0, body, at - body);
  put(to, &header, sizeof(header));
  return at - to;
}

static int check(const struct bgpu_device* gpu, const u8* from, size_t bytes,
                 struct header* header) {
  if (bytes < sizeof(*header)) return -EINVAL;
  memcpy(header, from, sizeof(*header));
  if (header->magic != BGPU_MAGIC) return -EINVAL;
  if (header->format < 1 || header->format > BGPU_MAJOR) return -EOPNOTSUPP;
  if (header->memory_bytes != gpu->memory_bytes) return -EINVAL;
  if (header->stream_bytes != bytes ||
      bytes != stream_bytes(gpu, header->format))
    return -EINVAL;
  from += sizeof(*header);
  if (crc32_le(~0, from, bytes - sizeof(*header)) != header->checksum)
    return -EBADMSG;
#if BGPU_MAJOR >= 2
  if (header->format == 2 && !tiles_are_in_order(gpu, from)) return -EINVAL;
#endif
  return 0;
}

int bgpu_stream_read(struct bgpu_device* gpu, const u8* from, size_t bytes) {
  struct bgpu_registers registers;
  struct header header;
  const int error = check(gpu, from, bytes, &header);

  if (error) {
    pr_warn("bgpu: a stream of %zu bytes is refused: %d\n", bytes, error);
    return error;
  }
  // Nothing below this line can fail.
  from += sizeof(header);
  if (header.format == 1) {
    memcpy(&registers, from, sizeof(registers));
    memcpy(gpu->config, from + sizeof(registers), sizeof(gpu->config));
    bgpu_memory_write(gpu, 0, from + sizeof(registers) + sizeof(gpu->config),
                      gpu->memory_bytes);
  }
#if BGPU_MAJOR >= 2
  if (header.format == 2) {
    from = take_tiles(gpu, from);
    memcpy(gpu->config, from, sizeof(gpu->config));
    memcpy(&registers, from + sizeof(gpu->config), sizeof(registers));
  }
#endif
  bgpu_state_set_registers(gpu->state, &registers);
  return 0;
}
