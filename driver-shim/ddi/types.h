#ifndef DRIVER_SHIM_DDI_TYPES_H_
#define DRIVER_SHIM_DDI_TYPES_H_

// The kernel's basic types, with the sizes that they have on x64 Windows:
// ULONG has 32 bits, pointers have 64. C11 and C++20.
//
// Marks used in this directory: [D] documented in the public WDK reference,
// [I] our inference, [ours] our choice where the reference is silent.

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

typedef void VOID;
typedef void* PVOID;
typedef PVOID HANDLE;
typedef uint8_t UCHAR;
typedef uint8_t BYTE;
typedef uint8_t BOOLEAN;
typedef char CHAR;
typedef uint16_t USHORT;
typedef uint16_t WCHAR;
typedef int16_t CSHORT;
typedef int32_t LONG;
typedef uint32_t ULONG;
typedef uint32_t UINT;
typedef int64_t LONGLONG;
typedef uint64_t ULONGLONG;
typedef uint64_t UINT64;
typedef uint64_t ULONG_PTR;
typedef uint64_t SIZE_T;
typedef ULONG_PTR PFN_NUMBER;
typedef PFN_NUMBER* PPFN_NUMBER;
typedef LONG NTSTATUS;

#ifndef TRUE
#define TRUE 1
#define FALSE 0
#endif

typedef struct _LUID {
  ULONG LowPart;
  LONG HighPart;
} LUID;

typedef struct _GUID {
  ULONG Data1;
  USHORT Data2;
  USHORT Data3;
  UCHAR Data4[8];
} GUID;
typedef GUID CLSID;

typedef union _LARGE_INTEGER {
  struct {
    ULONG LowPart;
    LONG HighPart;
  } u;
  LONGLONG QuadPart;
} LARGE_INTEGER;
typedef LARGE_INTEGER PHYSICAL_ADDRESS;

typedef struct _UNICODE_STRING {
  USHORT Length;         // in bytes, without a terminating zero
  USHORT MaximumLength;  // in bytes
  WCHAR* Buffer;
} UNICODE_STRING;
typedef UNICODE_STRING* PUNICODE_STRING;

// Opaque: a miniport only hands them back.
typedef struct _DRIVER_OBJECT DRIVER_OBJECT;
typedef struct _DRIVER_OBJECT* PDRIVER_OBJECT;
typedef struct _DEVICE_OBJECT DEVICE_OBJECT;
typedef struct _DEVICE_OBJECT* PDEVICE_OBJECT;

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096u

static_assert(sizeof(PVOID) == 8, "the DDI is carried for 64-bit hosts");
static_assert(sizeof(ULONG) == 4, "ULONG has 32 bits whatever the compiler");
static_assert(sizeof(LUID) == 8, "LUID");
static_assert(sizeof(GUID) == 16, "GUID");
static_assert(sizeof(UNICODE_STRING) == 16, "UNICODE_STRING");

#endif  // DRIVER_SHIM_DDI_TYPES_H_
