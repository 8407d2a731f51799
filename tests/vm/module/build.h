#ifndef TESTS_VM_MODULE_BUILD_H_
#define TESTS_VM_MODULE_BUILD_H_

// What a build is, from the switches that Kbuild hands to the compiler:
//
//   BGPU_MAJOR   1 or 2: how state lies in memory, and which streams are read
//   BGPU_WRITES  1 or 2: the format of the streams that it writes
//   BGPU_TEXT    the module's version, for people
//   BGPU_FAULT   one of the below: how it misbehaves

#define BGPU_FAULT_NONE 0
#define BGPU_FAULT_REFUSES_EARLY 1  // a stream while it is written
#define BGPU_FAULT_REFUSES_LATE 2   // a stream when RESUMING is left
#define BGPU_FAULT_DOES_NOT_LOAD 3
#define BGPU_FAULT_LOSES_MEMORY 4  // takes a stream, and forgets one page
#define BGPU_FAULT_HOLDS_ON 5      // cannot be unloaded once it has saved

#endif  // TESTS_VM_MODULE_BUILD_H_
