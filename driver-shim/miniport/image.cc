#include "driver-shim/miniport/driver_entry.h"

// What makes this an image: its version and its faults, given by the build as
// SOFTGPU_MAJOR (1 or 2) and SOFTGPU_FAULTS (0 none, -1 all, else that one).

namespace baton::miniport {

Image ThisImage() {
#if SOFTGPU_MAJOR == 1
  return {{1, SOFTGPU_FAULTS}, MakeGuestState1};
#elif SOFTGPU_MAJOR == 2
  return {{2, SOFTGPU_FAULTS}, MakeGuestState2};
#else
#error "SOFTGPU_MAJOR is 1 or 2"
#endif
}

}  // namespace baton::miniport

extern "C" __attribute__((visibility("default"))) NTSTATUS DriverEntry(
    PDRIVER_OBJECT driver, PUNICODE_STRING registry_path) {
  DRIVER_INITIALIZATION_DATA data = baton::miniport::InitializationData();
  return DxgkInitialize(driver, registry_path, &data);
}
