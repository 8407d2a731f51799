#include "driver-shim/kit/frame.h"

#include <stddef.h>

#include "driver-shim/kit/bytes.h"

static uint64_t padded(uint64_t bytes) { return (bytes + 7) & ~(uint64_t)7; }

static uint64_t word_at(const uint8_t* bytes) {
  uint64_t word = 0;
  baton_kit_copy_bytes(&word, bytes, sizeof(word));
  return word;
}

// Of whole words. Guests stand still while it is taken: a word at a time, and
// not a byte. A word that differs always tells, since each step can be undone.
static uint64_t checksum_of(const uint8_t* frame, uint64_t bytes) {
  const uint64_t skip = offsetof(struct baton_kit_header, checksum);
  uint64_t sum = 0xcbf29ce484222325u;
  for (uint64_t i = 0; i < bytes; i += 8) {
    const uint64_t word = i == skip ? 0 : word_at(frame + i);
    sum = (sum ^ word) * 0x100000001b3u;
    // Else the highest bits of two words could change without a trace.
    sum ^= sum >> 32;
  }
  return sum;
}

void baton_kit_start(struct baton_kit_writer* writer, void* buffer,
                     uint64_t room, uint16_t kind) {
  writer->buffer = (uint8_t*)buffer;
  writer->room = room;
  writer->at = sizeof(struct baton_kit_header);
  writer->records = 0;
  writer->in_record = 0;
  writer->failed = room < sizeof(struct baton_kit_header);
  if (writer->failed) return;
  const struct baton_kit_header header = {
      .magic = BATON_KIT_MAGIC, .format = BATON_KIT_FORMAT, .kind = kind};
  baton_kit_copy_bytes(buffer, &header, sizeof(header));
}

void* baton_kit_begin(struct baton_kit_writer* writer,
                      struct baton_kit_record record, uint64_t* room_left) {
  if (writer->failed || writer->in_record ||
      writer->room - writer->at < sizeof(record)) {
    writer->failed = 1;
    return NULL;
  }
  baton_kit_copy_bytes(writer->buffer + writer->at, &record, sizeof(record));
  writer->in_record = 1;
  // Room for the padding, too.
  *room_left = (writer->room - writer->at - sizeof(record)) & ~(uint64_t)7;
  return writer->buffer + writer->at + sizeof(record);
}

void baton_kit_end(struct baton_kit_writer* writer, uint64_t bytes) {
  const uint64_t payload = writer->at + sizeof(struct baton_kit_record);
  if (writer->failed || !writer->in_record || bytes > writer->room - payload ||
      padded(bytes) > writer->room - payload) {
    writer->failed = 1;
    return;
  }
  struct baton_kit_record record;
  baton_kit_copy_bytes(&record, writer->buffer + writer->at, sizeof(record));
  record.bytes = bytes;
  baton_kit_copy_bytes(writer->buffer + writer->at, &record, sizeof(record));
  baton_kit_clear_bytes(writer->buffer + payload + bytes,
                        padded(bytes) - bytes);
  writer->at = payload + padded(bytes);
  writer->records += 1;
  writer->in_record = 0;
}

void baton_kit_write(struct baton_kit_writer* writer,
                     struct baton_kit_record record, const void* payload) {
  uint64_t room = 0;
  void* to = baton_kit_begin(writer, record, &room);
  if (to == NULL || record.bytes > room) {
    writer->failed = 1;
    return;
  }
  baton_kit_copy_bytes(to, payload, record.bytes);
  baton_kit_end(writer, record.bytes);
}

uint64_t baton_kit_finish(struct baton_kit_writer* writer) {
  if (writer->failed || writer->in_record) return 0;
  struct baton_kit_header header;
  baton_kit_copy_bytes(&header, writer->buffer, sizeof(header));
  header.bytes = writer->at;
  header.records = writer->records;
  baton_kit_copy_bytes(writer->buffer, &header, sizeof(header));
  header.checksum = checksum_of(writer->buffer, writer->at);
  baton_kit_copy_bytes(writer->buffer, &header, sizeof(header));
  return writer->at;
}

enum baton_kit_result baton_kit_open(struct baton_kit_reader* reader,
                                     const void* buffer, uint64_t bytes) {
  struct baton_kit_header header;
  if (bytes < sizeof(header)) return BATON_KIT_TRUNCATED;
  baton_kit_copy_bytes(&header, buffer, sizeof(header));
  if (header.magic != BATON_KIT_MAGIC) return BATON_KIT_NOT_A_FRAME;
  if (header.format != BATON_KIT_FORMAT) return BATON_KIT_TOO_NEW;
  if (header.bytes > bytes) return BATON_KIT_TRUNCATED;
  if (header.bytes < sizeof(header) || header.bytes % 8 != 0 ||
      checksum_of((const uint8_t*)buffer, header.bytes) != header.checksum) {
    return BATON_KIT_DAMAGED;
  }
  reader->buffer = (const uint8_t*)buffer;
  reader->bytes = header.bytes;
  reader->at = sizeof(header);
  reader->left = header.records;
  reader->kind = header.kind;
  return BATON_KIT_OK;
}

enum baton_kit_result baton_kit_next(struct baton_kit_reader* reader,
                                     struct baton_kit_record* record,
                                     const void** payload) {
  if (reader->left == 0) {
    return reader->at == reader->bytes ? BATON_KIT_END : BATON_KIT_DAMAGED;
  }
  // Lengths are checked although the checksum held: a checksum is no signature.
  const uint64_t room = reader->bytes - reader->at;
  if (room < sizeof(*record)) return BATON_KIT_DAMAGED;
  baton_kit_copy_bytes(record, reader->buffer + reader->at, sizeof(*record));
  if (record->bytes > room - sizeof(*record) ||
      padded(record->bytes) > room - sizeof(*record)) {
    return BATON_KIT_DAMAGED;
  }
  *payload = reader->buffer + reader->at + sizeof(*record);
  reader->at += sizeof(*record) + padded(record->bytes);
  reader->left -= 1;
  return BATON_KIT_OK;
}
