#ifndef DRIVER_SHIM_KIT_GATHER_H_
#define DRIVER_SHIM_KIT_GATHER_H_

#include "driver-shim/ddi/hot_update.h"
#include "driver-shim/kit/frame.h"

// Saves a structure that lies in many places: collect its pieces, or its pages,
// then make one record or one block of them. All arrays are the caller's.
//
// Freestanding C11: no allocation, no library.

#ifdef __cplusplus
extern "C" {
#endif

// ---- pieces: small parts, which are copied together ----

struct baton_kit_piece {
  void* at;
  uint64_t bytes;
};

struct baton_kit_pieces {
  struct baton_kit_piece* piece;
  uint32_t room;
  uint32_t count;
  uint64_t bytes;   // of all pieces
  uint32_t failed;  // stays 1 once a piece did not fit
};

void baton_kit_pieces_start(struct baton_kit_pieces* pieces,
                            struct baton_kit_piece* array, uint32_t room);

// Adds a part. One right behind the last one lengthens it.
void baton_kit_add_piece(struct baton_kit_pieces* pieces, void* at,
                         uint64_t bytes);

// Copies all pieces one after the other to `to`. Returns their bytes, or 0 when
// they do not fit into `room`, or not all could be added.
uint64_t baton_kit_gather(const struct baton_kit_pieces* pieces, void* to,
                          uint64_t room);

// The way back: fills the pieces from `from`. Returns 1, or 0 when `bytes` is
// not what the pieces have together; then nothing is touched.
uint32_t baton_kit_scatter(const struct baton_kit_pieces* pieces,
                           const void* from, uint64_t bytes);

// Writes a whole record whose payload are the pieces; `record.bytes` is set
// here.
void baton_kit_write_pieces(struct baton_kit_writer* writer,
                            struct baton_kit_record record,
                            const struct baton_kit_pieces* pieces);

// ---- pages: large parts, which stay where they are ----

struct baton_kit_pages {
  DXGK_KSR_MEMORY_RANGE* range;
  uint32_t room;
  uint32_t count;
  uint32_t failed;  // stays 1 once pages did not fit, or were not to be saved
};

void baton_kit_pages_start(struct baton_kit_pages* pages,
                           DXGK_KSR_MEMORY_RANGE* array, uint32_t room);

// Adds pages by number. Pages right behind the last range lengthen it, as far
// as a range can be; more than one range holds are split. Fails on a page
// number that a range cannot hold, and on a page that is there already (R4,
// within this block).
void baton_kit_add_pages(struct baton_kit_pages* pages, uint64_t first_page,
                         uint64_t count);

// ---- blocks: the argument of DxgkCbSaveMemoryForHotUpdate ----

// Each fills in a block of one form (R3) and returns 1, or 0 when it would be
// one that the host refuses: nothing in it, too large, or a part failed before.
// `metadata` may be null; what is pointed to must live until the callback
// returns.
uint32_t baton_kit_block_of_data(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block,
                                 void* data, uint64_t bytes, void* metadata,
                                 uint32_t metadata_bytes);
uint32_t baton_kit_block_of_list(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block,
                                 PMDL list, void* metadata,
                                 uint32_t metadata_bytes);
uint32_t baton_kit_block_of_pages(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block,
                                  const struct baton_kit_pages* pages,
                                  void* metadata, uint32_t metadata_bytes);

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_KIT_GATHER_H_
