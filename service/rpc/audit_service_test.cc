#include "service/rpc/audit_service.h"

#include <string>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"
#include "service/rpc/testing/service_fixture.h"

namespace baton::rpc {
namespace {

class AuditServiceTest : public ServiceFixture {
 protected:
  absl::Status List(const v1::ListAuditRecordsRequest& request,
                    v1::ListAuditRecordsResponse& response) {
    return Call(*audit_, &v1::AuditService::Stub::ListAuditRecords, request,
                &response);
  }
};

TEST_F(AuditServiceTest, ListsEveryChangePageByPageWithoutGaps) {
  Push("1.0");
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Planned("rollouts/r");
  v1::ListAuditRecordsRequest request;
  request.set_page_size(2);
  std::vector<v1::AuditRecord> records;
  do {
    v1::ListAuditRecordsResponse response;
    ASSERT_TRUE(List(request, response).ok());
    EXPECT_LE(response.records_size(), 2);
    records.insert(records.end(), response.records().begin(),
                   response.records().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  ASSERT_EQ(records.size(), Snapshot().audit_sequence);
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].sequence(), i + 1);
    EXPECT_NE(records[i].actor(), "");
    EXPECT_TRUE(records[i].has_time());
  }
  EXPECT_EQ(records.back().hash(), Snapshot().audit_hash);
  EXPECT_EQ(records.back().resource(), "rollouts/r");
}

TEST_F(AuditServiceTest, ListsTheChangesOfOneResource) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  v1::ListAuditRecordsRequest request;
  request.set_resource("hosts/h");
  v1::ListAuditRecordsResponse response;
  ASSERT_TRUE(List(request, response).ok());
  ASSERT_EQ(response.records_size(), 1);
  EXPECT_EQ(response.records(0).action(), "host.connect");
  EXPECT_EQ(response.records(0).actor(), "agent:h");
  EXPECT_EQ(response.next_page_token(), "");
}

TEST_F(AuditServiceTest, RefusesBadPages) {
  v1::ListAuditRecordsRequest request;
  v1::ListAuditRecordsResponse response;
  request.set_page_size(-1);
  EXPECT_EQ(Reason(List(request, response)), "BAD_PAGE_SIZE");
  request.set_page_size(1);
  request.set_page_token("junk");
  EXPECT_EQ(Reason(List(request, response)), "BAD_PAGE_TOKEN");
}

}  // namespace
}  // namespace baton::rpc
