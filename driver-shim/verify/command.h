#ifndef DRIVER_SHIM_VERIFY_COMMAND_H_
#define DRIVER_SHIM_VERIFY_COMMAND_H_

namespace baton::verify {

// "baton-shim verify …". `argv[0]` is the word "verify". Prints the findings to
// stdout. Returns the exit code: 0, every rule is kept; 1, some are not; 2, it
// could not be found out.
int RunCommand(int argc, char** argv);

}  // namespace baton::verify

#endif  // DRIVER_SHIM_VERIFY_COMMAND_H_
