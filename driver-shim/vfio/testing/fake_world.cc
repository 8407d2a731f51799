#include "driver-shim/vfio/testing/fake_world.h"

#include <sys/mman.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/fd.h"
#include "driver-shim/vfio/proc_files.h"

namespace baton::vfio {
namespace {

absl::Status Error(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, reason,
                         message);
}

class FakeKernel final : public Kernel {
 public:
  explicit FakeKernel(FakeWorld& world) : world_(world) {}

  std::string BootId() override { return world_.boot_id; }
  std::string Release() override { return "6.1.0-42-amd64"; }
  bool Loaded(const std::string& /*module*/) override {
    return !world_.loaded.empty();
  }
  std::string BuildIdOf(const std::string& /*module*/) override {
    return world_.build_id;
  }

  absl::Status Load(const std::string& path,
                    const std::string& /*parameters*/) override {
    return world_.Call("load", [&]() -> absl::Status {
      const FakeWorld::Module& module = world_.modules()[path];
      if (!module.load_error.empty()) {
        return Error("MODULE_NOT_LOADED", module.load_error);
      }
      if (!world_.loaded.empty()) return Error("MODULE_NOT_LOADED", "EEXIST");
      world_.loaded = path;
      return absl::OkStatus();
    });
  }

  absl::Status Unload(const std::string& /*module*/,
                      const Budget& /*budget*/) override {
    return world_.Call("unload", [&]() -> absl::Status {
      for (const auto& [name, guest] : world_.guests()) {
        if (guest.holds) return Error("MODULE_HELD", name);
      }
      if (world_.modules()[world_.loaded].held) {
        return Error("MODULE_HELD", "a stranger");
      }
      world_.loaded = "";
      world_.vgpus.clear();
      world_.access.clear();
      return absl::OkStatus();
    });
  }

  bool HasVgpu(const std::string& uuid) override {
    return world_.vgpus.contains(uuid);
  }

  absl::Status CreateVgpu(const VgpuType& /*type*/,
                          const std::string& uuid) override {
    return world_.Call("create", [&]() -> absl::Status {
      if (!world_.vgpus.insert(uuid).second) {
        return Error("VGPU_NOT_CREATED", "EEXIST");
      }
      return absl::OkStatus();
    });
  }

  std::string NodeOf(const std::string& uuid) override {
    return absl::StrCat("/dev/vfio/", uuid);
  }
  std::optional<Access> AccessTo(const std::string& uuid) override {
    return world_.access[uuid];
  }
  absl::Status Admit(const std::string& uuid, const Access& access) override {
    world_.access[uuid] = access;
    return absl::OkStatus();
  }

  // "NAME/state" and "NAME/progress".
  absl::StatusOr<std::string> ReadAttribute(const std::string& path) override {
    for (auto& [name, guest] : world_.guests()) {
      if (!absl::StrContains(path, absl::StrCat("/", UuidOf(name), "/"))) {
        continue;
      }
      if (absl::EndsWith(path, "state")) return guest.state;
      if (guest.runs && !guest.idle) guest.state += ".";
      if (guest.runs) guest.truth = guest.state;
      return absl::StrCat(guest.state.size(), " ", guest.state.size() + 1);
    }
    return absl::UnavailableError("no such attribute");
  }

  std::vector<Occupant> HoldersOf(const std::string& /*uuid*/) override {
    return world_.strangers;
  }

  absl::StatusOr<std::unique_ptr<Device>> DeviceOf(
      const Process& /*process*/) override {
    return absl::UnavailableError("no devices here");
  }

  static std::string UuidOf(const std::string& guest) {
    return ConfigOf({guest}).vgpus.front().uuid;
  }

 private:
  FakeWorld& world_;
};

class FakeHolder final : public Holder {
 public:
  FakeHolder(FakeWorld& world, std::string name)
      : world_(world), name_(std::move(name)) {}

  bool Present() override { return Guest().there; }
  bool CanReturn() override { return Guest().there; }
  std::vector<core::Blocker> Preflight() override {
    learned_ = true;
    ++world_.preflights;
    return world_.blockers;
  }
  int Pid() override { return 7; }

  absl::Status Prepare(const Budget& /*budget*/) override {
    return Call("prepare", [&]() -> absl::Status {
      Guest().ready = 1;
      return absl::OkStatus();
    });
  }

  // Whoever does not know the guest knows nobody that waits beside it.
  void Dismiss() override {
    Call("dismiss", [&] {
      if (learned_) Guest().ready = 0;
      return absl::OkStatus();
    }).IgnoreError();
  }

  absl::Status Stop(const Budget& /*budget*/) override {
    return Call("stop", [&]() -> absl::Status {
      if (!Guest().there || !Guest().holds) return Gone();
      Guest().runs = false;
      return absl::OkStatus();
    });
  }

  absl::StatusOr<Stream> Save(const std::string& path,
                              const Budget& budget) override {
    Stream stream;
    RETURN_IF_ERROR(Call("save", [&]() -> absl::Status {
      if (!Guest().there || !Guest().holds) return Gone();
      if (Guest().runs) return Error("BUG", "saved while it runs");
      const Fd memory(memfd_create("stream", MFD_CLOEXEC));
      const std::string& state = Guest().state;
      const ssize_t put = pwrite(memory.get(), state.data(), state.size(), 0);
      if (put != static_cast<ssize_t>(state.size())) return Gone();
      ASSIGN_OR_RETURN(stream, KeepStream(memory.get(), path, budget));
      return absl::OkStatus();
    }));
    return stream;
  }

  absl::Status Release(const Budget& /*budget*/) override {
    return Call("release", [&]() -> absl::Status {
      if (Guest().runs) return Error("BUG", "released while it runs");
      Guest().holds = false;
      Guest().state = "";
      return absl::OkStatus();
    });
  }

  absl::Status Restore(const Stream& stream, const Budget& budget) override {
    RETURN_IF_ERROR(CheckStream(stream));
    return Call("restore", [&]() -> absl::Status {
      if (budget.Left() == absl::ZeroDuration()) return budget.Exceeded(name_);
      if (!Guest().there) return Gone();
      if (Guest().runs) return Error("BUG", "restored while it runs");
      Access& access = world_.access[FakeKernel::UuidOf(name_)];
      if (std::exchange(world_.udev_interferes, false)) access = {};
      if (access.user != Guest().user) {
        return Error("STREAM_REFUSED", "it may not open its device");
      }
      const FakeWorld::Module& module = world_.modules()[world_.loaded];
      Guest().holds = true;
      Guest().adopted = false;
      Guest().state = ReadFile(stream.path).value_or("");
      if (module.loses) Guest().state.resize(Guest().state.size() / 2);
      if (module.restore_error.empty()) return absl::OkStatus();
      return Error("STREAM_REFUSED", module.restore_error);
    });
  }

  absl::Status Adopt(const Budget& /*budget*/) override {
    return Call("adopt", [&]() -> absl::Status {
      Guest().adopted = true;
      return absl::OkStatus();
    });
  }

  absl::Status Resume(const Budget& budget) override {
    return Call("resume", [&]() -> absl::Status {
      if (budget.Left() == absl::ZeroDuration()) return budget.Exceeded(name_);
      if (!Guest().there || !Guest().holds || !Guest().adopted) return Gone();
      if (Guest().runs) return absl::OkStatus();
      if (Guest().state != Guest().truth) return Error("BUG", "it was lost");
      Guest().runs = true;
      if (!Guest().idle) Guest().state += ".";
      Guest().truth = Guest().state;
      return absl::OkStatus();
    });
  }

  absl::Status Confirm(const Budget& /*budget*/) override {
    return Call("confirm", [&]() -> absl::Status {
      if (Guest().runs) return absl::OkStatus();
      return Error("VGPU_NO_PROGRESS", "it stands");
    });
  }

  absl::StatusOr<Device*> HeldDevice(const Budget& /*budget*/) override {
    return absl::UnavailableError("no devices here");
  }

  std::string Record() const override {
    return learned_ ? absl::StrCat(name_, " learned") : name_;
  }
  bool Recall(const std::string& record, core::Phase /*phase*/) override {
    learned_ = record != name_;
    return !learned_ || record == absl::StrCat(name_, " learned");
  }

 private:
  FakeWorld::Guest& Guest() { return world_.guests()[name_]; }
  absl::Status Gone() const {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "SOCKET_CLOSED",
                           absl::StrCat("nobody is at ", name_));
  }
  absl::Status Call(absl::string_view name,
                    const std::function<absl::Status()>& effect) {
    return world_.Call(absl::StrCat(name, " ", name_), effect);
  }

  FakeWorld& world_;
  const std::string name_;
  bool learned_ = false;  // what the guest is
};

}  // namespace

FakeWorld::FakeWorld(const std::vector<std::string>& guests) {
  for (const std::string& name : guests) {
    guests_[name] = {.state = name, .truth = name};
  }
}

absl::Status FakeWorld::Call(const std::string& name,
                             const std::function<absl::Status()>& effect) {
  if (dead_) return absl::UnavailableError("this shim is no more");
  const bool cut = static_cast<int>(calls_.size()) == cut_;
  calls_.push_back(name);
  on_call(name);
  if (cut && !cut_after_) {
    dead_ = true;
    on_cut();
    return absl::UnavailableError("cut off");
  }
  const auto failure = failures_.find(name);
  if (failure != failures_.end() && failure->second > 0) {
    --failure->second;
    return Error("SCRIPTED", absl::StrCat(name, " was to fail"));
  }
  absl::Status status = effect();
  if (!cut) return status;
  dead_ = true;
  on_cut();
  return absl::UnavailableError("cut off");
}

std::string FakeWorld::Wrong() const {
  if (loaded.empty()) return "no module is loaded";
  for (const auto& [name, guest] : guests_) {
    if (!guest.there) continue;
    if (!guest.runs) return absl::StrCat(name, " stands still");
    if (guest.state != guest.truth) return absl::StrCat(name, " was lost");
    if (guest.ready != 0) return absl::StrCat(name, " has something ready");
  }
  return "";
}

std::unique_ptr<Kernel> FakeWorld::NewKernel() {
  return std::make_unique<FakeKernel>(*this);
}

std::unique_ptr<Holder> FakeWorld::NewHolder(const std::string& guest) {
  return std::make_unique<FakeHolder>(*this, guest);
}

Config ConfigOf(const std::vector<std::string>& guests) {
  Config config = {
      .model = "Test GPU",
      .pci_id = "1b36:ba70",
      .module = {.name = "bgpu"},
      .mdev = {.parent = "/parent", .type = "small", .vram_mib = 1},
      .proof = {.state_digest = "state", .progress = "progress"},
  };
  for (const std::string& guest : guests) {
    const std::string hash = Xxh3Of(guest.data(), guest.size()).ToString();
    config.vgpus.push_back(
        {.uuid = absl::StrCat(hash.substr(0, 8), "-0000-4000-8000-",
                              hash.substr(8, 12)),
         .guest = guest,
         .client_socket = absl::StrCat("/run/", guest)});
  }
  return config;
}

}  // namespace baton::vfio
