#include "tests/vm/workload/workload.h"

#include <stddef.h>
#include <stdint.h>

// The engine's window is at the start; the page that DMA uses is behind it.
static const uint32_t kDmaOffset =
    BGPU_WINDOW_OFFSET + BGPU_WINDOW_WORDS * sizeof(uint64_t);
static const uint32_t kFirstPage =
    (BGPU_WINDOW_OFFSET + BGPU_WINDOW_WORDS * 8) / kPageBytes + 1;

static uint32_t Mix(uint32_t a, uint32_t b) {
  uint32_t x = a * 2654435761u ^ b * 2246822519u;
  x ^= x >> 15;
  x *= 3266489917u;
  return x ^ x >> 13;
}

static uint32_t Pages(const struct Workload* workload) {
  return workload->memory_bytes / kPageBytes - kFirstPage;
}

// Page `page` is written in the turns page, page + Pages, page + 2 Pages…
// Returns how often that was before `turn`; 0 is how it was filled.
static uint32_t Generation(const struct Workload* workload, uint32_t page,
                           uint32_t turn) {
  const uint32_t pages = Pages(workload);
  return turn <= page ? 0 : (turn - page - 1) / pages + 1;
}

static volatile uint32_t* Page(struct Workload* workload, uint32_t page) {
  return workload->memory + (kFirstPage + page) * kPageWords;
}

static void FillPage(struct Workload* workload, uint32_t page,
                     uint32_t generation) {
  volatile uint32_t* words = Page(workload, page);
  const uint32_t base = Mix(page, generation);
  for (uint32_t i = 0; i < kPageWords; i++) words[i] = base + i;
}

static uint32_t CheckPage(struct Workload* workload, uint32_t page) {
  const volatile uint32_t* words = Page(workload, page);
  const uint32_t base = Mix(page, Generation(workload, page, workload->turn));
  for (uint32_t i = 0; i < kPageWords; i++) {
    if (words[i] != base + i) return kWrongMemory;
  }
  return 0;
}

// Makes the engine's steps up to where it says that it is.
static uint32_t FollowEngine(struct Workload* workload) {
  uint64_t steps = DeviceRead(BGPU_REG_STEPS_LOW);
  uint64_t result = DeviceRead(BGPU_REG_RESULT_LOW);
  steps |= (uint64_t)DeviceRead(BGPU_REG_STEPS_HIGH) << 32;
  result |= (uint64_t)DeviceRead(BGPU_REG_RESULT_HIGH) << 32;
  if (steps < workload->steps) return kWrongSteps;
  // A number that no engine can have reached is not followed for hours.
  if (steps - workload->steps > 100000000u) return kWrongSteps;
  while (workload->steps < steps) {
    workload->result = workload->result * BGPU_MULTIPLIER + BGPU_INCREMENT;
    workload->window[(workload->result >> 33) % BGPU_WINDOW_WORDS] ^=
        workload->result;
    workload->steps++;
  }
  return workload->result == result ? 0 : kWrongResult;
}

static uint32_t CheckWindow(const struct Workload* workload) {
  const volatile uint32_t* words =
      workload->memory + BGPU_WINDOW_OFFSET / sizeof(uint32_t);
  for (uint32_t i = 0; i < BGPU_WINDOW_WORDS; i++) {
    if (words[2 * i] != (uint32_t)workload->window[i] ||
        words[2 * i + 1] != (uint32_t)(workload->window[i] >> 32)) {
      return kWrongWindow;
    }
  }
  return 0;
}

static uint32_t Copy(uint64_t address, uint32_t command) {
  DeviceWrite(BGPU_REG_DMA_ADDRESS_LOW, (uint32_t)address);
  DeviceWrite(BGPU_REG_DMA_ADDRESS_HIGH, (uint32_t)(address >> 32));
  DeviceWrite(BGPU_REG_DMA_LENGTH, kPageBytes);
  DeviceWrite(BGPU_REG_DMA_OFFSET, kDmaOffset);
  DeviceWrite(BGPU_REG_DMA_COMMAND, command);
  return DeviceRead(BGPU_REG_DMA_STATUS) == 0 ? 0 : kWrongDma;
}

// What the last turn sent to the device comes back; then new words go there.
static uint32_t TurnDma(struct Workload* workload) {
  const uint32_t came = Mix(workload->turn, 1);
  const uint32_t goes = Mix(workload->turn + 1, 1);
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < kPageWords; i++) workload->in[i] = 0;
  wrong |= Copy(workload->in_address, BGPU_DMA_FROM_DEVICE);
  for (uint32_t i = 0; i < kPageWords; i++) {
    if (workload->in[i] != came + i) wrong |= kWrongDma;
  }
  for (uint32_t i = 0; i < kPageWords; i++) workload->out[i] = goes + i;
  return wrong | Copy(workload->out_address, BGPU_DMA_TO_DEVICE);
}

static uint32_t Sweep(struct Workload* workload) {
  uint32_t wrong = 0;
  DeviceWrite(BGPU_REG_BATCH, 0);
  wrong |= FollowEngine(workload) | CheckWindow(workload);
  for (uint32_t page = 0; page < Pages(workload); page++) {
    wrong |= CheckPage(workload, page);
  }
  DeviceWrite(BGPU_REG_BATCH, workload->batch);
  return wrong;
}

void WorkloadStart(struct Workload* workload) {
  workload->turn = 0;
  workload->steps = 0;
  workload->result = 0;
  for (uint32_t i = 0; i < BGPU_WINDOW_WORDS; i++) workload->window[i] = 0;
  for (uint32_t page = 0; page < Pages(workload); page++) {
    FillPage(workload, page, 0);
  }
  for (uint32_t i = 0; i < kPageWords; i++) {
    workload->out[i] = Mix(0, 1) + i;
  }
  (void)Copy(workload->out_address, BGPU_DMA_TO_DEVICE);
  DeviceWrite(BGPU_REG_SCRATCH, Mix(0, 2));
  DeviceWrite(BGPU_REG_BATCH, workload->batch);
}

uint32_t WorkloadTurn(struct Workload* workload) {
  const uint32_t page = workload->turn % Pages(workload);
  uint32_t wrong = 0;
  if (DeviceRead(BGPU_REG_ID) != BGPU_MAGIC ||
      DeviceRead(BGPU_REG_MEMORY_MIB) != workload->memory_bytes >> 20) {
    wrong |= kWrongIdentity;
  }
  if (DeviceRead(BGPU_REG_SCRATCH) != Mix(workload->turn, 2)) {
    wrong |= kWrongScratch;
  }
  wrong |= FollowEngine(workload) | CheckPage(workload, page);
  if (workload->turn % kSweepTurns == kSweepTurns - 1) wrong |= Sweep(workload);
  wrong |= TurnDma(workload);
  FillPage(workload, page, Generation(workload, page, workload->turn + 1));
  workload->turn++;
  DeviceWrite(BGPU_REG_SCRATCH, Mix(workload->turn, 2));
  return wrong;
}
