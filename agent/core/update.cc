#include "agent/core/update.h"

namespace baton::agent::core {

bool Active(const Update& update) {
  return update.phase != Phase::kIdle && update.phase != Phase::kEnded;
}

bool Unacknowledged(const Update& update) {
  return update.phase == Phase::kEnded && update.acknowledged < update.sequence;
}

}  // namespace baton::agent::core
