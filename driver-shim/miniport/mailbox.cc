#include "driver-shim/miniport/mailbox.h"

#include <cstring>

#include "driver-shim/softgpu/doorbell.h"

namespace baton::miniport {
namespace {

// A request, copied before it is looked at, and what to answer.
struct Exchange {
  uint32_t opcode = 0;
  uint64_t arguments[SOFTGPU_MAILBOX_WORDS] = {};
  uint32_t status = SOFTGPU_MAILBOX_OK;
  uint64_t results[SOFTGPU_MAILBOX_WORDS] = {};

  // Handles and indexes have 32 bits; a larger number names nothing.
  uint32_t Name() const {
    return arguments[0] <= UINT32_MAX ? static_cast<uint32_t>(arguments[0])
                                      : UINT32_MAX;
  }
};

void CreateContext(Exchange* exchange, GuestState* state,
                   softgpu_function* control) {
  uint32_t index = 0;
  uint32_t tag = 0;
  exchange->status = state->CreateContext(&index, &tag);
  if (exchange->status != SOFTGPU_MAILBOX_OK) return;
  softgpu_write32(&control->contexts[index].tag, tag);
  softgpu_write32(&control->contexts[index].valid, 1);
  exchange->results[0] = index;
  exchange->results[1] = tag;
}

void DestroyContext(Exchange* exchange, GuestState* state,
                    softgpu_function* control) {
  exchange->status = state->DestroyContext(exchange->Name());
  if (exchange->status != SOFTGPU_MAILBOX_OK) return;
  softgpu_write32(&control->contexts[exchange->Name()].valid, 0);
  softgpu_write32(&control->contexts[exchange->Name()].tag, 0);
}

// Scans the whole state: the guest asks it rarely.
void Info(Exchange* exchange, const GuestState& state) {
  Logical logical;
  state.Export(&logical);
  exchange->results[0] = logical.allocations_count;
  for (uint32_t i = 0; i < logical.allocations_count; ++i) {
    exchange->results[1] += logical.allocations[i].bytes;
  }
  for (const Context& context : logical.table.contexts) {
    exchange->results[2] += context.valid;
  }
}

void Carry(Exchange* exchange, GuestState* state, softgpu_function* control) {
  Allocation allocation;
  switch (exchange->opcode) {
    case SOFTGPU_MAILBOX_ALLOCATE:
      exchange->status = state->Allocate(exchange->arguments[0], &allocation);
      exchange->results[0] = allocation.handle;
      exchange->results[1] = allocation.offset;
      return;
    case SOFTGPU_MAILBOX_FREE:
      exchange->status = state->Free(exchange->Name());
      return;
    case SOFTGPU_MAILBOX_QUERY:
      exchange->status = state->Query(exchange->Name(), &allocation);
      exchange->results[0] = allocation.offset;
      exchange->results[1] = allocation.bytes;
      return;
    case SOFTGPU_MAILBOX_CREATE_CONTEXT:
      return CreateContext(exchange, state, control);
    case SOFTGPU_MAILBOX_DESTROY_CONTEXT:
      return DestroyContext(exchange, state, control);
    case SOFTGPU_MAILBOX_INFO:
      return Info(exchange, *state);
    case SOFTGPU_MAILBOX_SIGNAL_FENCE:
      exchange->status =
          state->SignalFence(exchange->Name(), exchange->arguments[1]);
      return;
    case SOFTGPU_MAILBOX_QUERY_FENCE:
      exchange->status =
          state->QueryFence(exchange->Name(), &exchange->results[0]);
      return;
  }
  exchange->status = SOFTGPU_MAILBOX_INVALID;
}

}  // namespace

bool ServeMailbox(GuestState* state, uint64_t* sequence,
                  softgpu_function* control, softgpu_mailbox* mailbox) {
  const uint64_t requested = softgpu_read64(&mailbox->request_sequence);
  if (requested == softgpu_read64(&mailbox->response_sequence)) return false;
  Exchange exchange;
  if (requested != *sequence + 1) {
    exchange.status = SOFTGPU_MAILBOX_SEQUENCE;
  } else {
    exchange.opcode = mailbox->opcode;
    std::memcpy(exchange.arguments, mailbox->arguments,
                sizeof(exchange.arguments));
    Carry(&exchange, state, control);
    *sequence = requested;
  }
  mailbox->status = exchange.status;
  std::memcpy(mailbox->results, exchange.results, sizeof(exchange.results));
  softgpu_write64(&mailbox->response_sequence, requested);
  softgpu_ring(&mailbox->response_doorbell);
  return true;
}

}  // namespace baton::miniport
