#include "cli/session.h"

#include "absl/strings/str_format.h"
#include "cli/render/tree.h"

namespace baton::cli {

Session::Session(Settings settings, const Surroundings& surroundings)
    : settings_(std::move(settings)), surroundings_(surroundings) {}

Look Session::look() const {
  return {settings_.output == Output::kWide ? Detail::kWide : Detail::kTable,
          settings_.colour};
}

std::shared_ptr<grpc::Channel> Session::channel() {
  if (channel_ == nullptr) channel_ = surroundings_.dial(settings_.server);
  return channel_;
}

void Session::Prepare(grpc::ClientContext& context,
                      absl::Duration fallback) const {
  cli::Prepare(settings_.user, settings_.timeout.value_or(fallback), context);
}

std::string Session::NewRequestId() const {
  return absl::StrFormat("%016x%016x", surroundings_.random->Bits(),
                         surroundings_.random->Bits());
}

void Session::Show(const google::protobuf::Message& message,
                   const std::string& text, const std::string& names) {
  switch (settings_.output) {
    case Output::kTable:
    case Output::kWide:
      out() << (settings_.quiet ? names : text);
      break;
    case Output::kJson:
      out() << Json(message);
      break;
    case Output::kYaml:
      out() << Yaml(message);
      break;
  }
  out().flush();
}

void Session::ShowMessage(const google::protobuf::Message& message) {
  if (settings_.output == Output::kJson) {
    out() << JsonLine(message) << std::endl;
  } else if (settings_.output == Output::kYaml) {
    out() << "---\n" << Yaml(message) << std::flush;
  }
}

void Session::Say(const std::string& line) {
  if (!settings_.quiet) err() << line << std::endl;
}

}  // namespace baton::cli
