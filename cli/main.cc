#include <pwd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "cli/app.h"

namespace baton::cli {
namespace {

std::atomic<bool> interrupted = false;

const std::atomic<bool>& CatchInterrupt() {
  struct sigaction action = {};
  action.sa_handler = [](int) { interrupted = true; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  return interrupted;
}

// Called before any thread is started.
std::string Environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return value == nullptr ? "" : value;
}

// Called before any thread is started.
std::string Login() {
  const passwd* entry = getpwuid(getuid());  // NOLINT(concurrency-mt-unsafe)
  return entry == nullptr ? "" : entry->pw_name;
}

bool IsUtf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    const std::string value = absl::AsciiStrToLower(Environment(name));
    if (value.empty()) continue;
    return absl::StrContains(value, "utf-8") ||
           absl::StrContains(value, "utf8");
  }
  return false;
}

// `columns` is what COLUMNS says; 0: nothing.
Canvas TerminalCanvas(int columns, Glyphs glyphs) {
  Canvas canvas;
  canvas.glyphs = glyphs;
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    canvas.columns = size.ws_col;
    canvas.rows = size.ws_row;
  }
  if (columns > 0) canvas.columns = columns;
  canvas.columns = std::max(canvas.columns, 20);
  canvas.rows = std::max(canvas.rows, 5);
  return canvas;
}

// Anything but a yes is a no.
bool Ask(const std::string& question) {
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

Surroundings RealSurroundings() {
  Surroundings real;
  real.out = &std::cout;
  real.err = &std::cerr;
  real.sink = isatty(STDOUT_FILENO) != 0 ? Sink::kTerminal : Sink::kPipe;
  for (const char* name : {"BATON_SERVER", "BATON_USER", "NO_COLOR", "TERM"}) {
    real.environment[name] = Environment(name);
  }
  real.login = Login();
  int columns = 0;
  if (!absl::SimpleAtoi(Environment("COLUMNS"), &columns)) columns = 0;
  const Glyphs glyphs = IsUtf8() ? Glyphs::kUnicode : Glyphs::kAscii;
  real.canvas = [columns, glyphs] { return TerminalCanvas(columns, glyphs); };
  if (isatty(STDIN_FILENO) != 0) real.ask = Ask;
  real.clock = &RealClock();
  real.random = &RealRandom();
  real.catch_interrupt = CatchInterrupt;
  return real;
}

}  // namespace
}  // namespace baton::cli

int main(int argc, char** argv) {
  return baton::cli::RunCli(std::vector<std::string>(argv + 1, argv + argc),
                            baton::cli::RealSurroundings());
}
