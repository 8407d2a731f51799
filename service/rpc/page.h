#ifndef SERVICE_RPC_PAGE_H_
#define SERVICE_RPC_PAGE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace baton::rpc {

// Pages of lists. A token names the last entry that was returned, so a page
// never repeats one, nor misses one that stayed, whatever changes in between.

// Which part of a list is asked for.
struct Page {
  size_t size = 0;         // entries, 1 to 1000
  std::string after = "";  // key of the entry before the first; empty: none
};

// `page_size`, `page_token`  from the request
// `query`  what else the request says of which entries it wants: a token is
//          good only for the list that it came from
//
// Errors: INVALID_ARGUMENT
//   BAD_PAGE_SIZE   negative, or over 1000
//   BAD_PAGE_TOKEN  we never gave it out for this query
absl::StatusOr<Page> ParsePage(int32_t page_size, const std::string& page_token,
                               absl::string_view query);

// Returns the token that asks for what comes after `last`.
std::string MakePageToken(absl::string_view last, absl::string_view query);

// How many bytes a page holds at most, its last entry aside: clients take 4
// MiB.
inline constexpr size_t kPageBytesMax = size_t{2} << 20;

// Calls `add`, which returns how many bytes it added, for each entry of `page`:
// those of `entries` that `wanted` takes. Returns the next page's token; empty
// on the last page. A page ends early when it becomes too large.
//
// `entries`  a map from names
template <typename Entries>
std::string ForPage(
    const Page& page, const Entries& entries, absl::string_view query,
    const std::function<bool(const typename Entries::mapped_type&)>& wanted,
    const std::function<size_t(const typename Entries::value_type&)>& add) {
  size_t added = 0;
  size_t bytes = 0;
  std::string last;
  for (auto it = entries.upper_bound(page.after); it != entries.end(); ++it) {
    if (!wanted(it->second)) continue;
    if (added == page.size || bytes >= kPageBytesMax) {
      return MakePageToken(last, query);
    }
    bytes += add(*it);
    last = it->first;
    ++added;
  }
  return "";
}

}  // namespace baton::rpc

#endif  // SERVICE_RPC_PAGE_H_
