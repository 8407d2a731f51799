#ifndef CLI_RENDER_FLEET_H_
#define CLI_RENDER_FLEET_H_

#include <string>

#include "baton/v1/fleet.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// What holds for all rollouts, as text. Pure; any thread.
std::string FleetText(const v1::Fleet& fleet, const Look& look);

// One line a driver pair, model and profile.
std::string HistoryTable(const v1::ListHistoryResponse& history,
                         const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_FLEET_H_
