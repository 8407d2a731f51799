#include "driver-shim/vfio/config.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/proc_files.h"
#include "nlohmann/json.hpp"

namespace baton::vfio {
namespace {

using Json = nlohmann::json;

constexpr size_t kGuestBytesMax = 47;
constexpr size_t kVgpusMax = 256;
constexpr uint64_t kVramMibMax = uint64_t{1} << 20;
// What a unix socket's address holds, less the next machine's suffix.
constexpr size_t kSocketBytesMax = 100;

absl::Status Bad(absl::string_view field, absl::string_view want) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_VFIO_CONFIG",
      absl::StrCat("vfio configuration: '", field, "' ", want));
}

// One object of the file. Each name is taken once; what is left at the end is
// unknown. The first error is kept.
class Object {
 public:
  Object(const Json& json, std::string name, absl::Status& status)
      : json_(json), name_(std::move(name)), status_(status) {
    if (!json_.is_object()) Fail("", "is not an object");
  }

  // Nothing throws while an object is walked.
  // NOLINTNEXTLINE(bugprone-exception-escape)
  ~Object() {
    if (!json_.is_object()) return;
    for (const auto& [name, value] : json_.items()) {
      if (!taken_.contains(name)) Fail(name, "is not known");
    }
  }
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  std::string Text(const std::string& name, bool required = true) {
    const Json* const value = Find(name, required);
    if (value == nullptr) return "";
    if (value->is_string()) return value->get<std::string>();
    Fail(name, "is not a string");
    return "";
  }

  uint64_t Number(const std::string& name, uint64_t least, uint64_t most) {
    const Json* const value = Find(name, true);
    if (value == nullptr) return 0;
    if (value->is_number_unsigned()) {
      const auto number = value->get<uint64_t>();
      if (number >= least && number <= most) return number;
    }
    Fail(name, absl::StrCat("is not a number from ", least, " to ", most));
    return 0;
  }

  // Null where it may be missing and is.
  const Json* Find(const std::string& name, bool required) {
    taken_.insert(name);
    if (json_.is_object() && json_.contains(name)) return &json_.at(name);
    if (required) Fail(name, "is missing");
    return nullptr;
  }

  void Fail(const std::string& name, absl::string_view want) {
    if (status_.ok()) status_ = Bad(PathOf(name), want);
  }

  std::string PathOf(const std::string& name) const {
    return name_.empty() || name.empty() ? absl::StrCat(name_, name)
                                         : absl::StrCat(name_, ".", name);
  }

 private:
  const Json& json_;
  const std::string name_;
  absl::Status& status_;
  std::set<std::string> taken_;
};

bool IsUuid(const std::string& text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex =
        absl::ascii_isxdigit(text[i]) && !absl::ascii_isupper(text[i]);
    if (dash ? text[i] != '-' : !hex) return false;
  }
  return true;
}

bool IsGuest(const std::string& text) {
  return !text.empty() && text.size() <= kGuestBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
         });
}

bool IsSocket(const std::string& text) {
  return !text.empty() && text.front() == '/' && text.size() <= kSocketBytesMax;
}

Config::Module ModuleFrom(const Json& json, absl::Status& status) {
  Object object(json, "module", status);
  return {.name = object.Text("name"),
          .parameters = object.Text("parameters", false)};
}

Config::Mdev MdevFrom(const Json& json, absl::Status& status) {
  Object object(json, "mdev", status);
  return {.parent = object.Text("parent"),
          .type = object.Text("type"),
          .vram_mib = object.Number("vram_mib", 1, kVramMibMax)};
}

Config::Proof ProofFrom(const Json& json, absl::Status& status) {
  Object object(json, "proof", status);
  Config::Proof proof = {.state_digest = object.Text("state_digest", false),
                         .progress = object.Text("progress", false)};
  if (const Json* const value = object.Find("read_back", false);
      value != nullptr) {
    if (!value->is_boolean()) object.Fail("read_back", "is not true or false");
    proof.read_back = value->is_boolean() && value->get<bool>();
  }
  const std::string unverified = object.Text("unverified", false);
  proof.accept_unverified = unverified == "accept";
  if (!unverified.empty() && unverified != "refuse" && unverified != "accept") {
    object.Fail("unverified", "is neither 'refuse' nor 'accept'");
  }
  return proof;
}

// The one socket of {"NAME": PATH}; "" where there is no such holder.
std::string SocketFrom(Object& vgpu, const std::string& holder,
                       const std::string& name, absl::Status& status) {
  const Json* const json = vgpu.Find(holder, false);
  if (json == nullptr) return "";
  Object object(*json, vgpu.PathOf(holder), status);
  std::string socket = object.Text(name);
  if (status.ok() && !IsSocket(socket)) {
    object.Fail(name, absl::StrCat("is no absolute path of at most ",
                                   kSocketBytesMax, " bytes"));
  }
  return socket;
}

Config::Vgpu VgpuFrom(const Json& json, const std::string& name,
                      absl::Status& status) {
  Object object(json, name, status);
  Config::Vgpu vgpu = {.uuid = object.Text("uuid"),
                       .guest = object.Text("guest")};
  vgpu.machine_qmp = SocketFrom(object, "machine", "qmp", status);
  vgpu.client_socket = SocketFrom(object, "client", "socket", status);
  if (!IsUuid(vgpu.uuid)) object.Fail("uuid", "is no lower-case UUID");
  if (!IsGuest(vgpu.guest)) {
    object.Fail("guest", "is not 1 to 47 letters, digits, '.', '_' or '-'");
  }
  if (vgpu.machine_qmp.empty() == vgpu.client_socket.empty()) {
    object.Fail("", "wants either 'machine' or 'client'");
  }
  return vgpu;
}

void CheckUnique(const std::vector<Config::Vgpu>& vgpus, absl::Status& status) {
  std::set<std::string> seen;
  for (const Config::Vgpu& vgpu : vgpus) {
    for (const std::string& one : {vgpu.uuid, vgpu.guest}) {
      if (!seen.insert(one).second && status.ok()) {
        status = Bad("vgpus", absl::StrCat("has '", one, "' twice"));
      }
    }
  }
}

Config ConfigFrom(const Json& json, absl::Status& status) {
  static const Json& nothing = *new Json(Json::object());
  Object object(json, "", status);
  Config config = {.model = object.Text("model"),
                   .pci_id = object.Text("pci_id")};
  const auto part = [&](const char* name, bool required) -> const Json& {
    const Json* const found = object.Find(name, required);
    return found == nullptr ? nothing : *found;
  };
  config.module = ModuleFrom(part("module", true), status);
  config.mdev = MdevFrom(part("mdev", true), status);
  config.proof = ProofFrom(part("proof", false), status);
  const Json* const vgpus = object.Find("vgpus", true);
  if (vgpus == nullptr) return config;
  if (!vgpus->is_array() || vgpus->size() > kVgpusMax) {
    object.Fail("vgpus", absl::StrCat("is no list of at most ", kVgpusMax));
    return config;
  }
  for (size_t i = 0; i < vgpus->size(); ++i) {
    config.vgpus.push_back(
        VgpuFrom((*vgpus)[i], absl::StrCat("vgpus[", i, "]"), status));
  }
  CheckUnique(config.vgpus, status);
  return config;
}

}  // namespace

absl::StatusOr<Config> ParseConfig(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (json.is_discarded()) return Bad("", "is not JSON");
  absl::Status status;
  Config config = ConfigFrom(json, status);
  RETURN_IF_ERROR(status);
  return config;
}

absl::StatusOr<Config> ReadConfig(const std::string& path) {
  const auto text = ReadFile(path);
  if (text.has_value()) return ParseConfig(*text);
  return ErrorWithReason(
      absl::StatusCode::kNotFound, "FILE_UNREADABLE",
      absl::StrCat("cannot read vfio configuration '", path, "'"));
}

}  // namespace baton::vfio
