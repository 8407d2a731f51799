#include "driver-shim/vfio/core/command_line.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "driver-shim/vfio/core/shallow_json.h"
#include "nlohmann/json.hpp"

namespace baton::vfio::core {
namespace {

using Json = nlohmann::json;

std::string TextOf(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "on" : "off";
  return value.dump();
}

Properties ParseJson(absl::string_view text) {
  Properties properties;
  const std::optional<Json> json = ParseShallow(text);
  if (!json.has_value()) return properties;
  for (const auto& [name, value] : json->items()) {
    properties.emplace_back(name, TextOf(value));
  }
  return properties;
}

// Up to the first comma that is not doubled, which is QEMU's way to quote one;
// takes it off `text`.
std::string TakePiece(absl::string_view& text) {
  std::string piece;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == ',') {
      if (text.empty() || text.front() != ',') return piece;
      text.remove_prefix(1);
    }
    piece.push_back(c);
  }
  return piece;
}

bool IsOn(const std::string& value) {
  return value == "on" || value == "yes" || value == "true" || value == "y";
}

// "-x" for "-x" and "--x".
std::string OptionOf(absl::string_view word) {
  if (absl::StartsWith(word, "--")) word.remove_prefix(1);
  return std::string(word);
}

// What has no place in the next QEMU's command line; true: it has a value. It
// is started as the user that this one came to be.
const std::map<std::string, bool>& Dropped() {
  static const auto& dropped = *new std::map<std::string, bool>{
      {"-incoming", true}, {"-S", false},     {"-daemonize", false},
      {"-pidfile", true},  {"-loadvm", true}, {"-snapshot", false},
      {"-runas", true},
  };
  return dropped;
}

// Options whose value may say that a socket is listened on.
const std::set<std::string>& Listening() {
  static const auto& listening = *new std::set<std::string>{
      "-qmp", "-qmp-pretty", "-monitor", "-chardev", "-serial", "-gdb"};
  return listening;
}

// The unix socket that a value has QEMU listen on; "": none.
std::string SocketOf(const Properties& properties) {
  const std::string server = ValueOf(properties, "server");
  const bool listens =
      IsOn(server) ||
      std::any_of(properties.begin(), properties.end(), [](const auto& one) {
        return one.first.empty() && one.second == "server";
      });
  if (!listens) return "";
  if (std::string path = ValueOf(properties, "path"); !path.empty()) {
    return path;
  }
  absl::string_view first = properties.front().second;
  if (properties.front().first.empty() &&
      absl::ConsumePrefix(&first, "unix:")) {
    return std::string(first);
  }
  return "";
}

// As ParseProperties() reads it.
std::string TextOf(const Properties& properties) {
  std::vector<std::string> pieces;
  for (const auto& [name, value] : properties) {
    const std::string quoted = absl::StrReplaceAll(value, {{",", ",,"}});
    pieces.push_back(name.empty() ? quoted : absl::StrCat(name, "=", quoted));
  }
  return absl::StrJoin(pieces, ",");
}

bool CanHotplugInto(absl::string_view driver) {
  constexpr std::array<absl::string_view, 6> kPorts = {
      "pcie-root-port", "pci-bridge",         "pcie-pci-bridge",
      "ioh3420",        "xio3130-downstream", "pxb"};
  return std::find(kPorts.begin(), kPorts.end(), driver) != kPorts.end();
}

// Reads word by word, and writes the next command line as it goes.
class Reader {
 public:
  explicit Reader(const MachineName& name) : name_(name) {}

  MachineLine Read(const std::vector<std::string>& argv) {
    for (size_t i = 0; i < argv.size(); ++i) {
      const std::string option = OptionOf(argv[i]);
      const auto dropped = Dropped().find(option);
      if (i > 0 && dropped != Dropped().end()) {
        if (dropped->second) ++i;
        continue;
      }
      const bool has_value = i > 0 && i + 1 < argv.size() && Reads(option);
      if (!has_value) {
        line_.next.push_back(argv[i]);
        continue;
      }
      ++i;
      if (const auto value = Take(option, argv[i]); value.has_value()) {
        line_.next.push_back(argv[i - 1]);
        line_.next.push_back(*value);
      }
    }
    Judge();
    for (const char* word : {"-S", "-incoming", "defer"}) {
      line_.next.emplace_back(word);
    }
    return std::move(line_);
  }

 private:
  static bool Reads(const std::string& option) {
    return option == "-device" || option == "-object" || option == "-sandbox" ||
           option == "-run-with" || Listening().contains(option);
  }

  void Block(absl::string_view reason, absl::string_view message) {
    line_.blockers.push_back(
        {std::string(reason),
         absl::StrCat("machine '", name_.guest, "': ", message)});
  }

  // The option's value for the next QEMU; nothing where it has none.
  std::optional<std::string> Take(const std::string& option,
                                  const std::string& value) {
    Properties properties = ParseProperties(value);
    if (properties.empty()) return value;
    if (option == "-run-with") {
      std::erase_if(properties,
                    [](const auto& one) { return one.first == "user"; });
      if (properties.empty()) return std::nullopt;
      return TextOf(properties);
    }
    if (option == "-sandbox") {
      const std::string on = ValueOf(properties, "enable");
      line_.filters_itself = IsOn(on.empty() ? properties.front().second : on);
      return value;
    }
    if (option == "-object") {
      TakeObject(properties);
    } else if (option == "-device") {
      if (TakeDevice(properties)) return std::nullopt;
    } else if (SocketOf(properties) == name_.qmp &&
               absl::StrContains(value, name_.qmp)) {
      qmp_ = true;
      return WithSocket(value);
    } else if (const std::string path = SocketOf(properties); !path.empty()) {
      Block("MACHINE_SOCKET_TAKEN",
            absl::StrCat("it listens on '", path,
                         "', which the next QEMU cannot while it lives: let "
                         "it connect there instead (server=off)"));
    }
    return value;
  }

  std::string WithSocket(const std::string& value) const {
    std::string next = value;
    next.replace(next.find(name_.qmp), name_.qmp.size(), name_.next_qmp);
    return next;
  }

  void TakeObject(const Properties& properties) {
    std::string type = ValueOf(properties, "qom-type");
    if (type.empty()) type = properties.front().second;
    if (!absl::StartsWith(type, "memory-backend-")) return;
    ++backends_;
    backend_ = type;
    shared_ = IsOn(ValueOf(properties, "share"));
    line_.memory_path = ValueOf(properties, "mem-path");
  }

  // Whether it is the vGPU's.
  bool TakeDevice(const Properties& properties) {
    std::string driver = ValueOf(properties, "driver");
    if (driver.empty() && properties.front().first.empty()) {
      driver = properties.front().second;
    }
    if (CanHotplugInto(driver)) ports_.insert(ValueOf(properties, "id"));
    const std::string place = ValueOf(properties, "sysfsdev");
    if (!absl::EndsWith(place, absl::StrCat("/", name_.uuid))) return false;
    for (const auto& [key, value] : properties) {
      if (!key.empty()) line_.device[key] = value;
    }
    line_.device["driver"] = driver;
    return true;
  }

  std::string OfDevice(const std::string& property) const {
    const auto found = line_.device.find(property);
    return found == line_.device.end() ? "" : found->second;
  }

  void Judge() {
    JudgeMemory();
    if (!qmp_) {
      Block("MACHINE_QMP_NOT_ITS_OWN",
            absl::StrCat("its command line does not have it listen on '",
                         name_.qmp, "': give it -qmp unix:", name_.qmp,
                         ",server=on,wait=off"));
    }
    if (line_.device.empty()) {
      Block("MACHINE_DEVICE_MISSING",
            absl::StrCat("its command line has no device with sysfsdev=/sys/"
                         "bus/mdev/devices/",
                         name_.uuid, ": start it with one"));
      return;
    }
    if (!IsOn(OfDevice("enable-migration"))) {
      Block("MACHINE_MIGRATION_OFF",
            "its vGPU cannot be saved: add enable-migration=on to its -device");
    }
    JudgeBus();
    JudgeWords();
  }

  // A monitor takes text, and what it refuses could not come back.
  void JudgeWords() {
    for (const auto& [name, value] : line_.device) {
      const std::string word = name + value;
      if (std::all_of(word.begin(), word.end(), [](char c) {
            return absl::ascii_isprint(static_cast<unsigned char>(c));
          })) {
        continue;
      }
      Block("MACHINE_DEVICE_ODD",
            "a property of its vGPU's -device has bytes that are not printable "
            "ASCII, which its monitor would not take: leave them out");
      return;
    }
  }

  void JudgeMemory() {
    if (backends_ > 1) {
      Block("MACHINE_MEMORY_PRIVATE",
            absl::StrCat("it has ", backends_,
                         " memory backends, and only one can be left in "
                         "place: use one"));
    } else if (backend_ != "memory-backend-file" || !shared_) {
      Block("MACHINE_MEMORY_PRIVATE",
            "its memory goes with its QEMU: add -object memory-backend-file,"
            "id=mem0,size=SIZE,mem-path=FILE,share=on and -machine "
            "memory-backend=mem0");
    } else if (line_.memory_path.empty() || line_.memory_path.front() != '/') {
      Block("MACHINE_MEMORY_NOT_A_FILE",
            "its memory's mem-path is not an absolute path: name a file");
    }
  }

  void JudgeBus() {
    const std::string bus = OfDevice("bus");
    if (bus.empty() || OfDevice("addr").empty()) {
      Block("MACHINE_ADDRESS_MISSING",
            "its vGPU would come back elsewhere: add bus=BUS and addr=SLOT to "
            "its -device");
    } else if (bus != "pci.0" && !ports_.contains(bus)) {
      Block("MACHINE_BUS_NO_HOTPLUG",
            absl::StrCat("its vGPU is on bus '", bus,
                         "', into which nothing can be plugged: put it behind "
                         "a pcie-root-port, or on i440fx's pci.0"));
    }
  }

  const MachineName& name_;
  MachineLine line_;
  std::set<std::string> ports_;  // ids of what a device can be plugged into
  int backends_ = 0;
  std::string backend_;
  bool shared_ = false;
  bool qmp_ = false;
};

}  // namespace

Properties ParseProperties(absl::string_view text) {
  if (absl::StartsWith(text, "{")) return ParseJson(text);
  Properties properties;
  while (!text.empty()) {
    const std::string piece = TakePiece(text);
    const size_t equals = piece.find('=');
    if (equals == std::string::npos) {
      properties.emplace_back("", piece);
    } else {
      properties.emplace_back(piece.substr(0, equals),
                              piece.substr(equals + 1));
    }
  }
  return properties;
}

std::string ValueOf(const Properties& properties, absl::string_view name) {
  for (const auto& [key, value] : properties) {
    if (key == name) return value;
  }
  return "";
}

MachineLine ReadMachineLine(const std::vector<std::string>& argv,
                            const MachineName& name) {
  return Reader(name).Read(argv);
}

}  // namespace baton::vfio::core
