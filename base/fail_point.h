#ifndef BASE_FAIL_POINT_H_
#define BASE_FAIL_POINT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Named places at which a test may have the process die, so that what follows
// is seen. Release builds (NDEBUG) have none of them.
//
// The environment says what happens, and is read once, at the first place:
//
//   BATON_FAIL_POINT=NAME=ACTION[@HIT][,…]  ACTION at the HIT-th passing of
//                        NAME in this process (the first): kill, abort, or
//                        stop (SIGSTOP; goes on where it was with SIGCONT)
//   BATON_FAIL_POINT_ONCE=FILE  only who can remove FILE acts: at most one
//                        process, even if those that follow have the same
//                        environment
//
// Before it acts, the process says so on stderr: "fail point 'NAME': ACTION".

#ifdef NDEBUG
#define FAIL_POINT(name) static_cast<void>(0)
#else
// Passes the place `name`, a literal "room.where". In functions of .cc files
// only, neither inline nor templates: its name goes into a section of the
// program. Any thread; costs a look at a list that is nearly always empty.
#define FAIL_POINT(name)                                              \
  do {                                                                \
    __attribute__((section("baton_fail_points"),                      \
                   used)) static const char fail_point_name[] = name; \
    ::baton::PassFailPoint(fail_point_name);                          \
  } while (false)
#endif

namespace baton {

enum class FailAction { kKill, kStop, kAbort };

// What is to happen at one place.
struct FailPoint {
  std::string name = "";
  FailAction action = FailAction::kKill;
  int hit = 1;  // at least 1

  bool operator==(const FailPoint&) const = default;
};

// Reads a value of BATON_FAIL_POINT; "" is none.
//
// Errors: INVALID_ARGUMENT, reason FAIL_POINT_INVALID
absl::StatusOr<std::vector<FailPoint>> ParseFailPoints(absl::string_view text);

// The names of all places in this program, sorted; none in a release build.
std::vector<std::string> FailPointNames();

// What FAIL_POINT() calls. A value of the environment that cannot be read stops
// the process.
void PassFailPoint(const char* name);

}  // namespace baton

#endif  // BASE_FAIL_POINT_H_
