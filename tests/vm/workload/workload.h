#ifndef TESTS_VM_WORKLOAD_WORKLOAD_H_
#define TESTS_VM_WORKLOAD_WORKLOAD_H_

// What a user of the test GPU does with it, and how it knows that nothing was
// lost. The guest (freestanding, 32 bits) and the plain client (a process) run
// the same. One thread; no allocation; all of it in its user's own memory.

#include <stddef.h>
#include <stdint.h>

#include "tests/vm/module/bgpu.h"

#ifdef __cplusplus
extern "C" {
#endif

// What is wrong, as bits.
enum {
  kWrongIdentity = 1,  // not our device, or its memory has another size
  kWrongScratch = 2,   // a register lost what was written to it
  kWrongSteps = 4,     // the engine went back
  kWrongResult = 8,    // the engine's result is not that of its steps
  kWrongWindow = 16,   // what the engine wrote is not what its steps write
  kWrongMemory = 32,   // a page of device memory
  kWrongDma = 64,      // a transfer failed, or changed what it carried
};

enum {
  kPageBytes = 4096,
  kPageWords = kPageBytes / 4,
  // Every so many turns the engine stops, and everything is looked at.
  kSweepTurns = 32,
};

struct Workload {
  // Set by the user.
  volatile uint32_t* memory;  // device memory, mapped
  uint32_t memory_bytes;
  uint32_t batch;        // steps that the engine makes at a time
  uint32_t* out;         // a page that DMA reads
  uint32_t* in;          // a page that DMA writes
  uint64_t out_address;  // where the device sees it
  uint64_t in_address;

  // The workload's own.
  uint32_t turn;
  uint64_t steps;
  uint64_t result;
  uint64_t window[BGPU_WINDOW_WORDS];  // what the engine's steps write
};

// Registers, offered by whoever links this.
uint32_t DeviceRead(uint32_t offset);
void DeviceWrite(uint32_t offset, uint32_t value);

// Fills device memory and starts the engine. The device is as after power-on.
void WorkloadStart(struct Workload* workload);

// Looks at registers, the engine's result, one page of device memory and a
// transfer each way; every kSweepTurns turns at everything. Changes all of
// them, so that an older state would not do. Returns what is wrong, 0 if
// nothing is.
uint32_t WorkloadTurn(struct Workload* workload);

#ifdef __cplusplus
}
#endif

#endif  // TESTS_VM_WORKLOAD_WORKLOAD_H_
