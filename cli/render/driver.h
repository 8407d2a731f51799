#ifndef CLI_RENDER_DRIVER_H_
#define CLI_RENDER_DRIVER_H_

#include <string>

#include "baton/v1/driver.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// Drivers as text. Pure; any thread.

// One line a version.
std::string DriverTable(const v1::ListDriversResponse& drivers,
                        const Look& look);

// What was packed into the file at `path`, whose digest is `digest`.
std::string PackedText(const v1::DriverManifest& manifest,
                       const std::string& path, const std::string& digest,
                       const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_DRIVER_H_
