#include "agent/inventory_line.h"

#include <map>

#include "base/digest.h"

namespace baton::agent {
namespace {

// Inventories have no maps: within one process equal ones have equal bytes. 60
// bits tell those of one host apart, and a string holds them in place.
constexpr size_t kDigits = 15;

std::string DigestOf(const v1::Inventory& inventory) {
  const std::string bytes = inventory.SerializeAsString();
  return Xxh3Of(bytes.data(), bytes.size()).ToString().substr(0, kDigits);
}

std::map<std::string, const v1::Adapter*> ByName(
    const v1::Inventory& inventory) {
  std::map<std::string, const v1::Adapter*> adapters;
  for (const v1::Adapter& adapter : inventory.adapters()) {
    adapters[adapter.name()] = &adapter;
  }
  return adapters;
}

void TakeDifference(const v1::Inventory& before, const v1::Inventory& after,
                    v1::InventoryChange& change) {
  auto old = ByName(before);
  for (const auto& [name, adapter] : ByName(after)) {
    const auto found = old.find(name);
    const bool same =
        found != old.end() &&
        found->second->SerializeAsString() == adapter->SerializeAsString();
    if (!same) *change.add_adapters() = *adapter;
    if (found != old.end()) old.erase(found);
  }
  for (const auto& [name, adapter] : old) change.add_gone(name);
  *change.mutable_rest() = after;
  change.mutable_rest()->clear_adapters();
}

}  // namespace

void InventoryLine::Greet(const v1::Inventory& now, v1::AgentHello& hello) {
  std::string digest = DigestOf(now);
  whole_ = !takes_digests_ || !told_.has_value() || digest != digest_;
  if (whole_) *hello.mutable_inventory() = now;
  hello.set_inventory_digest(digest);
  told_ = now;
  digest_ = std::move(digest);
}

void InventoryLine::Welcomed(const v1::AgentWelcome& welcome) {
  // The service may be of another release than the one before.
  takes_digests_ = welcome.has_service_time();
  const bool known = takes_digests_ && welcome.inventory_digest() == digest_;
  if (!whole_ && !known) told_.reset();
}

bool InventoryLine::Tell(const v1::Inventory& now,
                         v1::AgentHeartbeat& heartbeat) {
  std::string digest = DigestOf(now);
  if (told_.has_value() && digest == digest_) return false;
  if (told_.has_value() && takes_digests_) {
    v1::InventoryChange& change = *heartbeat.mutable_change();
    change.set_base(digest_);
    change.set_digest(digest);
    TakeDifference(*told_, now, change);
  } else {
    *heartbeat.mutable_inventory() = now;
    heartbeat.set_inventory_digest(digest);
  }
  told_ = now;
  digest_ = std::move(digest);
  return true;
}

}  // namespace baton::agent
