#include "service/rpc/page.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/digest.h"
#include "base/reason.h"

namespace baton::rpc {
namespace {

constexpr int32_t kPageSizeMax = 1000;
constexpr int32_t kPageSizeDefault = 100;

// What stands before the key in a token: enough of the query's digest to
// notice a token of another list. Not a secret; a forged token does no harm.
std::string Fingerprint(absl::string_view query) {
  return absl::StrCat(Sha256Of(query).substr(sizeof("sha256:") - 1, 12), ":");
}

}  // namespace

absl::StatusOr<Page> ParsePage(int32_t page_size, const std::string& page_token,
                               absl::string_view query) {
  if (page_size < 0 || page_size > kPageSizeMax) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_PAGE_SIZE",
        absl::StrCat("page_size: got ", page_size, ", want 1 to ", kPageSizeMax,
                     ", or 0 for ", kPageSizeDefault));
  }
  Page page = {.size = static_cast<size_t>(page_size == 0 ? kPageSizeDefault
                                                          : page_size)};
  if (page_token.empty()) return page;
  std::string plain;
  absl::string_view rest;
  if (absl::WebSafeBase64Unescape(page_token, &plain)) rest = plain;
  if (!absl::ConsumePrefix(&rest, Fingerprint(query)) || rest.empty()) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_PAGE_TOKEN",
        absl::StrCat("page_token \"", page_token,
                     "\" does not belong to this list; ask for the first page "
                     "again, with an empty token"));
  }
  page.after = std::string(rest);
  return page;
}

std::string MakePageToken(absl::string_view last, absl::string_view query) {
  return absl::WebSafeBase64Escape(absl::StrCat(Fingerprint(query), last));
}

}  // namespace baton::rpc
