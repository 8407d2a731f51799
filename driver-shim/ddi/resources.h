#ifndef DRIVER_SHIM_DDI_RESOURCES_H_
#define DRIVER_SHIM_DDI_RESOURCES_H_

#include "driver-shim/ddi/types.h"

// How the host tells a miniport where its device is: CM_RESOURCE_LIST as in
// wdm.h [D], with memory resources alone.
//
// [ours] One CM_FULL_RESOURCE_DESCRIPTOR; its memory descriptors are the BARs,
// in order: BAR 0 the registers, BAR 1 the whole of VRAM, BAR 2 + n the page of
// virtual function n. `Start` is what DxgkCbMapMemory takes.

#ifdef __cplusplus
extern "C" {
#endif

enum {
  CmResourceTypeInterrupt = 2,
  CmResourceTypeMemory = 3,
  CmResourceTypeMemoryLarge = 7  // Length is in units of 256 bytes
};
#define CM_RESOURCE_MEMORY_LARGE_40 0x0200

#pragma pack(push, 4)
typedef struct _CM_PARTIAL_RESOURCE_DESCRIPTOR {
  UCHAR Type;
  UCHAR ShareDisposition;
  USHORT Flags;
  union {
    struct {
      PHYSICAL_ADDRESS Start;
      ULONG Length;
    } Memory;
    struct {
      ULONG Level;
      ULONG Vector;
      ULONG_PTR Affinity;
    } Interrupt;
  } u;
} CM_PARTIAL_RESOURCE_DESCRIPTOR;
#pragma pack(pop)

typedef struct _CM_PARTIAL_RESOURCE_LIST {
  USHORT Version;   // 1
  USHORT Revision;  // 1
  ULONG Count;
  CM_PARTIAL_RESOURCE_DESCRIPTOR PartialDescriptors[1];
} CM_PARTIAL_RESOURCE_LIST;

typedef struct _CM_FULL_RESOURCE_DESCRIPTOR {
  LONG InterfaceType;
  ULONG BusNumber;
  CM_PARTIAL_RESOURCE_LIST PartialResourceList;
} CM_FULL_RESOURCE_DESCRIPTOR;

typedef struct _CM_RESOURCE_LIST {
  ULONG Count;  // 1
  CM_FULL_RESOURCE_DESCRIPTOR List[1];
} CM_RESOURCE_LIST;
typedef CM_RESOURCE_LIST* PCM_RESOURCE_LIST;

// Bytes of a memory resource of either type.
static inline UINT64 BatonResourceBytes(
    const CM_PARTIAL_RESOURCE_DESCRIPTOR* descriptor) {
  UINT64 length = descriptor->u.Memory.Length;
  return descriptor->Type == CmResourceTypeMemoryLarge ? length << 8 : length;
}

// Descriptor `index` of the one list; the array is declared with one element.
static inline CM_PARTIAL_RESOURCE_DESCRIPTOR* BatonResourceAt(
    CM_RESOURCE_LIST* list, ULONG index) {
  uint8_t* first =
      (uint8_t*)list + offsetof(CM_RESOURCE_LIST,
                                List[0].PartialResourceList.PartialDescriptors);
  return (CM_PARTIAL_RESOURCE_DESCRIPTOR*)(void*)first + index;
}

static_assert(sizeof(CM_PARTIAL_RESOURCE_DESCRIPTOR) == 20, "descriptor");
static_assert(offsetof(CM_RESOURCE_LIST,
                       List[0].PartialResourceList.PartialDescriptors) == 20,
              "list");

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_DDI_RESOURCES_H_
