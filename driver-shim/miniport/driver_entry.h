#ifndef DRIVER_SHIM_MINIPORT_DRIVER_ENTRY_H_
#define DRIVER_SHIM_MINIPORT_DRIVER_ENTRY_H_

#include "driver-shim/ddi/miniport.h"
#include "driver-shim/miniport/adapter.h"

namespace baton::miniport {

// What this image is. Defined once in each image, by image.cc.
Image ThisImage();

// Returns the DDI table of this driver.
DRIVER_INITIALIZATION_DATA InitializationData();

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_DRIVER_ENTRY_H_
