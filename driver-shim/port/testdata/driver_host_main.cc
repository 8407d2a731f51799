#include "driver-shim/port/driver_host.h"

// A driver host and nothing else, for tests: the shim starts itself instead.
int main(int argc, char** argv) {
  if (!baton::port::IsDriverHost(argc, argv)) return 2;
  return baton::port::RunDriverHost();
}
