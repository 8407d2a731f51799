#ifndef DRIVER_SHIM_PORT_TOUCH_H_
#define DRIVER_SHIM_PORT_TOUCH_H_

namespace baton::port {

// Takes the page faults of what this process may run or write next, while there
// is time: code and data of each image that is loaded, and the stack of the
// calling thread. Takes some milliseconds the first time; changes nothing.
void TouchCodeAndStack();

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_TOUCH_H_
