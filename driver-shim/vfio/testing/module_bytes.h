#ifndef DRIVER_SHIM_VFIO_TESTING_MODULE_BYTES_H_
#define DRIVER_SHIM_VFIO_TESTING_MODULE_BYTES_H_

#include <string>

namespace baton::vfio {

// The smallest file that looks like a kernel module with these facts.
// `build_id` is raw bytes.
std::string ModuleBytes(const std::string& name, const std::string& vermagic,
                        const std::string& build_id);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_TESTING_MODULE_BYTES_H_
