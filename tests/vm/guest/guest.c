// What a nested machine runs instead of an operating system: it boots in
// milliseconds even in emulation within emulation. It drives the test GPU, and
// after each turn says on the serial line
//
//   T <turn> <driver> <steps> <wrong>
//
// wrong is of workload.h, and kWrongRam where a page of its own memory lost
// what was in it. Between turns it halts, so that it costs its host little.

#include <stddef.h>
#include <stdint.h>

#include "tests/vm/workload/workload.h"

enum {
  kWrongRam = 128,
  kTimerHertz = 20,
  kBatch = 20,
  // Above the image, and below what a PC has under 4 GiB.
  kFirstPattern = 4 << 20,
  kMemoryMax = 3u << 30,
  // In what a PC leaves for devices.
  kRegistersAt = 0xf0000000,
  kDeviceMemoryAt = 0xe0000000,
};

__attribute__((section(".multiboot"), used)) static const uint32_t kHeader[] = {
    0x1badb002, 0, -0x1badb002u};

static struct Workload workload;
static uint32_t pages[2][kPageWords] __attribute__((aligned(kPageBytes)));
static volatile uint32_t* registers;

uint32_t DeviceRead(uint32_t offset) { return registers[offset / 4]; }
void DeviceWrite(uint32_t offset, uint32_t value) {
  registers[offset / 4] = value;
}

static void Out8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}
static uint8_t In8(uint16_t port) {
  uint8_t value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}
static void Out32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}
static uint32_t In32(uint16_t port) {
  uint32_t value;
  __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

// -- the serial line ----------------------------------------------------------

static void PrintChar(char c) {
  while (!(In8(0x3fd) & 0x20)) {
  }
  Out8(0x3f8, (uint8_t)c);
}

static void Print(const char* text) {
  while (*text) PrintChar(*text++);
}

static void PrintNumber(uint32_t value) {
  char digits[10];
  int count = 0;
  do {
    digits[count++] = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  PrintChar(' ');
  while (count) PrintChar(digits[--count]);
}

static void Stop(const char* why) {
  Print(why);
  PrintChar('\n');
  for (;;) __asm__ volatile("cli; hlt");
}

// -- the timer
// ------------------------------------------------------------------

struct Gate {
  uint16_t offset_low, selector;
  uint16_t flags, offset_high;
};
static struct Gate gates[33];

void TimerEntry(void);
__asm__(
    ".globl TimerEntry\n"
    "TimerEntry: pushl %eax; movb $0x20, %al; outb %al, $0x20; popl %eax; "
    "iret");

// The programmable interval timer on vector 32; nothing else may interrupt.
static void StartTimer(void) {
  const uint32_t entry = (uint32_t)(uintptr_t)&TimerEntry;
  const uint32_t divisor = 1193182 / kTimerHertz;
  struct {
    uint16_t limit;
    uint32_t base;
  } __attribute__((packed))
  table = {sizeof(gates) - 1, (uint32_t)(uintptr_t)gates};
  uint16_t code;
  __asm__ volatile("movw %%cs, %0" : "=r"(code));
  gates[32].offset_low = entry & 0xffff;
  gates[32].offset_high = entry >> 16;
  gates[32].selector = code;
  gates[32].flags = 0x8e00;
  __asm__ volatile("lidt %0" : : "m"(table));
  // Not every firmware leaves the old controller wired to the processor.
  *(volatile uint32_t*)0xfee000f0 = 0x1ff;  // the local APIC is on
  *(volatile uint32_t*)0xfee00350 = 0x700;  // its LINT0 is the old controller
  Out8(0x20, 0x11);
  Out8(0x21, 32);
  Out8(0x21, 4);
  Out8(0x21, 1);
  Out8(0x21, 0xfe);
  Out8(0xa1, 0xff);
  Out8(0x43, 0x34);
  Out8(0x40, divisor & 0xff);
  Out8(0x40, divisor >> 8);
}

static void AwaitTick(void) { __asm__ volatile("sti; hlt; cli"); }

// -- the device
// -----------------------------------------------------------------

static uint32_t ConfigRead(uint32_t device, uint32_t offset) {
  Out32(0xcf8, 0x80000000u | device << 8 | offset);
  return In32(0xcfc);
}
static void ConfigWrite(uint32_t device, uint32_t offset, uint32_t value) {
  Out32(0xcf8, 0x80000000u | device << 8 | offset);
  Out32(0xcfc, value);
}

// The firmware may have left it without an address.
static uint32_t Place(uint32_t device, uint32_t bar, uint32_t address) {
  const uint32_t found = ConfigRead(device, bar) & ~15u;
  if (found) return found;
  ConfigWrite(device, bar, address);
  return address;
}

static void FindDevice(void) {
  for (uint32_t device = 0; device < 256; device += 8) {
    if (ConfigRead(device, 0) !=
        ((uint32_t)BGPU_DEVICE_ID << 16 | BGPU_VENDOR_ID)) {
      continue;
    }
    registers =
        (volatile uint32_t*)(uintptr_t)Place(device, 0x10, kRegistersAt);
    workload.memory =
        (volatile uint32_t*)(uintptr_t)Place(device, 0x14, kDeviceMemoryAt);
    ConfigWrite(device, 4, ConfigRead(device, 4) | 6);  // memory, bus master
    workload.memory_bytes = DeviceRead(BGPU_REG_MEMORY_MIB) << 20;
    return;
  }
  Stop("NO DEVICE");
}

// -- its own memory
// -------------------------------------------------------------

static uint32_t Cmos(uint8_t at) {
  Out8(0x70, at);
  return In8(0x71);
}

// Of a PC with more than 16 MiB.
static uint32_t MemoryEnd(void) {
  const uint32_t end = ((Cmos(0x34) | Cmos(0x35) << 8) << 16) + (16u << 20);
  return end < kMemoryMax ? end : kMemoryMax;
}

static void FillRam(uint32_t end) {
  for (uint32_t at = kFirstPattern; at < end; at += kPageBytes) {
    *(volatile uint32_t*)(uintptr_t)at = at ^ 0x5a5a5a5au;
  }
}

static uint32_t CheckRam(uint32_t from, uint32_t end) {
  for (uint32_t at = from; at < end; at += kPageBytes) {
    if (*(volatile uint32_t*)(uintptr_t)at != (at ^ 0x5a5a5a5au)) {
      return kWrongRam;
    }
  }
  return 0;
}

// Looks at another 256 pages each turn.
static uint32_t TurnRam(uint32_t end) {
  static uint32_t at = kFirstPattern;
  const uint32_t stop =
      end - at > 256 * kPageBytes ? at + 256 * kPageBytes : end;
  const uint32_t wrong = CheckRam(at, stop);
  at = stop == end ? (uint32_t)kFirstPattern : stop;
  return wrong;
}

// -- start
// ------------------------------------------------------------------------

static uint8_t stack[16384] __attribute__((aligned(16), used));
__asm__(
    ".section .text.start, \"ax\"\n"
    ".globl Start\n"
    "Start: movl $stack + 16384, %esp; call Main\n"
    ".text");

__attribute__((noreturn, used)) void Main(void);
void Main(void) {
  const uint32_t end = MemoryEnd();
  FindDevice();
  FillRam(end);
  workload.batch = kBatch;
  workload.out = pages[0];
  workload.in = pages[1];
  workload.out_address = (uintptr_t)pages[0];
  workload.in_address = (uintptr_t)pages[1];
  WorkloadStart(&workload);
  StartTimer();
  for (;;) {
    const uint32_t turn = workload.turn;
    const uint32_t wrong = WorkloadTurn(&workload) | TurnRam(end);
    Print("T");
    PrintNumber(turn);
    PrintNumber(DeviceRead(BGPU_REG_DRIVER));
    PrintNumber((uint32_t)workload.steps);
    PrintNumber(wrong);
    PrintChar('\n');
    AwaitTick();
  }
}
