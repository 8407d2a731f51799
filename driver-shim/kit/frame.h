#ifndef DRIVER_SHIM_KIT_FRAME_H_
#define DRIVER_SHIM_KIT_FRAME_H_

#include <stdint.h>

// Frames saved state so that another version of a driver can read it: a header
// with a checksum, then records, each with a type, a version and a length. A
// reader takes the records that it knows, skips unknown ones that are optional,
// and refuses a frame with unknown ones that are not.
//
// Freestanding C11: no allocation, no library. Frames are little-endian; every
// payload starts at a multiple of 8 from the start of the frame.

#ifdef __cplusplus
extern "C" {
#endif

enum {
  BATON_KIT_MAGIC = 0x54494b42,  // "BKIT"
  BATON_KIT_FORMAT = 2
};

struct baton_kit_header {
  uint32_t magic;
  uint16_t format;
  uint16_t kind;   // the driver's own: what the frame is about
  uint64_t bytes;  // of the whole frame, this header included; of 8 a multiple
  uint32_t records;
  uint32_t reserved;
  uint64_t checksum;  // FNV-1a of the frame's words, this one 0; see frame.c
};

enum { BATON_KIT_OPTIONAL = 1 };

struct baton_kit_record {
  uint32_t type;
  uint16_t version;
  uint16_t flags;
  uint64_t bytes;  // of the payload, without its padding
};

// Where the first payload of a frame lies: a driver can keep its state there
// all the time, and frame it without moving it.
enum {
  BATON_KIT_FIRST_PAYLOAD =
      sizeof(struct baton_kit_header) + sizeof(struct baton_kit_record)
};

// ---- writing ----

struct baton_kit_writer {
  uint8_t* buffer;
  uint64_t room;
  uint64_t at;  // end of the last finished record
  uint32_t records;
  uint32_t in_record;  // 1 between begin and end
  uint32_t failed;     // stays 1 once anything did not fit
};

// `buffer` is aligned to 8 and has `room` bytes.
void baton_kit_start(struct baton_kit_writer* writer, void* buffer,
                     uint64_t room, uint16_t kind);

// Returns where the record's payload goes, `room_left` bytes at most, or a null
// pointer when there is no room. Does not touch the payload.
void* baton_kit_begin(struct baton_kit_writer* writer,
                      struct baton_kit_record record, uint64_t* room_left);

// Ends the record that was begun: its payload has `bytes` bytes.
void baton_kit_end(struct baton_kit_writer* writer, uint64_t bytes);

// Writes a whole record, copying `record.bytes` bytes from `payload`.
void baton_kit_write(struct baton_kit_writer* writer,
                     struct baton_kit_record record, const void* payload);

// Returns the bytes of the frame, or 0 when anything did not fit.
uint64_t baton_kit_finish(struct baton_kit_writer* writer);

// ---- reading ----

enum baton_kit_result {
  BATON_KIT_OK = 0,
  BATON_KIT_END = 1,  // no further record
  BATON_KIT_NOT_A_FRAME = 2,
  BATON_KIT_TOO_NEW = 3,  // of a format that this reader does not know
  BATON_KIT_TRUNCATED = 4,
  BATON_KIT_DAMAGED = 5,  // checksum or lengths do not agree
  // Of records.h: the frame is whole, but not one for this reader.
  BATON_KIT_UNKNOWN_RECORD = 6,
  BATON_KIT_MISSING_RECORD = 7,
  BATON_KIT_REPEATED_RECORD = 8,
  BATON_KIT_SHORT_RECORD = 9
};

struct baton_kit_reader {
  const uint8_t* buffer;
  uint64_t bytes;
  uint64_t at;
  uint32_t left;
  uint16_t kind;
};

// Checks the whole frame at `buffer`, aligned to 8, that lies in `bytes` bytes.
// Any bytes are safe to give.
enum baton_kit_result baton_kit_open(struct baton_kit_reader* reader,
                                     const void* buffer, uint64_t bytes);

// Gives the next record and where its payload lies, in the frame itself.
enum baton_kit_result baton_kit_next(struct baton_kit_reader* reader,
                                     struct baton_kit_record* record,
                                     const void** payload);

#ifdef __cplusplus
static_assert(sizeof(struct baton_kit_header) == 32, "frame header");
static_assert(sizeof(struct baton_kit_record) == 16, "record header");
#else
_Static_assert(sizeof(struct baton_kit_header) == 32, "frame header");
_Static_assert(sizeof(struct baton_kit_record) == 16, "record header");
#endif

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_KIT_FRAME_H_
