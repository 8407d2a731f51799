#include "service/core/audit.h"

#include "absl/strings/str_cat.h"
#include "base/digest.h"

namespace baton::core {
namespace {

// Lengths go first, so that no two records have the same bytes.
void Add(Sha256& sha, absl::string_view text) {
  sha.Update(absl::StrCat(text.size(), ":"));
  sha.Update(text);
}

}  // namespace

std::string AuditHash(absl::string_view previous_hash,
                      const AuditRecord& record) {
  Sha256 sha;
  Add(sha, previous_hash);
  Add(sha, absl::StrCat(record.sequence));
  Add(sha, absl::StrCat(absl::ToUnixNanos(record.time)));
  Add(sha, record.actor);
  Add(sha, record.action);
  Add(sha, record.resource);
  Add(sha, record.detail);
  return sha.Finish();
}

}  // namespace baton::core
