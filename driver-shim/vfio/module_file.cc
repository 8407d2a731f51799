#include "driver-shim/vfio/module_file.h"

#include <elf.h>
#include <sys/stat.h>

#include <cstring>
#include <optional>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "driver-shim/vfio/proc_files.h"

namespace baton::vfio {
namespace {

constexpr off_t kBytesMax = off_t{256} << 20;

absl::Status Bad(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_MODULE",
                         absl::StrCat("not a 64-bit kernel module: ", what));
}

// A part of the file; nothing where it reaches beyond.
std::optional<absl::string_view> Part(absl::string_view bytes, uint64_t offset,
                                      uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) {
    return std::nullopt;
  }
  return bytes.substr(offset, size);
}

template <typename T>
std::optional<T> At(absl::string_view bytes, uint64_t offset) {
  const auto part = Part(bytes, offset, sizeof(T));
  if (!part.has_value()) return std::nullopt;
  T value;
  std::memcpy(&value, part->data(), sizeof value);
  return value;
}

// The section of a name; empty where there is none.
absl::string_view Section(absl::string_view bytes, const Elf64_Ehdr& header,
                          absl::string_view name) {
  const auto at = [&](uint64_t index) {
    return At<Elf64_Shdr>(bytes, header.e_shoff + index * sizeof(Elf64_Shdr));
  };
  const auto strings = at(header.e_shstrndx);
  if (!strings.has_value()) return {};
  const auto names = Part(bytes, strings->sh_offset, strings->sh_size);
  if (!names.has_value()) return {};
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto section = at(i);
    if (!section.has_value() || section->sh_type == SHT_NOBITS) continue;
    if (section->sh_name >= names->size()) continue;
    const absl::string_view rest = names->substr(section->sh_name);
    if (rest.substr(0, rest.find('\0')) != name) continue;
    return Part(bytes, section->sh_offset, section->sh_size)
        .value_or(absl::string_view());
  }
  return {};
}

}  // namespace

std::string BuildIdIn(absl::string_view note) {
  const auto header = At<Elf64_Nhdr>(note, 0);
  if (!header.has_value() || header->n_type != NT_GNU_BUILD_ID) return "";
  const uint64_t name_bytes = (uint64_t{header->n_namesz} + 3) / 4 * 4;
  const auto id = Part(note, sizeof *header + name_bytes, header->n_descsz);
  return id.has_value() ? absl::BytesToHexString(*id) : "";
}

absl::StatusOr<ModuleFile> ParseModule(absl::string_view bytes) {
  const auto header = At<Elf64_Ehdr>(bytes, 0);
  if (!header.has_value() ||
      std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_type != ET_REL) {
    return Bad("it is no relocatable ELF file");
  }
  if (header->e_shentsize != sizeof(Elf64_Shdr)) return Bad("odd sections");
  ModuleFile module;
  module.build_id = BuildIdIn(Section(bytes, *header, ".note.gnu.build-id"));
  for (absl::string_view one :
       absl::StrSplit(Section(bytes, *header, ".modinfo"), '\0')) {
    if (absl::ConsumePrefix(&one, "vermagic=")) {
      module.vermagic = std::string(one);
    } else if (absl::ConsumePrefix(&one, "name=")) {
      module.name = std::string(one);
    }
  }
  if (module.vermagic.empty()) return Bad("it names no vermagic");
  return module;
}

FileIdentity IdentityOfFile(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return {};
  return {.device = info.st_dev,
          .inode = info.st_ino,
          .bytes = info.st_size,
          .changed_ns = int64_t{info.st_ctim.tv_sec} * 1'000'000'000 +
                        info.st_ctim.tv_nsec};
}

absl::StatusOr<ModuleFile> ReadModuleFile(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) {
    return ErrorWithReason(absl::StatusCode::kNotFound, "FILE_UNREADABLE",
                           absl::StrCat("there is no module '", path, "'"));
  }
  if (info.st_size > kBytesMax) return Bad("it is larger than 256 MiB");
  const auto bytes = ReadFile(path);
  if (!bytes.has_value()) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "FILE_UNREADABLE",
                           absl::StrCat("cannot read module '", path, "'"));
  }
  return ParseModule(*bytes);
}

}  // namespace baton::vfio
