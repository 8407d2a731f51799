#ifndef DRIVER_SHIM_CONFORMANCE_SUITE_H_
#define DRIVER_SHIM_CONFORMANCE_SUITE_H_

#include <vector>

#include "base/clock.h"
#include "driver-shim/conformance/check.h"
#include "driver-shim/conformance/session.h"
#include "driver-shim/verify/findings.h"

namespace baton::conformance {

// Every case of the suite.
std::vector<Case> AllCases();

// Tries each case, and leads the adapter home between them. Once it cannot be
// led home, the rest is not applicable. Blocks; takes some seconds for an
// adapter that answers.
std::vector<verify::Finding> RunCases(const std::vector<Case>& cases,
                                      Session& session, const Clock& clock);

}  // namespace baton::conformance

#endif  // DRIVER_SHIM_CONFORMANCE_SUITE_H_
