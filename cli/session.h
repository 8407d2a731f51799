#ifndef CLI_SESSION_H_
#define CLI_SESSION_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "cli/connect.h"
#include "cli/exit_code.h"
#include "cli/hints.h"
#include "cli/render/live_view.h"
#include "cli/render/table.h"
#include "google/protobuf/message.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace baton::cli {

// What kind of thing standard output is.
enum class Sink { kPipe, kTerminal };

// The world around one run of `baton`. main() has the real one, tests fakes.
struct Surroundings {
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;
  Sink sink = Sink::kPipe;
  // Only what is read: BATON_SERVER, BATON_USER, NO_COLOR, TERM.
  std::map<std::string, std::string> environment = {};
  std::string login = "";  // of whoever runs it
  // The terminal as it is now; its colour is not used.
  std::function<Canvas()> canvas = [] { return Canvas(); };
  // Asks whoever sits there, who may say no. Null: nobody does.
  std::function<bool(const std::string& question)> ask = nullptr;
  const Clock* clock = nullptr;
  Random* random = nullptr;
  std::function<std::shared_ptr<grpc::Channel>(const std::string&)> dial = Dial;
  // From the call on, Ctrl-C sets what is returned instead of ending the
  // process.
  std::function<const std::atomic<bool>&()> catch_interrupt = nullptr;
};

enum class Output { kTable, kWide, kJson, kYaml };

// The global flags.
struct Settings {
  std::string server = kDefaultServer;
  std::string command = "baton";  // this program with the flags it needs again
  std::string user = "";
  Output output = Output::kTable;
  Colour colour = Colour::kNever;
  bool quiet = false;
  std::optional<absl::Duration> timeout = std::nullopt;
};

// One command's run: talks to the service, writes results. Confined to one
// thread; each call blocks until it is answered or too late.
class Session {
 public:
  // How long a call may take when --timeout does not say.
  static constexpr absl::Duration kCallTimeout = absl::Seconds(30);

  // `surroundings` outlives the session.
  Session(Settings settings, const Surroundings& surroundings);

  const Settings& settings() const { return settings_; }
  const Surroundings& surroundings() const { return surroundings_; }
  std::ostream& out() { return *surroundings_.out; }
  std::ostream& err() { return *surroundings_.err; }

  Look look() const;

  // The channel, dialled at the first call.
  std::shared_ptr<grpc::Channel> channel();

  // Whether the service was, or was about to be, asked anything.
  bool has_asked() const { return channel_ != nullptr; }

  // A stub of Service, e.g. v1::FleetService.
  template <typename Service>
  std::unique_ptr<typename Service::Stub> Stub() {
    return Service::NewStub(channel());
  }

  // Remembers what is asked for, so that hints can name it.
  void set_subject(std::string name) { subject_ = std::move(name); }

  HintContext hint_context() const { return {settings_.command, subject_}; }

  // Prepares a context; `fallback` holds unless --timeout was given.
  void Prepare(grpc::ClientContext& context, absl::Duration fallback) const;

  // Calls one method.
  //
  // Errors: the service's, and SERVICE_AWAY, NO_ANSWER_IN_TIME
  template <typename StubType, typename Base, typename Request,
            typename Response>
  absl::StatusOr<Response> Call(
      const std::unique_ptr<StubType>& stub,
      grpc::Status (Base::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request) const {
    grpc::ClientContext context;
    Prepare(context, kCallTimeout);
    Response response;
    const grpc::Status status = (*stub.*method)(&context, request, &response);
    RETURN_IF_ERROR(Understand(status, settings_.server));
    return response;
  }

  // Calls a list method until the last page, and returns all pages as one.
  // Errors as Call().
  template <typename StubType, typename Base, typename Request,
            typename Response>
  absl::StatusOr<Response> CallAllPages(
      const std::unique_ptr<StubType>& stub,
      grpc::Status (Base::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      Request request) const {
    Response all;
    do {
      ASSIGN_OR_RETURN(Response page, Call(stub, method, request));
      request.set_page_token(page.next_page_token());
      page.clear_next_page_token();
      all.MergeFrom(page);
    } while (!request.page_token().empty());
    return all;
  }

  // A string that no other call has.
  std::string NewRequestId() const;

  // Writes a result: `message` for programs, `text` for people, `names` (one a
  // line) when only they are wanted.
  void Show(const google::protobuf::Message& message, const std::string& text,
            const std::string& names);

  // Whether results are for people: a table, and not a tree.
  bool IsForPeople() const {
    return settings_.output == Output::kTable ||
           settings_.output == Output::kWide;
  }

  // Writes one message of a stream for programs, if they are to have it.
  void ShowMessage(const google::protobuf::Message& message);

  // Writes a line for people to stderr, unless --quiet.
  void Say(const std::string& line);

 private:
  const Settings settings_;
  const Surroundings& surroundings_;
  std::shared_ptr<grpc::Channel> channel_;
  std::string subject_;
};

// What a parsed command line will do.
using Action = std::function<absl::StatusOr<ExitCode>(Session&)>;

}  // namespace baton::cli

#endif  // CLI_SESSION_H_
