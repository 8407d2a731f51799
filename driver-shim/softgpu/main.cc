// baton-softgpu: a software GPU, in a process of its own as hardware would be.

#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "base/log.h"
#include "driver-shim/softgpu/board.h"

namespace baton::softgpu {
namespace {

constexpr uint64_t kMebibyte = 1 << 20;

struct Flags {
  Board::Options board = {};
  uint64_t vram_mib = 64;
  int ready_fd = STDOUT_FILENO;
  std::string log_level = "info";
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("--dir", flags.board.directory,
                 "where the device's files are made, such as "
                 "/dev/shm/baton/gpu0")
      ->required();
  app.add_option("--functions", flags.board.functions,
                 "virtual functions the board has, 1 to 64");
  app.add_option("--vram-mib", flags.vram_mib,
                 "VRAM of the board per virtual function, in MiB")
      ->check(CLI::Range(1, 65536));
  app.add_option("--board-revision", flags.board.board_revision,
                 "the strap register");
  app.add_option("--model", flags.board.model, "the model's name");
  app.add_option("--ready-fd", flags.ready_fd,
                 "descriptor that receives the line \"ready\"");
  app.add_option("--log-level", flags.log_level,
                 "debug, info, warning or error");
}

int Run(const Flags& flags) {
  // Blocked before any thread exists, so that sigwait alone receives them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  Board::Options options = flags.board;
  options.vram_bytes = flags.vram_mib * kMebibyte * options.functions;
  auto board = Board::Create(options);
  if (!board.ok()) {
    LogError(board.status().message());
    return 1;
  }
  LogInfo("device '" + options.directory + "' is ready");
  if (dprintf(flags.ready_fd, "ready\n") < 0) {
    LogWarning("nobody reads that the device is ready");
  }
  int received = 0;
  sigwait(&signals, &received);
  return 0;
}

int Main(int argc, char** argv) {
  CLI::App app("A software SR-IOV GPU. Runs until SIGTERM or SIGINT.",
               "baton-softgpu");
  Flags flags;
  Declare(app, flags);
  CLI11_PARSE(app, argc, argv);
  if (const absl::Status log = StartLog("baton-softgpu", flags.log_level);
      !log.ok()) {
    std::fprintf(stderr, "%s\n", std::string(log.message()).c_str());
    return 2;
  }
  return Run(flags);
}

}  // namespace
}  // namespace baton::softgpu

int main(int argc, char** argv) {
  try {
    return baton::softgpu::Main(argc, argv);
  } catch (const std::exception& error) {  // of the library that reads flags
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
