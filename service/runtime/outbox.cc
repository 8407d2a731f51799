#include "service/runtime/outbox.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::runtime {

void Outbox::Attach(const std::string& host, uint64_t stream,
                    std::shared_ptr<Link> link) {
  Stream& slot = streams_[host];
  if (slot.link != nullptr) {
    slot.link->Close(
        ErrorWithReason(absl::StatusCode::kAborted, "STREAM_REPLACED",
                        absl::StrCat("'", host, "' opened another stream")));
  }
  slot = Stream{stream, std::move(link)};
}

void Outbox::Flush(const core::Fleet& fleet, const core::Changes& changes) {
  for (const std::string& host : changes.hosts) FlushHost(fleet, host);
  for (const std::string& host : changes.seen_hosts) FlushHost(fleet, host);
  for (const auto& [rollout, host] : changes.updates) FlushHost(fleet, host);
}

void Outbox::Repeat(const core::Fleet& fleet) {
  if (fleet.now - repeated_at_ < repeat_) return;
  repeated_at_ = fleet.now;
  for (auto& [host, stream] : streams_) {
    if (!stream.sent.has_value()) continue;
    if (fleet.now - stream.sent_at < repeat_) continue;
    if (core::OrderFor(fleet, host) != stream.sent) continue;
    stream.link->Send(*stream.sent);
    stream.sent_at = fleet.now;
  }
}

void Outbox::FlushHost(const core::Fleet& fleet, const std::string& host) {
  const auto found = streams_.find(host);
  if (found == streams_.end()) return;
  Stream& stream = found->second;
  const core::Host* known = core::FindHost(fleet, host);
  if (known == nullptr || known->stream != stream.number) {
    stream.link->Close(ErrorWithReason(
        absl::StatusCode::kDeadlineExceeded, "HEARTBEAT_LOST",
        absl::StrCat("nothing was heard of '", host, "' for too long")));
    streams_.erase(found);
    return;
  }
  std::optional<core::Order> order = core::OrderFor(fleet, host);
  if (order == stream.sent) return;
  stream.sent = std::move(order);
  stream.sent_at = fleet.now;
  if (stream.sent.has_value()) stream.link->Send(*stream.sent);
}

}  // namespace baton::runtime
