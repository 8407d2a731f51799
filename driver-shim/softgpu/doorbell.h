#ifndef DRIVER_SHIM_SOFTGPU_DOORBELL_H_
#define DRIVER_SHIM_SOFTGPU_DOORBELL_H_

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// How the shared registers are read, written and waited for. C11 and C++20: a
// register is a plain word in both, so that its layout is the same in both.

#ifdef __cplusplus
extern "C" {
#endif

// Pairs with softgpu_write: what was written before is seen after.
static inline uint32_t softgpu_read32(const uint32_t* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline uint64_t softgpu_read64(const uint64_t* word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static inline void softgpu_write32(uint32_t* word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}
static inline void softgpu_write64(uint64_t* word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_RELEASE);
}

// Changes a doorbell and wakes whoever waits for it, in whatever process: what
// a posted write does on a bus. Never blocks.
static inline void softgpu_ring(uint32_t* doorbell) {
  __atomic_fetch_add(doorbell, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, doorbell, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

// Writes a word that others wait for, and wakes them. Never blocks.
static inline void softgpu_write_and_wake(uint32_t* word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

// Blocks while `word` holds `value`, at most `timeout_ns` nanoseconds
// (negative: for ever). May return early for no reason: re-check what you wait
// for.
static inline void softgpu_wait(const uint32_t* word, uint32_t value,
                                int64_t timeout_ns) {
  struct timespec timeout;
  timeout.tv_sec = (time_t)(timeout_ns / 1000000000);
  timeout.tv_nsec = (long)(timeout_ns % 1000000000);
  syscall(SYS_futex, word, FUTEX_WAIT, value, timeout_ns < 0 ? NULL : &timeout,
          NULL, 0);
}

// The hardware's clock, CLOCK_MONOTONIC in nanoseconds.
static inline uint64_t softgpu_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_SOFTGPU_DOORBELL_H_
