#include "service/core/audit.h"

#include <set>
#include <vector>

#include "base/digest.h"
#include "gtest/gtest.h"

namespace baton::core {
namespace {

TEST(AuditTest, HashCoversEachField) {
  const AuditRecord record{
      7, absl::FromUnixSeconds(1), "alice", "host.cordon", "h", "disk", ""};
  std::vector<AuditRecord> records(7, record);
  records[1].sequence = 8;
  records[2].time += absl::Nanoseconds(1);
  records[3].actor = "bob";
  records[4].action = "host.uncordon";
  records[5].resource = "hd";
  records[5].detail = "isk";
  records[6].detail = "disc";
  std::set<std::string> hashes = {AuditHash("other", record)};
  for (const AuditRecord& changed : records) {
    hashes.insert(AuditHash(kAuditGenesis, changed));
  }
  EXPECT_EQ(hashes.size(), records.size() + 1);
  for (const std::string& hash : hashes) EXPECT_TRUE(IsSha256(hash));
}

}  // namespace
}  // namespace baton::core
