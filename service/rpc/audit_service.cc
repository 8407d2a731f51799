#include "service/rpc/audit_service.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "proto/status_codec.h"
#include "service/rpc/calls.h"
#include "service/rpc/convert.h"
#include "service/rpc/field_limits.h"
#include "service/rpc/page.h"

namespace baton::rpc {
namespace {

std::string QueryOf(const v1::ListAuditRecordsRequest& request) {
  return absl::StrCat("audit?", request.resource());
}

// Asks for one more than the page has, to see whether another one follows.
absl::StatusOr<runtime::AuditQuery> ParseQuery(
    const v1::ListAuditRecordsRequest& request) {
  RETURN_IF_ERROR(CheckFieldSizes(request, Speaker::kOperator));
  ASSIGN_OR_RETURN(
      const Page page,
      ParsePage(request.page_size(), request.page_token(), QueryOf(request)));
  runtime::AuditQuery query = {.resource = request.resource(),
                               .limit = page.size + 1};
  if (!page.after.empty() &&
      !absl::SimpleAtoi(page.after, &query.after_sequence)) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_PAGE_TOKEN",
                           "page_token does not name an audit record");
  }
  return query;
}

void FillRecords(const v1::ListAuditRecordsRequest& request,
                 const std::vector<core::AuditRecord>& records, size_t limit,
                 v1::ListAuditRecordsResponse& response) {
  const size_t page_size = limit - 1;
  for (const core::AuditRecord& record : records) {
    if (static_cast<size_t>(response.records_size()) == page_size) {
      response.set_next_page_token(
          MakePageToken(absl::StrCat(response.records().rbegin()->sequence()),
                        QueryOf(request)));
      return;
    }
    *response.add_records() = ToProto(record);
  }
}

}  // namespace

grpc::ServerUnaryReactor* AuditService::ListAuditRecords(
    grpc::CallbackServerContext* context,
    const v1::ListAuditRecordsRequest* request,
    v1::ListAuditRecordsResponse* response) {
  const absl::StatusOr<runtime::AuditQuery> query = ParseQuery(*request);
  if (!query.ok()) return Refuse(context, query.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status posted = loop_.ReadAudit(
      *query, [=, limit = query->limit](
                  const absl::StatusOr<std::vector<core::AuditRecord>>& found) {
        if (found.ok()) FillRecords(*request, *found, limit, *response);
        reactor->Finish(ToGrpc(found.status()));
      });
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

}  // namespace baton::rpc
