#ifndef DRIVER_SHIM_CONFORMANCE_COMMAND_H_
#define DRIVER_SHIM_CONFORMANCE_COMMAND_H_

namespace baton::conformance {

// "baton-shim conformance …". `argv[0]` is the word "conformance". Prints the
// findings to stdout. Returns the exit code: 0, all promises are kept; 1, some
// are not; 2, it could not be found out.
int RunCommand(int argc, char** argv);

}  // namespace baton::conformance

#endif  // DRIVER_SHIM_CONFORMANCE_COMMAND_H_
