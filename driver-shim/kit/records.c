#include "driver-shim/kit/records.h"

#include <stddef.h>

#include "driver-shim/kit/bytes.h"

// Returns what is known of the record, or a null pointer.
static const struct baton_kit_known* known_as(
    const struct baton_kit_record* record, const struct baton_kit_known* known,
    uint32_t known_count) {
  for (uint32_t i = 0; i < known_count; ++i) {
    if (known[i].type == record->type && known[i].version == record->version) {
      return &known[i];
    }
  }
  return NULL;
}

// Counts records of one row; `result` says whether the frame could be read.
static uint32_t count_of(const struct baton_kit_reader* frame,
                         const struct baton_kit_known* row,
                         enum baton_kit_result* result) {
  struct baton_kit_reader reader = *frame;
  uint32_t count = 0;
  while (1) {
    struct baton_kit_record record;
    const void* payload = NULL;
    *result = baton_kit_next(&reader, &record, &payload);
    if (*result != BATON_KIT_OK) return count;
    if (record.type == row->type && record.version == row->version) ++count;
  }
}

enum baton_kit_result baton_kit_check(const struct baton_kit_reader* frame,
                                      const struct baton_kit_known* known,
                                      uint32_t known_count) {
  struct baton_kit_reader reader = *frame;
  enum baton_kit_result result = BATON_KIT_OK;
  while (1) {
    struct baton_kit_record record;
    const void* payload = NULL;
    result = baton_kit_next(&reader, &record, &payload);
    if (result != BATON_KIT_OK) break;
    const struct baton_kit_known* row = known_as(&record, known, known_count);
    if (row == NULL && (record.flags & BATON_KIT_OPTIONAL) == 0) {
      return BATON_KIT_UNKNOWN_RECORD;
    }
    if (row != NULL && record.bytes < row->bytes_min) {
      return BATON_KIT_SHORT_RECORD;
    }
  }
  if (result != BATON_KIT_END) return result;
  for (uint32_t i = 0; i < known_count; ++i) {
    const uint32_t count = count_of(frame, &known[i], &result);
    if (count == 0 && (known[i].flags & BATON_KIT_REQUIRED) != 0) {
      return BATON_KIT_MISSING_RECORD;
    }
    if (count > 1 && (known[i].flags & BATON_KIT_REPEATED) == 0) {
      return BATON_KIT_REPEATED_RECORD;
    }
  }
  return BATON_KIT_OK;
}

enum baton_kit_result baton_kit_find(const struct baton_kit_reader* frame,
                                     uint32_t type, uint16_t version,
                                     struct baton_kit_record* record,
                                     const void** payload) {
  struct baton_kit_reader reader = *frame;
  enum baton_kit_result result = BATON_KIT_OK;
  do {
    result = baton_kit_next(&reader, record, payload);
  } while (result == BATON_KIT_OK &&
           (record->type != type || record->version != version));
  return result;
}

uint64_t baton_kit_take(const struct baton_kit_record* record,
                        const void* payload, void* to, uint64_t bytes) {
  const uint64_t taken = record->bytes < bytes ? record->bytes : bytes;
  baton_kit_copy_bytes(to, payload, taken);
  baton_kit_clear_bytes((uint8_t*)to + taken, bytes - taken);
  return taken;
}

const char* baton_kit_result_name(enum baton_kit_result result) {
  switch (result) {
    case BATON_KIT_OK:
      return "ok";
    case BATON_KIT_END:
      return "no further record";
    case BATON_KIT_NOT_A_FRAME:
      return "not a frame";
    case BATON_KIT_TOO_NEW:
      return "of another format";
    case BATON_KIT_TRUNCATED:
      return "cut short";
    case BATON_KIT_DAMAGED:
      return "damaged";
    case BATON_KIT_UNKNOWN_RECORD:
      return "unknown record that is required";
    case BATON_KIT_MISSING_RECORD:
      return "required record is missing";
    case BATON_KIT_REPEATED_RECORD:
      return "record is there twice";
    case BATON_KIT_SHORT_RECORD:
      return "record is too short";
  }
  return "unknown";
}
