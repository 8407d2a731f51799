#include "service/core/audit.h"

#include "absl/strings/str_cat.h"
#include "base/digest.h"

namespace baton::core {
namespace {

// Lengths go first, so that no two records have the same bytes.
void Add(std::string& bytes, absl::string_view text) {
  absl::StrAppend(&bytes, text.size(), ":", text);
}

}  // namespace

std::string AuditHash(absl::string_view previous_hash,
                      const AuditRecord& record) {
  std::string bytes;
  Add(bytes, previous_hash);
  Add(bytes, absl::StrCat(record.sequence));
  Add(bytes, absl::StrCat(absl::ToUnixNanos(record.time)));
  Add(bytes, record.actor);
  Add(bytes, record.action);
  Add(bytes, record.resource);
  Add(bytes, record.detail);
  return Sha256Of(bytes);
}

}  // namespace baton::core
