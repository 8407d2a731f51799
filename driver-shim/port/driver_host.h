#ifndef DRIVER_SHIM_PORT_DRIVER_HOST_H_
#define DRIVER_SHIM_PORT_DRIVER_HOST_H_

namespace baton::port {

// Whether this process was started as a driver host. Ask first in main().
bool IsDriverHost(int argc, char** argv);

// Plays the kernel for one driver: carries out the shim's commands, one after
// the other, and delivers the device's interrupts in between. Returns what the
// process is to return, once nobody needs it any more.
//
// The executable must be linked with -rdynamic, so that an image finds the
// kernel's functions in it. Until a driver is loaded the process dies with the
// thread that started it; afterwards it waits for the next shim, as long as
// there is a device.
int RunDriverHost();

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_DRIVER_HOST_H_
