#ifndef CLI_RENDER_UPDATE_H_
#define CLI_RENDER_UPDATE_H_

#include <string>

#include "baton/v1/rollout.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// One host's part in a rollout, as text. Pure; any thread.

// The longest blackout of any of its vGPUs; "-" when there was none.
std::string LongestBlackout(const v1::Update& update);

// "message [REASON]", whatever of it there is.
std::string BecauseText(const v1::Update& update);

// One line an update.
std::string UpdateTable(const v1::ListUpdatesResponse& updates,
                        const Look& look);

// Each step with its time and status; each vGPU. Empty: there is none.
std::string StepTable(const v1::Update& update, const Look& look);
std::string VgpuTable(const v1::Update& update, const Look& look);

// Everything of one update: each step with its time and status, each vGPU.
std::string UpdateText(const v1::Update& update, const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_UPDATE_H_
