#include "driver-shim/kit/label.h"

#include "driver-shim/kit/records.h"

void baton_kit_write_label(struct baton_kit_writer* writer,
                           const struct baton_kit_label* label) {
  const struct baton_kit_record record = {.type = BATON_KIT_LABEL_RECORD,
                                          .version = BATON_KIT_LABEL_VERSION,
                                          .flags = BATON_KIT_OPTIONAL,
                                          .bytes = sizeof(*label)};
  baton_kit_write(writer, record, label);
}

enum baton_kit_result baton_kit_read_label(const void* metadata, uint64_t bytes,
                                           struct baton_kit_label* label) {
  struct baton_kit_reader frame;
  enum baton_kit_result result = baton_kit_open(&frame, metadata, bytes);
  if (result != BATON_KIT_OK) return result;
  struct baton_kit_record record;
  const void* payload;
  result = baton_kit_find(&frame, BATON_KIT_LABEL_RECORD,
                          BATON_KIT_LABEL_VERSION, &record, &payload);
  if (result != BATON_KIT_OK) return result;
  if (record.bytes < sizeof(*label)) return BATON_KIT_SHORT_RECORD;
  baton_kit_take(&record, payload, label, sizeof(*label));
  return BATON_KIT_OK;
}
