#ifndef CLI_RENDER_AUDIT_H_
#define CLI_RENDER_AUDIT_H_

#include <string>

#include "baton/v1/audit.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// Audit records as text, one line each. Wide: hashes too. Pure; any thread.
std::string AuditTable(const v1::ListAuditRecordsResponse& records,
                       const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_AUDIT_H_
