#ifndef AGENT_INVENTORY_LINE_H_
#define AGENT_INVENTORY_LINE_H_

#include <optional>
#include <string>

#include "baton/v1/agent.pb.h"
#include "baton/v1/fleet.pb.h"

namespace baton::agent {

// What to tell the service of the inventory: nothing where it has it already,
// a difference where it has the one before, and all of it only where it must
// be. Outlives streams, so that thousands of agents that come back at once to a
// service that was restarted do not all tell all again. Confined to one thread.
class InventoryLine {
 public:
  // Puts into the hello of a new stream what it is to say of `now`.
  void Greet(const v1::Inventory& now, v1::AgentHello& hello);

  // Takes what the service said to it.
  void Welcomed(const v1::AgentWelcome& welcome);

  // Puts into `heartbeat` what became of the inventory since. Returns false
  // when nothing did. Only after Welcomed().
  bool Tell(const v1::Inventory& now, v1::AgentHeartbeat& heartbeat);

 private:
  // That was told last; none when the service may have another one.
  std::optional<v1::Inventory> told_ = std::nullopt;
  std::string digest_ = "";     // of what was told, or named, last
  bool whole_ = false;          // the last hello had all of it
  bool takes_digests_ = false;  // what the service's release does
};

}  // namespace baton::agent

#endif  // AGENT_INVENTORY_LINE_H_
