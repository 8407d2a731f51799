#ifndef SERVICE_CORE_AUDIT_H_
#define SERVICE_CORE_AUDIT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace baton::core {

// One change; as baton.v1.AuditRecord.
struct AuditRecord {
  uint64_t sequence = 0;  // from 1, without gaps
  absl::Time time = absl::InfinitePast();
  std::string actor = "";
  std::string action = "";
  std::string resource = "";
  std::string detail = "";
  std::string hash = "";

  bool operator==(const AuditRecord&) const = default;
};

// The hash that the record before the first one would have.
inline constexpr char kAuditGenesis[] = "sha256:genesis";

// Returns "sha256:…" over `previous_hash` and all of `record` but its hash.
// Whoever has the records can compute the chain again.
std::string AuditHash(absl::string_view previous_hash,
                      const AuditRecord& record);

}  // namespace baton::core

#endif  // SERVICE_CORE_AUDIT_H_
