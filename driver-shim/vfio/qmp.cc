#include "driver-shim/vfio/qmp.h"

#include <poll.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/core/shallow_json.h"

namespace baton::vfio {
namespace {

// How often a migration is asked about.
constexpr absl::Duration kAskAgain = absl::Milliseconds(2);

int NumberIn(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<int>() : 0;
}

Json ObjectIn(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_object() ? *found : Json::object();
}

}  // namespace

std::string TextIn(const Json& json, const char* name) {
  const auto found = json.find(name);  // none in what is no object
  return found != json.end() && found->is_string() ? found->get<std::string>()
                                                   : "";
}

absl::StatusOr<std::unique_ptr<Qmp>> Qmp::Connect(const std::string& path,
                                                  const Budget& budget) {
  ASSIGN_OR_RETURN(LineSocket socket, LineSocket::Connect(path));
  auto qmp = absl::WrapUnique(new Qmp(std::move(socket)));
  ASSIGN_OR_RETURN(const Json greeting, qmp->Receive(budget));
  const Json version =
      ObjectIn(ObjectIn(ObjectIn(greeting, "QMP"), "version"), "qemu");
  qmp->version_ = {NumberIn(version, "major"), NumberIn(version, "minor")};
  RETURN_IF_ERROR(
      qmp->Run("qmp_capabilities", Json::object(), budget).status());
  return qmp;
}

absl::StatusOr<Json> Qmp::Receive(const Budget& budget) {
  ASSIGN_OR_RETURN(const std::string line, socket_.Receive(budget));
  std::optional<Json> json = core::ParseShallow(line);
  if (json.has_value()) return *std::move(json);
  return ErrorWithReason(absl::StatusCode::kUnavailable, "SOCKET_CLOSED",
                         "what answers is no QMP monitor");
}

absl::StatusOr<Json> Qmp::Ask(const std::string& command, const Json& arguments,
                              int fd, const Budget& budget) {
  const uint64_t id = ++asked_;
  Json request = {{"execute", command}, {"id", id}};
  if (!arguments.empty()) request["arguments"] = arguments;
  // A command line's bytes need not be text.
  const std::string text =
      request.dump(-1, ' ', false, Json::error_handler_t::replace);
  RETURN_IF_ERROR(socket_.Send(text, fd, budget));
  while (true) {
    ASSIGN_OR_RETURN(const Json answer, Receive(budget));
    const auto to = answer.find("id");
    if (to == answer.end() || *to != Json(id)) continue;
    if (answer.contains("return")) return answer["return"];
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "QMP_REFUSED",
        absl::StrCat("QEMU refuses '", command,
                     "': ", TextIn(ObjectIn(answer, "error"), "desc")));
  }
}

absl::StatusOr<Json> Qmp::Run(const std::string& command, const Json& arguments,
                              const Budget& budget) {
  return Ask(command, arguments, -1, budget);
}

absl::Status Qmp::Give(const std::string& name, int fd, const Budget& budget) {
  return Ask("getfd", {{"fdname", name}}, fd, budget).status();
}

absl::StatusOr<std::string> Qmp::Status(const Budget& budget) {
  ASSIGN_OR_RETURN(const Json status,
                   Run("query-status", Json::object(), budget));
  return TextIn(status, "status");
}

absl::Status Qmp::AwaitMigration(const Budget& budget) {
  while (true) {
    ASSIGN_OR_RETURN(const Json answer,
                     Run("query-migrate", Json::object(), budget));
    const std::string status = TextIn(answer, "status");
    if (status == "completed") return absl::OkStatus();
    if (status == "failed" || status == "cancelled") {
      return ErrorWithReason(
          absl::StatusCode::kFailedPrecondition, "MIGRATION_FAILED",
          absl::StrCat("QEMU says that the migration ", status,
                       status == "failed" ? ": " : "",
                       TextIn(answer, "error-desc")));
    }
    if (budget.Left() == absl::ZeroDuration()) {
      return budget.Exceeded("a migration");
    }
    poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(kAskAgain)));
  }
}

}  // namespace baton::vfio
