#ifndef DRIVER_SHIM_DDI_ESCAPE_H_
#define DRIVER_SHIM_DDI_ESCAPE_H_

#include "driver-shim/ddi/gpu_partition.h"

// The one escape that every miniport answers whom Baton updates [ours]: what a
// virtual GPU is, and a digest of what its guest can see of it. The census asks
// before the old driver goes and after the new one has come.

#ifdef __cplusplus
extern "C" {
#endif

// [D] First in every escape's input. Ignored here: PartitionId names the vGPU.
typedef struct _GPUP_DRIVER_ESCAPE_INPUT {
  LUID vGpuLuid;
} GPUP_DRIVER_ESCAPE_INPUT;

enum { kEscapeStateDigest = 0x42544e01 };

typedef struct _BATON_ESCAPE_INPUT {
  GPUP_DRIVER_ESCAPE_INPUT Header;
  UINT Command;   // kEscapeStateDigest
  UINT Reserved;  // 0
} BATON_ESCAPE_INPUT;

// STATUS_NOT_FOUND when the partition has no virtual GPU,
// STATUS_BUFFER_TOO_SMALL when the output has less room than this.
typedef struct _BATON_ESCAPE_STATE_DIGEST {
  LUID VirtualGpuLuid;
  UINT64 VramBytes;
  DXGK_VIRTUALGPUPROFILE Profile;  // as it was created with
  UINT64 Allocations;              // how many there are, for people
  UINT64 Contexts;
  UINT64 MailboxSequence;  // last one that was answered
  // Of the logical state: allocations in order of their handles, contexts,
  // mailbox sequence, fences. The same for the same state in every version of a
  // driver, however it is kept in memory.
  UCHAR Digest[16];
} BATON_ESCAPE_STATE_DIGEST;

static_assert(sizeof(BATON_ESCAPE_INPUT) == 16, "escape input");
static_assert(sizeof(BATON_ESCAPE_STATE_DIGEST) == 0x98, "escape output");

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_DDI_ESCAPE_H_
