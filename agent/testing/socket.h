#ifndef AGENT_TESTING_SOCKET_H_
#define AGENT_TESTING_SOCKET_H_

#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace baton::agent::testing {

// Returns an address that no other test of this machine has. It has no file: a
// test's own directory can be too deep for a socket's path.
inline std::string FreshAddress() {
  static int count = 0;
  return absl::StrCat("unix-abstract:baton-agent-test-", getpid(), "-",
                      ++count);
}

}  // namespace baton::agent::testing

#endif  // AGENT_TESTING_SOCKET_H_
