#ifndef DRIVER_SHIM_SOFTGPU_REGISTERS_H_
#define DRIVER_SHIM_SOFTGPU_REGISTERS_H_

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

// The board's register specification, shared by the device, its driver, the
// host and the guests. C11 and C++20. Every register is little-endian and
// naturally aligned; access those that two parties share with doorbell.h.
//
// BAR 0 is struct softgpu_pf, BAR 1 the whole VRAM, BAR 2 + n the function page
// of virtual function n (struct softgpu_vf). Each BAR is a file in the device's
// directory: `pf`, `vram`, `vf<n>`. `irq` is the interrupt line: each byte in
// it is one interrupt.

#ifdef __cplusplus
extern "C" {
#endif

enum {
  SOFTGPU_MAGIC = 0x55504753,  // "SGPU"
  SOFTGPU_REGISTERS_VERSION = 1,
  SOFTGPU_VENDOR_ID = 0x1b47,
  SOFTGPU_DEVICE_ID = 0x5001,
  SOFTGPU_FUNCTIONS_MAX = 64,
  SOFTGPU_CONTEXTS = 16,
  SOFTGPU_OWNER_BYTES = 48,
  SOFTGPU_RING_SLOTS = 1024,
  SOFTGPU_HASH_CHAINS = SOFTGPU_CONTEXTS
};

// Interrupt message numbers: `kind | function`.
enum {
  SOFTGPU_INTERRUPT_MAILBOX = 0x00,  // a request waits in the mailbox
  SOFTGPU_INTERRUPT_STARTED = 0x80   // the function's engines started again
};

// ---- the physical function, BAR 0 ----

enum { SOFTGPU_RUN = 0, SOFTGPU_PAUSE = 1 };

enum {
  SOFTGPU_FAULT_NONE = 0,
  SOFTGPU_FAULT_CONTEXT = 1,   // the context is not valid
  SOFTGPU_FAULT_BOUNDS = 2,    // outside the window, or not aligned
  SOFTGPU_FAULT_OPCODE = 3,    // no such command
  SOFTGPU_FAULT_SEQUENCE = 4,  // not the successor of the command before
  SOFTGPU_FAULT_RING = 5       // more submitted than the ring has room for
};

struct softgpu_context {
  uint32_t valid;
  uint32_t tag;  // a command must carry the same
};

// One row of the function table: 512 bytes.
struct softgpu_function {
  // By the driver. `enable` 0 -> 1 resets the function and scrubs its window,
  // which must be programmed before; 1 -> 0 stops it. Ring control_doorbell
  // after each change of it, and wait for `enabled` to follow.
  uint32_t enable;
  uint32_t enabled;  // by the device
  uint64_t window_base;
  uint64_t window_bytes;
  struct softgpu_context contexts[SOFTGPU_CONTEXTS];

  // By the host: SOFTGPU_RUN or SOFTGPU_PAUSE, of as many functions as it
  // likes, then control_doorbell. Each engine stops between two commands and
  // says so in run_state.
  uint32_t run_request;
  uint32_t run_state;
  uint64_t stopped_ns;  // of the last stop and start, CLOCK_MONOTONIC
  uint64_t started_ns;
  char owner[SOFTGPU_OWNER_BYTES];  // by the host: whose it is, 0-terminated

  // By the device.
  uint64_t completed;    // sequence of the last command that was executed
  uint64_t fence_value;  // the last that was written
  uint64_t fault_count;
  uint64_t fault_sequence;  // of the first fault
  uint32_t fault_code;
  uint32_t reserved0;
  uint64_t hash_chain[SOFTGPU_HASH_CHAINS];  // one per context

  uint8_t reserved[120];
};

struct softgpu_pf {
  uint32_t magic;
  uint32_t registers_version;
  uint16_t vendor_id;
  uint16_t device_id;
  uint32_t board_revision;  // a strap, set when the board is made
  uint32_t functions_max;
  uint32_t control_doorbell;
  uint64_t vram_bytes;
  char model[32];  // 0-terminated
  uint8_t reserved[448];
  struct softgpu_function functions[SOFTGPU_FUNCTIONS_MAX];
};

// ---- a virtual function, BAR 2 + n ----

enum {
  // vram[dst, dst + bytes) = value, repeated. All multiples of 8.
  SOFTGPU_FILL = 1,
  // vram[dst, dst + bytes) = vram[src, src + bytes). Multiples of 8; ranges do
  // not overlap.
  SOFTGPU_COPY = 2,
  // Chain c of the context goes on over the words w of vram[src, src + bytes),
  // multiples of 8: c = rotate_left(c ^ w, 27) * 0x9e3779b97f4a7c15 +
  // 0x52dce729. Then the 8 bytes at dst = c.
  SOFTGPU_HASH = 3,
  // fence_value = value, and the 8 bytes at dst = value.
  SOFTGPU_FENCE = 4
};

struct softgpu_command {
  // By the guest; offsets are into the function's window.
  uint64_t sequence;  // of the first command 1, then always one more
  uint32_t opcode;
  uint32_t context;
  uint32_t context_tag;
  uint32_t reserved;
  uint64_t dst;
  uint64_t src;
  uint32_t bytes;
  uint32_t executions;  // guest: 0; device: one more each time it is executed
  uint64_t value;
  uint32_t fault;  // by the device
  uint32_t order;  // by the device: low half of its count of executed commands
};

enum {
  SOFTGPU_MAILBOX_ALLOCATE = 1,         // [bytes] -> [handle, offset]
  SOFTGPU_MAILBOX_FREE = 2,             // [handle]
  SOFTGPU_MAILBOX_QUERY = 3,            // [handle] -> [offset, bytes]
  SOFTGPU_MAILBOX_CREATE_CONTEXT = 4,   // [] -> [context, tag]
  SOFTGPU_MAILBOX_DESTROY_CONTEXT = 5,  // [context]
  SOFTGPU_MAILBOX_INFO = 6,             // [] -> [allocations, bytes, contexts]
  SOFTGPU_MAILBOX_SIGNAL_FENCE = 7,     // [fence, value] never lower
  SOFTGPU_MAILBOX_QUERY_FENCE = 8       // [fence] -> [value]
};
enum { SOFTGPU_FENCES = 16, SOFTGPU_MAILBOX_WORDS = 4 };

enum {
  SOFTGPU_MAILBOX_OK = 0,
  SOFTGPU_MAILBOX_NO_MEMORY = 1,
  SOFTGPU_MAILBOX_NOT_FOUND = 2,
  SOFTGPU_MAILBOX_INVALID = 3,
  SOFTGPU_MAILBOX_SEQUENCE = 4  // the request is not the next one
};

// One request at a time. The guest fills in the request, then
// request_sequence (one more than the last), then rings the function's
// doorbell. The driver fills in the response, then response_sequence, then
// rings response_doorbell.
struct softgpu_mailbox {
  uint64_t request_sequence;
  uint32_t opcode;
  uint32_t reserved0;
  uint64_t arguments[SOFTGPU_MAILBOX_WORDS];

  uint64_t response_sequence;
  uint32_t status;
  uint32_t response_doorbell;
  uint64_t results[SOFTGPU_MAILBOX_WORDS];
};

struct softgpu_vf {
  uint32_t magic;
  uint32_t function;
  uint32_t enabled;   // by the device; a futex word
  uint32_t doorbell;  // ring after each submission, request or control
  uint64_t window_base;
  uint64_t window_bytes;
  uint64_t submitted;  // by the guest: sequence of the last command in the ring
  uint64_t completed;  // by the device: a copy of the function table's
  uint64_t notify_at;  // by the guest: ring completion_doorbell once completed
                       // has reached it; 0 for never
  uint64_t fence_value;  // by the device: a copy
  uint32_t completion_doorbell;
  uint32_t fault_code;  // by the device: a copy
  uint8_t reserved0[56];
  struct softgpu_mailbox mailbox;
  uint8_t reserved1[3872];
  struct softgpu_command ring[SOFTGPU_RING_SLOTS];  // slot: sequence modulo
};

static_assert(sizeof(struct softgpu_function) == 512, "function table row");
static_assert(offsetof(struct softgpu_function, contexts) == 0x18, "contexts");
static_assert(offsetof(struct softgpu_function, run_request) == 0x98, "run");
static_assert(offsetof(struct softgpu_function, owner) == 0xb0, "owner");
static_assert(offsetof(struct softgpu_function, completed) == 0xe0, "counters");
static_assert(offsetof(struct softgpu_pf, functions) == 0x200, "table");
static_assert(sizeof(struct softgpu_command) == 64, "command");
static_assert(sizeof(struct softgpu_mailbox) == 96, "mailbox");
static_assert(offsetof(struct softgpu_vf, mailbox) == 0x80, "mailbox");
static_assert(offsetof(struct softgpu_vf, ring) == 4096, "ring");

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_SOFTGPU_REGISTERS_H_
