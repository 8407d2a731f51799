#ifndef CLI_RENDER_CAPSULE_H_
#define CLI_RENDER_CAPSULE_H_

#include <string>

#include "baton/v1/rollout.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// What was kept of an update that went wrong. Pure. Wide: each saved block.
std::string CapsuleText(const v1::Capsule& capsule, const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_CAPSULE_H_
