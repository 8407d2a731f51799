#ifndef DRIVER_SHIM_VFIO_TESTING_FAKE_PROCESSES_H_
#define DRIVER_SHIM_VFIO_TESTING_FAKE_PROCESSES_H_

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "driver-shim/vfio/processes.h"
#include "driver-shim/vfio/testing/fake_qemu.h"

namespace baton::vfio {

// Processes that are QEMUs of this very process. The first one has our own pid.
class FakeProcesses final : public Processes {
 public:
  // How a QEMU that is launched is, given its monitor's socket and its log.
  std::function<FakeQemu::Options(std::string socket, std::string log)> make =
      nullptr;
  bool launches_fail = false;
  std::optional<core::ProcessFacts> facts = core::ProcessFacts();  // of all
  std::optional<core::ProcessFacts> own_facts = core::ProcessFacts();
  std::optional<uint32_t> listened_as = std::nullopt;  // not: as it is now
  std::set<std::string> only_for_root = {};
  int reaches_asked = 0;
  size_t fewest = 100;  // that were left when one was killed
  std::optional<core::Standing> launched_as = std::nullopt;  // the last one
  bool launched_without_places = false;
  int launched = 0;
  bool words_are_others = false;  // of all command lines

  void AddFirst(std::unique_ptr<FakeQemu> qemu, std::vector<std::string> argv) {
    Add(getpid(), std::move(qemu), std::move(argv));
  }

  void Add(int pid, std::unique_ptr<FakeQemu> qemu,
           std::vector<std::string> argv) {
    memories_[pid] = MemoryOf(argv);
    qemus_[pid] = {std::move(qemu), std::move(argv)};
  }

  FakeQemu* Qemu(int pid) {
    const auto found = qemus_.find(pid);
    return found == qemus_.end() ? nullptr : found->second.first.get();
  }
  // The one that was launched last and lives.
  FakeQemu* Last() { return qemus_.empty() ? nullptr : Qemu(LastPid()); }
  int LastPid() const { return qemus_.rbegin()->first; }
  size_t Alive() {
    return static_cast<size_t>(std::count_if(
        qemus_.begin(), qemus_.end(),
        [](const auto& one) { return !one.second.first->ended(); }));
  }

  absl::StatusOr<Process> Launch(const Program& program,
                                 const std::string& log) override {
    if (launches_fail) {
      return ErrorWithReason(absl::StatusCode::kUnavailable,
                             "PROCESS_NOT_STARTED", "no such program");
    }
    launched_as = program.standing;
    launched_without_places = program.without_places;
    const std::vector<std::string>& argv = program.argv;
    std::string socket;
    for (const std::string& word : argv) {
      absl::string_view rest = word;
      if (!absl::ConsumePrefix(&rest, "unix:")) continue;
      socket = std::string(rest.substr(0, rest.find(',')));
    }
    const int pid = getpid() + ++launched;
    Add(pid, std::make_unique<FakeQemu>(make(socket, log)), argv);
    return Process{.pid = pid, .start = 1};
  }

  std::optional<Process> Find(int pid) override {
    const auto found = qemus_.find(pid);
    if (found == qemus_.end() || found->second.first->ended()) {
      return std::nullopt;
    }
    return Process{.pid = pid, .start = 1};
  }

  Program ProgramOf(const Process& process) override {
    const auto found = qemus_.find(process.pid);
    if (found == qemus_.end()) return {};
    return {.argv = found->second.second};
  }

  std::optional<core::ProcessFacts> FactsOf(const Process& process) override {
    if (!Processes::Alive(process)) return std::nullopt;
    return facts;
  }
  std::optional<core::ProcessFacts> OwnFacts() override { return own_facts; }

  std::vector<std::string> OutOfReach(
      const core::Standing& standing,
      const std::vector<std::string>& paths) override {
    ++reaches_asked;
    std::vector<std::string> out;
    for (const std::string& path : paths) {
      if (standing.user != 0 && only_for_root.contains(path)) {
        out.push_back(path);
      }
    }
    return out;
  }

  // By where it listened at first, for all are this very process.
  std::optional<Process> PeerOf(int socket) override {
    sockaddr_un address = {};
    socklen_t size = sizeof address;
    getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size);
    for (const auto& [pid, one] : qemus_) {
      const bool its = one.first->socket() == address.sun_path;
      if (its && !one.first->ended()) return Find(pid);
    }
    return std::nullopt;
  }

  std::optional<uint32_t> PeerUserOf(int socket) override {
    static_cast<void>(socket);
    const uint32_t now = facts.has_value() ? facts->standing.user : 0;
    return listened_as.value_or(now);
  }

  bool HasOpen(const Process& process, int file) override {
    struct stat info = {};
    const auto memory = memories_.find(process.pid);
    return fstat(file, &info) == 0 && memory != memories_.end() &&
           memory->second == std::make_pair(info.st_dev, info.st_ino);
  }

  bool HasLocked(const Process& process, const std::string& path) override {
    static_cast<void>(path);  // each of them has one memory
    FakeQemu* const qemu = Qemu(process.pid);
    return qemu != nullptr && qemu->Has("baton-memory");
  }

  absl::Status AwaitEnd(const Process& process, const Budget& budget) override {
    return Processes::Alive(process) ? budget.Exceeded("its end")
                                     : absl::OkStatus();
  }

  void Kill(const Process& process) override {
    qemus_.erase(process.pid);
    fewest = std::min(fewest, Alive());
  }

  std::vector<Process> WithWord(const std::string& word) override {
    std::vector<Process> found;
    if (words_are_others) return found;
    for (const auto& [pid, one] : qemus_) {
      const auto& argv = one.second;
      if (std::find(argv.begin(), argv.end(), word) == argv.end()) continue;
      if (Find(pid).has_value()) found.push_back({.pid = pid, .start = 1});
    }
    return found;
  }

 private:
  using File = std::pair<dev_t, ino_t>;

  // What its memory's path is now.
  static File MemoryOf(const std::vector<std::string>& argv) {
    struct stat info = {};
    for (const std::string& word : argv) {
      constexpr absl::string_view kPath = "mem-path=";
      const size_t at = word.find(kPath.data());
      if (at == std::string::npos) continue;
      stat(word.substr(at + kPath.size()).c_str(), &info);
    }
    return {info.st_dev, info.st_ino};
  }

  std::map<int, File> memories_;
  std::map<int, std::pair<std::unique_ptr<FakeQemu>, std::vector<std::string>>>
      qemus_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_TESTING_FAKE_PROCESSES_H_
