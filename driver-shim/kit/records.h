#ifndef DRIVER_SHIM_KIT_RECORDS_H_
#define DRIVER_SHIM_KIT_RECORDS_H_

#include "driver-shim/kit/frame.h"

// How a frame may differ from what its reader was built for, and still be read
// (README.md, "Evolution"). The reader says in a table what it knows; one call
// judges the whole frame before anything of it is used.
//
// Freestanding C11: no allocation, no library.

#ifdef __cplusplus
extern "C" {
#endif

enum {
  BATON_KIT_REQUIRED = 1,  // a frame without this record is refused
  BATON_KIT_REPEATED = 2   // may occur more than once
};

// One type of record that a reader knows.
struct baton_kit_known {
  uint32_t type;
  uint16_t version;    // of records that it understands; others are unknown
  uint16_t flags;      // BATON_KIT_REQUIRED, BATON_KIT_REPEATED
  uint64_t bytes_min;  // a shorter payload is refused: the first version's size
};

// Judges every record of the opened frame. Does not move the reader.
// Returns BATON_KIT_OK, BATON_KIT_DAMAGED, or
//   BATON_KIT_UNKNOWN_RECORD   one is unknown, and not marked optional
//   BATON_KIT_MISSING_RECORD   a required one is not there
//   BATON_KIT_REPEATED_RECORD  one is there twice that may not be
//   BATON_KIT_SHORT_RECORD     one has less than its `bytes_min`
enum baton_kit_result baton_kit_check(const struct baton_kit_reader* frame,
                                      const struct baton_kit_known* known,
                                      uint32_t known_count);

// Gives the first record of that type and version. Does not move the reader.
// Returns BATON_KIT_OK, BATON_KIT_END when there is none, or
// BATON_KIT_DAMAGED.
enum baton_kit_result baton_kit_find(const struct baton_kit_reader* frame,
                                     uint32_t type, uint16_t version,
                                     struct baton_kit_record* record,
                                     const void** payload);

// Copies a payload into a structure of `bytes` bytes whose fields were only
// ever added at its end: fields that the payload does not have yet become 0,
// those that the structure does not have yet are left out. Returns the bytes
// that were copied.
uint64_t baton_kit_take(const struct baton_kit_record* record,
                        const void* payload, void* to, uint64_t bytes);

// Returns a result's name in lower case, for a log line.
const char* baton_kit_result_name(enum baton_kit_result result);

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_KIT_RECORDS_H_
