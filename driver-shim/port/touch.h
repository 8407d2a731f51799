#ifndef DRIVER_SHIM_PORT_TOUCH_H_
#define DRIVER_SHIM_PORT_TOUCH_H_

#include <cstddef>

namespace baton::port {

// Takes the page faults of what this process may run or write next, while there
// is time: code and data of each image that is loaded, and the stack of the
// calling thread. Takes some milliseconds the first time; changes nothing.
void TouchCodeAndStack();

// Has this thread's heap keep so much memory that was touched: what is
// allocated and freed next takes no page fault, be it large or small. For the
// life of the process the heap gives nothing back.
void TouchHeap(size_t bytes);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_TOUCH_H_
