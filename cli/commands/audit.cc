#include "cli/render/audit.h"

#include "baton/v1/audit.grpc.pb.h"
#include "cli/commands/commands.h"

namespace baton::cli {
namespace {

absl::StatusOr<ExitCode> List(const std::string& resource, Session& session) {
  v1::ListAuditRecordsRequest request;
  request.set_resource(resource);
  ASSIGN_OR_RETURN(
      const v1::ListAuditRecordsResponse records,
      session.CallAllPages(session.Stub<v1::AuditService>(),
                           &v1::AuditService::StubInterface::ListAuditRecords,
                           request));
  std::string sequences;
  for (const v1::AuditRecord& record : records.records()) {
    sequences += std::to_string(record.sequence()) + "\n";
  }
  session.Show(records, AuditTable(records, session.look()), sequences);
  return ExitCode::kOk;
}

}  // namespace

void AddAuditCommands(CLI::App& app, Action& action) {
  CLI::App* audit = app.add_subcommand("audit", "Who changed what");
  audit->require_subcommand(1);
  CLI::App* list = audit->add_subcommand("list", "List changes, oldest first");
  auto resource = std::make_shared<std::string>();
  list->add_option("--resource", *resource,
                   "Only changes of this resource, e.g. rollouts/r1");
  list->callback([&action, resource] {
    action = [resource](Session& s) { return List(*resource, s); };
  });
}

}  // namespace baton::cli
