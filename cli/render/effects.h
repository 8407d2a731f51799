#ifndef CLI_RENDER_EFFECTS_H_
#define CLI_RENDER_EFFECTS_H_

#include <string>

#include "baton/v1/rollout.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// What a stop means for each host in flight. Pure.
std::string EffectsText(
    const google::protobuf::RepeatedPtrField<v1::HostEffect>& effects,
    const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_EFFECTS_H_
