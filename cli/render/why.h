#ifndef CLI_RENDER_WHY_H_
#define CLI_RENDER_WHY_H_

#include <string>

#include "baton/v1/fleet.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// Says in words why `name` does or does not move: the summary, then each gate
// in the order in which it is asked. Wide: gates that pass too say their
// value and limit. Pure; any thread.
std::string WhyText(const std::string& name, const v1::Explanation& explanation,
                    const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_WHY_H_
