#ifndef CLI_RENDER_HOST_H_
#define CLI_RENDER_HOST_H_

#include <string>

#include "baton/v1/fleet.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// Hosts as text. Pure; any thread.

// One line a host.
std::string HostTable(const v1::ListHostsResponse& hosts, const Look& look);

// What selectors match, "key=value,…" by key.
std::string LabelsText(const v1::Host& host);

// How it stands, on a line without its name: "UPDATING softgpu/1.0 rollout r1
// labels zone=a".
std::string HostLine(const v1::Host& host);

// Everything of one host. Wide: each vGPU too.
std::string HostText(const v1::Host& host, const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_HOST_H_
