#include "service/runtime/outbox.h"

#include <optional>
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
  sent_.erase(host);
}

void Outbox::Flush(const core::Fleet& fleet, const core::Changes& changes) {
  for (const std::string& host : changes.hosts) FlushHost(fleet, host);
  for (const std::string& host : changes.seen_hosts) FlushHost(fleet, host);
  for (const auto& [rollout, host] : changes.updates) FlushHost(fleet, host);
}

void Outbox::Repeat(const core::Fleet& fleet) {
  if (fleet.now - repeated_at_ < repeat_) return;
  repeated_at_ = fleet.now;
  for (auto& [host, sent] : sent_) {
    if (fleet.now - sent.at < repeat_) continue;
    // Another one than was sent, where the epoch has grown meanwhile.
    std::optional<core::Order> order = core::OrderFor(fleet, host);
    if (order.has_value()) Send(fleet, host, *std::move(order));
  }
}

void Outbox::Send(const core::Fleet& fleet, const std::string& host,
                  core::Order order) {
  sent_[host] = {order, fleet.now};
  if (order.kind == core::OrderKind::kStart) {
    order.not_after = fleet.now + 2 * repeat_;
  }
  streams_.at(host).link->Send(order);
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
    sent_.erase(host);
    return;
  }
  std::optional<core::Order> order = core::OrderFor(fleet, host);
  if (!order.has_value()) {
    sent_.erase(host);
    return;
  }
  const auto sent = sent_.find(host);
  if (sent != sent_.end() && sent->second.order == *order) return;
  Send(fleet, host, *std::move(order));
}

}  // namespace baton::runtime
