#ifndef TESTS_VM_MODULE_BGPU_H_
#define TESTS_VM_MODULE_BGPU_H_

// The test GPU as its users see it: the guest, the plain client and the module
// itself include this. Registers are 32 bits wide, in BAR 0, which cannot be
// mapped; device memory is BAR 1, which can.

#define BGPU_VENDOR_ID 0x1b36
#define BGPU_DEVICE_ID 0xba70
#define BGPU_MAGIC 0x42475055u  // "BGPU", what BGPU_REG_ID reads

#define BGPU_REG_ID 0x00
#define BGPU_REG_DRIVER 0x04      // major version of the module behind it
#define BGPU_REG_MEMORY_MIB 0x08  // of device memory
#define BGPU_REG_SCRATCH 0x0c     // keeps what is written

// The engine makes BATCH steps whenever it is let; 0 stops it at once. A step
// is A = A * BGPU_MULTIPLIER + BGPU_INCREMENT, from A = 0, and then an
// exclusive or of A into word (A >> 33) % BGPU_WINDOW_WORDS of the window. So
// its user can know each result. Reading STEPS_LOW latches the other three.
#define BGPU_REG_BATCH 0x10
#define BGPU_REG_STEPS_LOW 0x14
#define BGPU_REG_STEPS_HIGH 0x18
#define BGPU_REG_RESULT_LOW 0x1c  // A
#define BGPU_REG_RESULT_HIGH 0x20

#define BGPU_BATCH_MAX 10000u
#define BGPU_MULTIPLIER 6364136223846793005ull
#define BGPU_INCREMENT 1442695040888963407ull
#define BGPU_WINDOW_OFFSET 0u
#define BGPU_WINDOW_WORDS 8192u  // of 8 bytes

// Writing COMMAND copies LENGTH bytes between the user's memory at ADDRESS and
// device memory at OFFSET; the copy is over when the write is.
#define BGPU_REG_DMA_ADDRESS_LOW 0x24
#define BGPU_REG_DMA_ADDRESS_HIGH 0x28
#define BGPU_REG_DMA_LENGTH 0x2c
#define BGPU_REG_DMA_OFFSET 0x30
#define BGPU_REG_DMA_COMMAND 0x34
#define BGPU_REG_DMA_STATUS 0x38  // 0, or an error number

#define BGPU_DMA_TO_DEVICE 1u
#define BGPU_DMA_FROM_DEVICE 2u
#define BGPU_DMA_BYTES_MAX 65536u

#endif  // TESTS_VM_MODULE_BGPU_H_
