#include "driver-shim/vfio/core/standing.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace baton::vfio::core {
namespace {

// What /proc/PID/limits calls them, in the order of the kernel's numbers.
constexpr std::array<absl::string_view, 16> kLimitNames = {
    "Max cpu time",        "Max file size",      "Max data size",
    "Max stack size",      "Max core file size", "Max resident set",
    "Max processes",       "Max open files",     "Max locked memory",
    "Max address space",   "Max file locks",     "Max pending signals",
    "Max msgqueue size",   "Max nice priority",  "Max realtime priority",
    "Max realtime timeout"};

constexpr int kProcessorsMax = 8192;

std::vector<absl::string_view> WordsOf(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t\n"), absl::SkipWhitespace());
}

// ---- status ----

// "Name:\tvalue" lines.
class Status {
 public:
  explicit Status(absl::string_view text) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      const size_t colon = line.find(':');
      if (colon == absl::string_view::npos) continue;
      fields_[line.substr(0, colon)] = line.substr(colon + 1);
    }
  }

  // "" where there is none.
  absl::string_view Of(absl::string_view name) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? "" : found->second;
  }

  bool Hex(absl::string_view name, uint64_t& value) const {
    return absl::SimpleHexAtoi(Of(name), &value);
  }

 private:
  std::map<absl::string_view, absl::string_view> fields_;
};

// Real, effective, saved and of files.
bool ReadIds(absl::string_view text, uint32_t& id, bool& differ) {
  const std::vector<absl::string_view> words = WordsOf(text);
  if (words.size() != 4 || !absl::SimpleAtoi(words[1], &id)) return false;
  differ = differ ||
           std::any_of(words.begin(), words.end(), [&](absl::string_view word) {
             return word != words.front();
           });
  return true;
}

bool ReadGroups(absl::string_view text, std::vector<uint32_t>& groups) {
  for (const absl::string_view word : WordsOf(text)) {
    if (!absl::SimpleAtoi(word, &groups.emplace_back())) return false;
  }
  std::sort(groups.begin(), groups.end());
  return true;
}

bool ReadUmask(absl::string_view text, uint32_t& umask) {
  const std::vector<absl::string_view> words = WordsOf(text);
  if (words.size() != 1) return false;
  umask = 0;
  for (const char digit : words.front()) {
    if (digit < '0' || digit > '7') return false;
    umask = umask * 8 + static_cast<uint32_t>(digit - '0');
  }
  return true;
}

// "0-3,8".
bool ReadProcessors(absl::string_view text, std::vector<uint64_t>& mask) {
  const std::vector<absl::string_view> words = WordsOf(text);
  if (words.size() != 1) return false;
  for (const absl::string_view range : absl::StrSplit(words.front(), ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(range, absl::MaxSplits('-', 1));
    int first = 0;
    if (!absl::SimpleAtoi(ends.first, &first)) return false;
    int last = first;
    if (!ends.second.empty() && !absl::SimpleAtoi(ends.second, &last)) {
      return false;
    }
    if (first < 0 || last < first || last >= kProcessorsMax) return false;
    const size_t words_needed = static_cast<size_t>(last) / 64 + 1;
    if (mask.size() < words_needed) mask.resize(words_needed);
    for (int one = first; one <= last; ++one) {
      mask[static_cast<size_t>(one) / 64] |= uint64_t{1} << (one % 64);
    }
  }
  return true;
}

bool ReadCapabilities(const Status& status, Capabilities& capabilities) {
  return status.Hex("CapInh", capabilities.inheritable) &&
         status.Hex("CapPrm", capabilities.permitted) &&
         status.Hex("CapEff", capabilities.effective) &&
         status.Hex("CapBnd", capabilities.bounding) &&
         status.Hex("CapAmb", capabilities.ambient);
}

// A kernel without seccomp does not speak of it.
int FiltersOf(const Status& status) {
  int filters = 0;
  if (absl::SimpleAtoi(status.Of("Seccomp_filters"), &filters)) return filters;
  int mode = 0;
  return absl::SimpleAtoi(status.Of("Seccomp"), &mode) ? mode : 0;
}

bool ReadStatus(absl::string_view text, ProcessFacts& facts) {
  const Status status(text);
  Standing& standing = facts.standing;
  int no_new_privileges = 0;
  const bool good =
      ReadIds(status.Of("Uid"), standing.user, facts.surroundings.ids_differ) &&
      ReadIds(status.Of("Gid"), standing.group,
              facts.surroundings.ids_differ) &&
      ReadGroups(status.Of("Groups"), standing.groups) &&
      ReadCapabilities(status, standing.capabilities) &&
      absl::SimpleAtoi(status.Of("NoNewPrivs"), &no_new_privileges) &&
      ReadUmask(status.Of("Umask"), standing.umask) &&
      ReadProcessors(status.Of("Cpus_allowed_list"), standing.processors);
  standing.no_new_privileges = no_new_privileges != 0;
  facts.surroundings.filters = FiltersOf(status);
  return good;
}

// ---- the other files ----

bool ReadStat(absl::string_view text, Standing& standing) {
  // The command, in brackets, may hold anything.
  const size_t end = text.rfind(')');
  if (end == absl::string_view::npos) return false;
  const std::vector<absl::string_view> fields = WordsOf(text.substr(end + 1));
  constexpr size_t kPriority = 37;
  constexpr size_t kPolicy = 38;
  return fields.size() > kPolicy &&
         absl::SimpleAtoi(fields[kPriority], &standing.priority) &&
         absl::SimpleAtoi(fields[kPolicy], &standing.policy);
}

bool ReadBound(absl::string_view word, uint64_t& bound) {
  if (word == "unlimited") {
    bound = kUnlimited;
    return true;
  }
  return absl::SimpleAtoi(word, &bound);
}

// A line for each: its name, soft, hard, and mostly a unit.
bool ReadLimits(absl::string_view text, std::vector<Limit>& limits) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  for (const absl::string_view name : kLimitNames) {
    const auto line = std::find_if(
        lines.begin(), lines.end(),
        [&](absl::string_view one) { return absl::StartsWith(one, name); });
    if (line == lines.end()) return false;
    const std::vector<absl::string_view> words =
        WordsOf(line->substr(name.size()));
    Limit& limit = limits.emplace_back();
    if (words.size() < 2 || !ReadBound(words[0], limit.soft) ||
        !ReadBound(words[1], limit.hard)) {
      return false;
    }
  }
  return true;
}

// Lines of "number:controllers:path".
bool ReadCgroups(absl::string_view text,
                 std::map<std::string, std::string>& cgroups) {
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3 || !absl::StartsWith(parts[2], "/")) return false;
    cgroups[std::string(parts[1])] = std::string(parts[2]);
  }
  return true;
}

// The first thread that is not where the process is.
std::string OddThread(const ProcessTexts& texts, const Standing& standing) {
  for (const ProcessTexts::Thread& thread : texts.threads) {
    Standing its;
    // One that has ended meanwhile is nowhere.
    if (!ReadProcessors(Status(thread.status).Of("Cpus_allowed_list"),
                        its.processors) ||
        !ReadStat(thread.stat, its) ||
        !ReadCgroups(thread.cgroup, its.cgroups)) {
      continue;
    }
    const bool same = its.processors == standing.processors &&
                      its.policy == standing.policy &&
                      its.priority == standing.priority &&
                      (its.cgroups.empty() || its.cgroups == standing.cgroups);
    if (!same) return thread.id;
  }
  return "";
}

// What exec gives, permitted and in effect: root what is inherited or in the
// bounding set, others what is ambient.
uint64_t AfterStart(const Standing& standing) {
  const Capabilities start = ForStart(standing);
  if (standing.user != 0) return start.ambient;
  return start.inheritable | start.bounding;
}

// ---- judgement ----

class Judge {
 public:
  Judge(const std::string& guest, const ProcessFacts& machine,
        const ProcessFacts& shim)
      : guest_(guest), machine_(machine), shim_(shim) {}

  std::vector<Blocker> Judged(bool filters_itself) {
    JudgeNamespaces();
    JudgeLabel();
    JudgeFilters(filters_itself);
    JudgeIds();
    JudgeThreads();
    JudgeCgroups();
    JudgeCapabilities();
    JudgeExec();
    return std::move(blockers_);
  }

 private:
  void Block(absl::string_view reason, absl::string_view message) {
    blockers_.push_back({std::string(reason),
                         absl::StrCat("machine '", guest_, "': ", message)});
  }

  void JudgeNamespaces() {
    std::vector<std::string> others;
    for (const auto& [kind, name] : machine_.surroundings.namespaces) {
      const auto& ours = shim_.surroundings.namespaces;
      const auto own = ours.find(kind);
      if (own == ours.end() || own->second != name) others.push_back(kind);
    }
    if (machine_.surroundings.root != shim_.surroundings.root) {
      others.emplace_back("root directory");
    }
    if (others.empty()) return;
    Block("MACHINE_NAMESPACE_OTHER",
          absl::StrCat("its QEMU has namespaces that are not the shim's, and "
                       "the next one would be without: ",
                       absl::StrJoin(others, ", "),
                       ": start it in the shim's, and the shim in the host's "
                       "(libvirt: namespaces = [] in qemu.conf)"));
  }

  void JudgeLabel() {
    const std::string& label = machine_.surroundings.label;
    if (label == shim_.surroundings.label) return;
    Block("MACHINE_LABEL_OTHER",
          absl::StrCat("its QEMU has the security label '", label,
                       "', and the next one would have the shim's, '",
                       shim_.surroundings.label,
                       "': start both under one (libvirt: security_driver = "
                       "\"none\" in qemu.conf)"));
  }

  void JudgeFilters(bool filters_itself) {
    const int explained = shim_.surroundings.filters + (filters_itself ? 1 : 0);
    if (machine_.surroundings.filters <= explained) return;
    Block("MACHINE_FILTER_FOREIGN",
          "its QEMU has a seccomp filter that its command line does not ask "
          "for, and the next one would be without: let -sandbox on make it");
  }

  void JudgeIds() {
    if (!machine_.surroundings.ids_differ) return;
    Block("MACHINE_USER_MIXED",
          "its QEMU has several user or group ids, real, effective and saved, "
          "of which a start leaves one: start it as one user");
  }

  void JudgeThreads() {
    const std::string& thread = machine_.surroundings.odd_thread;
    if (thread.empty()) return;
    Block("MACHINE_THREADS_APART",
          absl::StrCat("its thread ", thread,
                       " has processors, a scheduling policy or a control "
                       "group of its own, and those of the next QEMU would "
                       "not: give them to the whole QEMU (libvirt: nothing "
                       "pinned or scheduled apart, and cgroup_controllers "
                       "without cpu and cpuset)"));
  }

  // systemd ends what is left of a service once its first process has ended;
  // the shim's own is told not to (KillMode=process).
  void JudgeCgroups() {
    for (const auto& [controllers, path] : machine_.standing.cgroups) {
      const auto own = shim_.standing.cgroups.find(controllers);
      if (own != shim_.standing.cgroups.end() && own->second == path) continue;
      const std::vector<absl::string_view> names = absl::StrSplit(path, '/');
      const bool service =
          std::any_of(names.begin(), names.end(), [](absl::string_view name) {
            return absl::EndsWith(name, ".service") &&
                   !absl::StartsWith(name, "user@");
          });
      if (!service) continue;
      Block("MACHINE_IN_A_SERVICE",
            absl::StrCat("its control group '", path,
                         "' is a service's, which systemd ends with its first "
                         "process, and the next QEMU with it: start it in a "
                         "scope (systemd-run --scope), or in a group of your "
                         "own"));
      return;
    }
  }

  void JudgeCapabilities() {
    const Capabilities& has = machine_.standing.capabilities;
    const Capabilities& ours = shim_.standing.capabilities;
    const uint64_t lacks =
        ((has.bounding & ~ours.bounding) | (has.permitted & ~ours.permitted));
    const bool may_gain = !machine_.standing.no_new_privileges;
    if (lacks == 0 && !(shim_.standing.no_new_privileges && may_gain)) return;
    Block("MACHINE_MAY_MORE_THAN_SHIM",
          absl::StrCat("its QEMU may have capabilities or gain privileges that "
                       "the shim may not (capabilities ",
                       absl::Hex(lacks),
                       "): start the shim with all capabilities, and without "
                       "NoNewPrivileges"));
  }

  // Of what it put aside, or keeps beside what a start gives.
  void JudgeExec() {
    const Capabilities& has = machine_.standing.capabilities;
    const uint64_t gets = AfterStart(machine_.standing);
    if (gets == has.permitted && (gets & ~has.effective) == 0) return;
    Block("MACHINE_CAPABILITIES_APART",
          absl::StrCat(
              "its QEMU has the capabilities ", absl::Hex(has.permitted),
              ", of them in effect ", absl::Hex(has.effective),
              ", and the next one would be started with ", absl::Hex(gets),
              ": give it those that it is to have by its bounding "
              "set, or to a user that is not root as ambient ones"));
  }

  const std::string& guest_;
  const ProcessFacts& machine_;
  const ProcessFacts& shim_;
  std::vector<Blocker> blockers_;
};

// Mount points have spaces and the like as "\040".
std::string Unescaped(absl::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 3 >= text.size()) {
      plain.push_back(text[i]);
      continue;
    }
    int code = 0;
    for (int digit = 0; digit < 3; ++digit) code = code * 8 + text[++i] - '0';
    plain.push_back(static_cast<char>(code));
  }
  return plain;
}

}  // namespace

std::optional<ProcessFacts> FactsFrom(const ProcessTexts& texts) {
  ProcessFacts facts;
  if (!ReadStatus(texts.status, facts) ||
      !ReadStat(texts.stat, facts.standing) ||
      !ReadLimits(texts.limits, facts.standing.limits) ||
      !ReadCgroups(texts.cgroup, facts.standing.cgroups)) {
    return std::nullopt;
  }
  // Of SELinux with a zero at its end, of AppArmor with a line's.
  facts.surroundings.label =
      texts.label.substr(0, texts.label.find_first_of(std::string("\n\0", 2)));
  facts.surroundings.root = texts.root;
  facts.surroundings.namespaces = texts.namespaces;
  facts.surroundings.odd_thread = OddThread(texts, facts.standing);
  return facts;
}

// number parent device ROOT POINT options… - TYPE source OPTIONS
std::string CgroupFolder(absl::string_view mounts,
                         const std::string& controllers,
                         const std::string& path) {
  for (const absl::string_view line : absl::StrSplit(mounts, '\n')) {
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    const std::vector<absl::string_view> where = WordsOf(halves.first);
    const std::vector<absl::string_view> what = WordsOf(halves.second);
    if (where.size() < 5 || what.size() < 3) continue;
    if (what[0] != (controllers.empty() ? "cgroup2" : "cgroup")) continue;
    const std::vector<absl::string_view> options = absl::StrSplit(what[2], ',');
    const std::vector<absl::string_view> wanted =
        absl::StrSplit(controllers, ',', absl::SkipEmpty());
    const bool all =
        std::all_of(wanted.begin(), wanted.end(), [&](absl::string_view one) {
          return std::find(options.begin(), options.end(), one) !=
                 options.end();
        });
    if (!all) continue;
    // A part of the hierarchy may be mounted.
    absl::string_view rest = path;
    const std::string root = Unescaped(where[3]);
    if (root != "/" && !absl::ConsumePrefix(&rest, root)) continue;
    if (!rest.empty() && rest.front() != '/') continue;
    return absl::StrCat(Unescaped(where[4]), rest);
  }
  return "";
}

Capabilities ForStart(const Standing& standing) {
  Capabilities next = standing.capabilities;
  if (standing.user == 0) {
    next.bounding &= next.permitted;
    next.ambient = 0;
  } else {
    next.ambient &= next.permitted;
    next.inheritable |= next.ambient;
  }
  next.inheritable &= next.permitted;
  return next;
}

std::string DifferenceOf(const Standing& got, const Standing& wanted) {
  if (got.user != wanted.user || got.group != wanted.group ||
      got.groups != wanted.groups) {
    return absl::StrCat("it is user ", got.user, " of groups ", got.group, ",",
                        absl::StrJoin(got.groups, ","), ", want ", wanted.user,
                        " of ", wanted.group, ",",
                        absl::StrJoin(wanted.groups, ","));
  }
  const Capabilities& has = got.capabilities;
  const Capabilities& had = wanted.capabilities;
  if (has.permitted != had.permitted || (has.effective & ~had.effective) != 0 ||
      (has.bounding & ~had.bounding) != 0 ||
      (wanted.no_new_privileges && !got.no_new_privileges)) {
    const auto text = [](const Capabilities& one) {
      return absl::StrCat(absl::Hex(one.permitted), ", in effect ",
                          absl::Hex(one.effective), ", of ",
                          absl::Hex(one.bounding));
    };
    return absl::StrCat("its capabilities are ", text(has), ", want ",
                        text(had));
  }
  for (size_t i = 0; i < std::min(got.limits.size(), wanted.limits.size());
       ++i) {
    if (got.limits[i].hard == wanted.limits[i].hard) continue;
    return absl::StrCat(kLimitNames.at(i), " is ", got.limits[i].hard,
                        ", want ", wanted.limits[i].hard);
  }
  if (got.cgroups != wanted.cgroups) {
    return absl::StrCat(
        "its control groups are ",
        absl::StrJoin(got.cgroups, " ", absl::PairFormatter(":")), ", want ",
        absl::StrJoin(wanted.cgroups, " ", absl::PairFormatter(":")));
  }
  if (got.umask != wanted.umask || got.processors != wanted.processors ||
      got.policy != wanted.policy || got.priority != wanted.priority) {
    return "its umask, processors or policy are others";
  }
  return "";
}

std::vector<Blocker> JudgeStanding(const std::string& guest,
                                   const ProcessFacts& machine,
                                   const ProcessFacts& shim,
                                   bool filters_itself) {
  return Judge(guest, machine, shim).Judged(filters_itself);
}

}  // namespace baton::vfio::core
