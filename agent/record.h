#ifndef AGENT_RECORD_H_
#define AGENT_RECORD_H_

#include "agent/core/update.h"
#include "baton/store/v1/agent_records.pb.h"

namespace baton::agent {

// Between the core's Update and what the journal holds. Pure. An update that
// was under way comes back in the phase that Restarted then makes unknown: how
// far it got is for the shim to say.
store::v1::AgentUpdate RecordOf(const core::Update& update);
core::Update UpdateOf(const store::v1::AgentUpdate& record);

}  // namespace baton::agent

#endif  // AGENT_RECORD_H_
