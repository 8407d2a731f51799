#include "driver-shim/kit/gather.h"

#include "driver-shim/kit/bytes.h"

// ---- pieces ----

void baton_kit_pieces_start(struct baton_kit_pieces* pieces,
                            struct baton_kit_piece* array, uint32_t room) {
  pieces->piece = array;
  pieces->room = room;
  pieces->count = 0;
  pieces->bytes = 0;
  pieces->failed = 0;
}

void baton_kit_add_piece(struct baton_kit_pieces* pieces, void* at,
                         uint64_t bytes) {
  if (bytes == 0) return;
  if (pieces->bytes + bytes < bytes) {
    pieces->failed = 1;
    return;
  }
  struct baton_kit_piece* last =
      pieces->count > 0 ? &pieces->piece[pieces->count - 1] : NULL;
  if (last != NULL && (uint8_t*)last->at + last->bytes == (uint8_t*)at) {
    last->bytes += bytes;
  } else if (pieces->count < pieces->room) {
    pieces->piece[pieces->count].at = at;
    pieces->piece[pieces->count].bytes = bytes;
    pieces->count += 1;
  } else {
    pieces->failed = 1;
    return;
  }
  pieces->bytes += bytes;
}

uint64_t baton_kit_gather(const struct baton_kit_pieces* pieces, void* to,
                          uint64_t room) {
  if (pieces->failed || pieces->bytes > room) return 0;
  uint8_t* out = (uint8_t*)to;
  for (uint32_t i = 0; i < pieces->count; ++i) {
    baton_kit_copy_bytes(out, pieces->piece[i].at, pieces->piece[i].bytes);
    out += pieces->piece[i].bytes;
  }
  return pieces->bytes;
}

uint32_t baton_kit_scatter(const struct baton_kit_pieces* pieces,
                           const void* from, uint64_t bytes) {
  if (pieces->failed || pieces->bytes != bytes) return 0;
  const uint8_t* in = (const uint8_t*)from;
  for (uint32_t i = 0; i < pieces->count; ++i) {
    baton_kit_copy_bytes(pieces->piece[i].at, in, pieces->piece[i].bytes);
    in += pieces->piece[i].bytes;
  }
  return 1;
}

void baton_kit_write_pieces(struct baton_kit_writer* writer,
                            struct baton_kit_record record,
                            const struct baton_kit_pieces* pieces) {
  uint64_t room = 0;
  record.bytes = pieces->bytes;
  void* to = baton_kit_begin(writer, record, &room);
  if (to == NULL || pieces->failed || pieces->bytes > room) {
    writer->failed = 1;
    return;
  }
  baton_kit_gather(pieces, to, room);
  baton_kit_end(writer, pieces->bytes);
}

// ---- pages ----

void baton_kit_pages_start(struct baton_kit_pages* pages,
                           DXGK_KSR_MEMORY_RANGE* array, uint32_t room) {
  pages->range = array;
  pages->room = room;
  pages->count = 0;
  pages->failed = 0;
}

// Whether any of the pages is in a range already.
static uint32_t is_there(const struct baton_kit_pages* pages,
                         uint64_t first_page, uint64_t count) {
  for (uint32_t i = 0; i < pages->count; ++i) {
    const uint64_t first = BatonKsrFirstPage(pages->range[i]);
    if (first_page < first + BatonKsrPages(pages->range[i]) &&
        first < first_page + count) {
      return 1;
    }
  }
  return 0;
}

// Lengthens the last range by as many of the pages as it can take.
static uint64_t lengthen(struct baton_kit_pages* pages, uint64_t first_page,
                         uint64_t count) {
  if (pages->count == 0) return 0;
  DXGK_KSR_MEMORY_RANGE* last = &pages->range[pages->count - 1];
  const uint64_t first = BatonKsrFirstPage(*last);
  const uint64_t has = BatonKsrPages(*last);
  if (first + has != first_page) return 0;
  const uint64_t room = BATON_KSR_PAGES_MAX - has;
  const uint64_t taken = count < room ? count : room;
  *last = BatonKsrRange(first, has + taken);
  return taken;
}

void baton_kit_add_pages(struct baton_kit_pages* pages, uint64_t first_page,
                         uint64_t count) {
  if (pages->failed || count == 0) return;
  if (first_page > BATON_KSR_FIRST_PAGE_MAX ||
      count - 1 > BATON_KSR_FIRST_PAGE_MAX - first_page ||
      is_there(pages, first_page, count)) {
    pages->failed = 1;
    return;
  }
  const uint64_t taken = lengthen(pages, first_page, count);
  first_page += taken;
  count -= taken;
  while (count > 0 && pages->count < pages->room) {
    const uint64_t part =
        count < BATON_KSR_PAGES_MAX ? count : BATON_KSR_PAGES_MAX;
    pages->range[pages->count] = BatonKsrRange(first_page, part);
    pages->count += 1;
    first_page += part;
    count -= part;
  }
  if (count > 0) pages->failed = 1;
}

// ---- blocks ----

static void start_block(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block, void* metadata,
                        uint32_t metadata_bytes) {
  block->NumDataMemoryRanges = 0;
  block->pDataMemoryRanges = NULL;
  block->pDataMdl = NULL;
  block->DataSize = 0;
  block->pData = NULL;
  // Either both or neither: the host refuses an address without a size.
  block->MetaDataSize = metadata != NULL ? metadata_bytes : 0;
  block->pMetaData = metadata_bytes != 0 ? (BYTE*)metadata : NULL;
}

uint32_t baton_kit_block_of_data(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block,
                                 void* data, uint64_t bytes, void* metadata,
                                 uint32_t metadata_bytes) {
  start_block(block, metadata, metadata_bytes);
  if (data == NULL || bytes == 0 || bytes > UINT32_MAX) return 0;
  block->pData = data;
  block->DataSize = (UINT)bytes;
  return 1;
}

uint32_t baton_kit_block_of_list(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block,
                                 PMDL list, void* metadata,
                                 uint32_t metadata_bytes) {
  start_block(block, metadata, metadata_bytes);
  if (list == NULL || MmGetMdlByteCount(list) == 0) return 0;
  block->pDataMdl = list;
  return 1;
}

uint32_t baton_kit_block_of_pages(DXGKARGCB_SAVEMEMORYFORHOTUPDATE* block,
                                  const struct baton_kit_pages* pages,
                                  void* metadata, uint32_t metadata_bytes) {
  start_block(block, metadata, metadata_bytes);
  if (pages->failed || pages->count == 0) return 0;
  block->NumDataMemoryRanges = pages->count;
  block->pDataMemoryRanges = pages->range;
  return 1;
}
