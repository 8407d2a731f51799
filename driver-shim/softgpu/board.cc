#include "driver-shim/softgpu/board.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/softgpu/doorbell.h"

namespace baton::softgpu {
namespace {

constexpr uint64_t kPage = 4096;

absl::Status CheckOptions(const Board::Options& options) {
  std::string wrong;
  if (options.directory.empty()) {
    wrong = "directory '' is empty";
  } else if (options.functions < 1 ||
             options.functions > SOFTGPU_FUNCTIONS_MAX) {
    wrong = absl::StrCat("functions got ", options.functions, ", want 1 to ",
                         SOFTGPU_FUNCTIONS_MAX);
  } else if (options.vram_bytes == 0 || options.vram_bytes % kPage != 0) {
    wrong = absl::StrCat("vram bytes got ", options.vram_bytes,
                         ", want a multiple of ", kPage);
  } else if (options.model.size() >= sizeof(softgpu_pf::model)) {
    wrong =
        absl::StrCat("model '", options.model, "' got ", options.model.size(),
                     " bytes, want at most ", sizeof(softgpu_pf::model) - 1);
  }
  if (wrong.empty()) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "DEVICE_OPTION",
                         wrong);
}

absl::Status CannotMake(const std::string& path) {
  return ErrorWithReason(
      absl::StatusCode::kUnavailable, "DEVICE_FILE",
      absl::StrCat("device file '", path, "' cannot be made: ",
                   std::generic_category().message(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Board>> Board::Create(const Options& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  std::unique_ptr<Board> board(new Board(options));
  RETURN_IF_ERROR(board->MakeDirectory());
  RETURN_IF_ERROR(board->MakeFiles());
  board->Strap();
  board->control_thread_ = std::thread([raw = board.get()] { raw->Run(); });
  return board;
}

Board::~Board() {
  stopping_ = true;
  if (control_thread_.joinable()) {
    softgpu_ring(&pf()->control_doorbell);
    control_thread_.join();
  }
  engines_.clear();
  // Before the files go, so that nobody finds a part of them unlocked.
  if (lock_fd_ >= 0) {
    RemoveFiles();
    close(lock_fd_);
  }
  if (interrupt_fd_ >= 0) close(interrupt_fd_);
}

absl::Status Board::MakeDirectory() {
  if (mkdir(options_.directory.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return CannotMake(options_.directory);
  }
  const std::string path = PathOf("pid");
  const int fd =
      open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) return CannotMake(path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "DEVICE_IN_USE",
        absl::StrCat("device directory '", options_.directory,
                     "' is used by another device process"));
  }
  lock_fd_ = fd;
  const std::string pid = absl::StrCat(getpid(), "\n");
  if (ftruncate(fd, 0) != 0 ||
      write(fd, pid.data(), pid.size()) != static_cast<ssize_t>(pid.size())) {
    return CannotMake(path);
  }
  return absl::OkStatus();
}

absl::Status Board::MakeFiles() {
  // Whatever a board that was killed left behind.
  for (const char* name : {"pf", "vram", "irq"}) unlink(PathOf(name).c_str());
  for (uint32_t n = 0; n < SOFTGPU_FUNCTIONS_MAX; ++n) {
    unlink(PathOf(absl::StrCat("vf", n)).c_str());
  }
  ASSIGN_OR_RETURN(pf_, MappedFile::Create(PathOf("pf"), sizeof(softgpu_pf)));
  ASSIGN_OR_RETURN(vram_,
                   MappedFile::Create(PathOf("vram"), options_.vram_bytes));
  for (uint32_t n = 0; n < options_.functions; ++n) {
    ASSIGN_OR_RETURN(auto vf, MappedFile::Create(PathOf(absl::StrCat("vf", n)),
                                                 sizeof(softgpu_vf)));
    vfs_.push_back(std::move(vf));
  }
  const std::string line = PathOf("irq");
  if (mkfifo(line.c_str(), S_IRUSR | S_IWUSR) != 0) return CannotMake(line);
  // For reading, too: then bytes stay in it while no driver is loaded.
  interrupt_fd_ = open(line.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  return interrupt_fd_ < 0 ? CannotMake(line) : absl::OkStatus();
}

void Board::Strap() {
  for (uint32_t n = 0; n < options_.functions; ++n) {
    vf(n)->magic = SOFTGPU_MAGIC;
    vf(n)->function = n;
  }
  softgpu_pf* registers = pf();
  registers->registers_version = SOFTGPU_REGISTERS_VERSION;
  registers->vendor_id = SOFTGPU_VENDOR_ID;
  registers->device_id = SOFTGPU_DEVICE_ID;
  registers->board_revision = options_.board_revision;
  registers->functions_max = options_.functions;
  registers->vram_bytes = options_.vram_bytes;
  std::memcpy(registers->model, options_.model.data(), options_.model.size());
  // Last: whoever sees it finds the rest.
  softgpu_write32(&registers->magic, SOFTGPU_MAGIC);
}

void Board::Run() {
  while (!stopping_) {
    const uint32_t doorbell = softgpu_read32(&pf()->control_doorbell);
    FollowControl();
    if (!stopping_) softgpu_wait(&pf()->control_doorbell, doorbell, -1);
  }
}

void Board::FollowControl() {
  for (uint32_t n = 0; n < options_.functions; ++n) {
    const bool wanted = softgpu_read32(&pf()->functions[n].enable) != 0;
    const bool there = engines_.find(n) != engines_.end();
    if (wanted && !there) Enable(n);
    if (!wanted && there) Disable(n);
  }
  FollowRequests();
}

// All engines stop, or start, before one of them costs more than that.
void Board::FollowRequests() {
  std::vector<Engine*> started;
  for (const auto& [n, engine] : engines_) {
    const std::optional<Engine::Change> change = engine->TryFollow();
    if (!change.has_value()) softgpu_ring(&vf(n)->doorbell);
    if (change == Engine::Change::kStarted) started.push_back(engine.get());
  }
  for (Engine* engine : started) engine->Announce();
}

void Board::Enable(uint32_t function) {
  softgpu_function* control = &pf()->functions[function];
  if (!WindowIsGood(function) ||
      !vram_->Scrub(control->window_base, control->window_bytes).ok()) {
    softgpu_write32(&control->enable, 0);  // refused
    return;
  }
  softgpu_vf* page = vf(function);
  std::memset(page->ring, 0, sizeof(page->ring));
  page->mailbox = {};
  page->submitted = page->completed = page->notify_at = page->fence_value = 0;
  page->fault_code = SOFTGPU_FAULT_NONE;
  page->window_base = control->window_base;
  page->window_bytes = control->window_bytes;
  control->completed = control->fence_value = 0;
  control->fault_count = control->fault_sequence = 0;
  control->fault_code = SOFTGPU_FAULT_NONE;
  std::memset(control->contexts, 0, sizeof(control->contexts));
  std::memset(control->hash_chain, 0, sizeof(control->hash_chain));
  control->stopped_ns = 0;
  control->started_ns = softgpu_now_ns();
  control->run_state = SOFTGPU_RUN;
  engines_[function] = std::make_unique<Engine>(Engine::Options{
      .control = control,
      .page = page,
      .window = {vram_->data() + control->window_base, control->window_bytes},
      .interrupt_fd = interrupt_fd_});
  softgpu_write_and_wake(&page->enabled, 1);
  // Last: the driver goes on when it sees this.
  softgpu_write_and_wake(&control->enabled, 1);
}

void Board::Disable(uint32_t function) {
  engines_.erase(function);
  softgpu_write_and_wake(&vf(function)->enabled, 0);
  softgpu_write_and_wake(&pf()->functions[function].enabled, 0);
}

bool Board::WindowIsGood(uint32_t function) const {
  const softgpu_function& control = pf()->functions[function];
  const uint64_t base = control.window_base;
  const uint64_t bytes = control.window_bytes;
  if (bytes == 0 || base % kPage != 0 || bytes % kPage != 0 ||
      bytes > options_.vram_bytes || base > options_.vram_bytes - bytes) {
    return false;
  }
  for (const auto& [other, engine] : engines_) {
    const softgpu_function& taken = pf()->functions[other];
    if (base < taken.window_base + taken.window_bytes &&
        taken.window_base < base + bytes) {
      return false;
    }
  }
  return true;
}

void Board::RemoveFiles() {
  for (const char* name : {"pf", "vram", "irq", "pid"}) {
    unlink(PathOf(name).c_str());
  }
  for (uint32_t n = 0; n < options_.functions; ++n) {
    unlink(PathOf(absl::StrCat("vf", n)).c_str());
  }
  rmdir(options_.directory.c_str());
}

std::string Board::PathOf(const std::string& name) const {
  return absl::StrCat(options_.directory, "/", name);
}

}  // namespace baton::softgpu
