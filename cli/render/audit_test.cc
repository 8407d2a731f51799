#include "cli/render/audit.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};
constexpr Look kWide = {Detail::kWide, Colour::kNever};

TEST(AuditRenderTest, Tables) {
  const auto records = Sample<v1::ListAuditRecordsResponse>("audit.txtpb");
  ExpectGolden("audit_table", AuditTable(records, kTable));
  ExpectGolden("audit_wide", AuditTable(records, kWide));
}

TEST(AuditRenderTest, NoneIsSaid) {
  EXPECT_EQ(AuditTable({}, kTable), "no audit records\n");
}

}  // namespace
}  // namespace baton::cli
