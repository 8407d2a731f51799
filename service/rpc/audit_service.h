#ifndef SERVICE_RPC_AUDIT_SERVICE_H_
#define SERVICE_RPC_AUDIT_SERVICE_H_

#include "baton/v1/audit.grpc.pb.h"
#include "service/runtime/fleet_loop.h"

namespace baton::rpc {

// Shows who changed what; see audit.proto. Any thread; never blocks.
class AuditService final : public v1::AuditService::CallbackService {
 public:
  // `loop` must outlive every call.
  explicit AuditService(runtime::FleetLoop& loop) : loop_(loop) {}

  grpc::ServerUnaryReactor* ListAuditRecords(
      grpc::CallbackServerContext* context,
      const v1::ListAuditRecordsRequest* request,
      v1::ListAuditRecordsResponse* response) override;

 private:
  runtime::FleetLoop& loop_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_AUDIT_SERVICE_H_
