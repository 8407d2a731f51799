#include "driver-shim/vfio/testing/module_bytes.h"

#include <elf.h>

#include <cstring>
#include <vector>

namespace baton::vfio {
namespace {

template <typename T>
std::string Raw(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string Padded(std::string text) {
  while (text.size() % 4 != 0) text.push_back('\0');
  return text;
}

}  // namespace

std::string ModuleBytes(const std::string& name, const std::string& vermagic,
                        const std::string& build_id) {
  using std::string_literals::operator""s;
  const std::string info =
      "license=GPL\0name="s + name + "\0"s + "vermagic="s + vermagic + "\0"s;
  Elf64_Nhdr note = {};
  note.n_namesz = 4;
  note.n_descsz = static_cast<Elf64_Word>(build_id.size());
  note.n_type = NT_GNU_BUILD_ID;
  const std::string notes = Raw(note) + "GNU\0"s + Padded(build_id);
  const std::string names = "\0.modinfo\0.note.gnu.build-id\0.shstrtab\0"s;
  const std::vector<std::string> parts = {"", info, notes, names};
  const std::vector<Elf64_Word> name_at = {0, 1, 10, 29};
  std::string body;
  std::string table;
  for (size_t i = 0; i < parts.size(); ++i) {
    Elf64_Shdr section = {};
    section.sh_name = name_at[i];
    section.sh_type = i == 0 ? SHT_NULL : SHT_PROGBITS;
    section.sh_offset = sizeof(Elf64_Ehdr) + body.size();
    section.sh_size = parts[i].size();
    body += parts[i];
    table += Raw(section);
  }
  Elf64_Ehdr header = {};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_type = ET_REL;
  header.e_shoff = sizeof header + body.size();
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<Elf64_Half>(parts.size());
  header.e_shstrndx = 3;
  return Raw(header) + body + table;
}

}  // namespace baton::vfio
