// baton-agent: one per host. Flags -> Options -> wiring; the loop runs on the
// main thread's child, signals are waited for here.

#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/agent_loop.h"
#include "agent/fetch.h"
#include "agent/host/files.h"
#include "agent/host/gate.h"
#include "agent/host/machine.h"
#include "agent/host/staging.h"
#include "agent/journal.h"
#include "agent/link.h"
#include "agent/options.h"
#include "agent/shim_client.h"
#include "agent/steps.h"
#include "agent/thread_worker.h"
#include "base/clock.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/mailbox.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace baton::agent {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr size_t kMailboxCapacity = 1024;  // messages
constexpr int kReconnectMinMs = 100;
constexpr int kReconnectMaxMs = 2000;
// How long a try to connect may take (GRPC_ARG_MIN_RECONNECT_BACKOFF_MS): the
// service may be far away, and either side busy.
constexpr int kConnectMaxMs = 5000;
constexpr absl::Duration kTurnMax = absl::Seconds(1);

// The mask is inherited by all threads, gRPC's included: only the sigwait() of
// RunLoop() sees these.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

std::shared_ptr<grpc::Channel> DialService(const std::string& target) {
  grpc::ChannelArguments arguments;
  // The link spreads its tries itself; the channel is only not to hold it back.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMaxMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   arguments);
}

std::unique_ptr<Gate> MakeGate(const Options& options) {
  if (options.gate_command.empty()) return std::make_unique<NoGate>();
  return std::make_unique<ExecGate>(
      ExecGate::Options{options.gate_command, options.host,
                        options.root + "/gate.json"},
      RealClock());
}

Link::Options LinkOptions(const Options& options) {
  Link::Options link;
  link.host = "hosts/" + options.host;
  link.boot_id = options.boot_id;
  link.agent_version = kVersion;
  link.labels = options.labels;
  return link;
}

std::vector<std::string> NamesOf(
    const std::map<std::string, std::string>& hooks) {
  std::vector<std::string> names;
  names.reserve(hooks.size());
  for (const auto& [name, path] : hooks) names.push_back(name);
  return names;
}

// Runs until a signal came and nothing is left half-way, or the journal fails.
absl::Status RunLoop(AgentLoop& loop, Mailbox<Message>& mailbox,
                     const sigset_t& signals) {
  absl::Status result = absl::OkStatus();
  std::thread thread([&] {
    while (result.ok() && !loop.Stopped()) result = loop.Turn(kTurnMax);
    kill(getpid(), SIGTERM);  // wakes the wait below
  });
  std::puts("ready");
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  Message stop;
  stop.kind = Message::Kind::kStop;
  while (!mailbox.TryPost(stop)) std::this_thread::yield();
  thread.join();
  return result;
}

absl::Status Run(const Options& options, const sigset_t& signals) {
  RETURN_IF_ERROR(MakeDirectories(options.root));
  ASSIGN_OR_RETURN(const std::unique_ptr<SqliteJournal> journal,
                   SqliteJournal::Open(options.root + "/journal.db"));
  ASSIGN_OR_RETURN(core::Update update, journal->Load());
  // What is under way goes on without; nothing begins.
  if (const absl::Status reserved = journal->Reserve(); !reserved.ok()) {
    LogWarning(reserved.message());
  }
  const std::shared_ptr<grpc::Channel> service = DialService(options.service);
  ServiceFetcher fetcher(service, RealClock());
  Staging staging(options.root, fetcher, RealClock());
  RETURN_IF_ERROR(staging.SetUp());
  if (!options.installed.empty()) {
    RETURN_IF_ERROR(staging.Install(options.installed));
  }
  ShimClient shim({options.shim});
  const std::unique_ptr<Gate> gate = MakeGate(options);
  LinuxMachine machine({.host = options.host, .hooks = options.hooks},
                       RealClock());
  Steps steps({RealClock(), shim, *gate, staging, machine});

  Mailbox<Message> mailbox(kMailboxCapacity);
  // A mailbox that is full wakes the loop as well as one more message would.
  ThreadWorker worker(steps, [&] { (void)mailbox.TryPost(Message{}); });
  Link link(
      LinkOptions(options), service, RealClock(), RealRandom(),
      [&](FromService news) {
        return mailbox.TryPost({Message::Kind::kService, std::move(news)});
      });
  AgentLoop loop({.hooks = NamesOf(options.hooks), .boot_id = options.boot_id},
                 std::move(update),
                 {RealClock(), RealRandom(), *journal, link, worker}, mailbox);
  LogInfo(absl::StrCat("agent of '", options.host, "', service '",
                       options.service, "', shim '", options.shim, "'"));
  return RunLoop(loop, mailbox, signals);
}

int Main(int argc, char** argv) {
  if (argc == 2 && absl::string_view(argv[1]) == "--fail-points") {
    for (const std::string& name : FailPointNames()) std::puts(name.c_str());
    return 0;
  }
  const absl::StatusOr<Options> options = ParseOptions(argc, argv);
  if (!options.ok()) {
    std::fprintf(stderr, "baton-agent: %s\nRun with --help for the flags.\n",
                 std::string(options.status().message()).c_str());
    return 2;
  }
  if (!options->text.empty()) {
    std::fputs(options->text.c_str(), stdout);
    return 0;
  }
  const sigset_t signals = BlockSignals();
  absl::Status result = StartLog("baton-agent", options->log_level);
  if (result.ok()) result = Run(*options, signals);
  if (result.ok()) return 0;
  std::fprintf(stderr, "baton-agent: %s\n", result.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace baton::agent

int main(int argc, char** argv) { return baton::agent::Main(argc, argv); }
