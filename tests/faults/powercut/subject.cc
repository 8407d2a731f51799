// What a power cut is tried on: each part of Baton that touches a disk, by
// itself, doing what it does in service. Two ways to call it:
//
//   powercut_subject write PART DIRECTORY PACKAGES
//       does some of PART's work in DIRECTORY, which is empty, and says
//       "mark WHAT" after each thing that is durable by then
//   powercut_subject check PART
//       for each directory on stdin, a line on stdout: what is there, in the
//       words of the marks, or "wrong: …"
//
// PART is journal, staging, depot or store; check also knows agent, the
// directory of a whole one. PACKAGES is a directory in which
// write leaves the driver packages that it made; check does not need it.

#include <atomic>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/host/staging.h"
#include "agent/journal.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "package/driver_package.h"
#include "service/depot/depot.h"
#include "service/store/sqlite_store.h"
#include "tests/support/stage.h"

namespace baton::powercut {
namespace {

constexpr int kWrites = 12;
constexpr int kPackages = 5;

// One call of write(), so that its place among the others' is known.
void Mark(const std::string& what) {
  std::printf("mark %s\n", what.c_str());
  std::fflush(stdout);
}

std::string Wrong(const absl::Status& status) {
  return absl::StrCat("wrong: ", status.ToString());
}

// -- journal ------------------------------------------------------------

// Records of many sizes, so that they fill and leave pages.
agent::core::Update UpdateNumber(int number) {
  agent::core::Update update;
  update.epoch = static_cast<uint64_t>(number);
  update.finished_attempt = static_cast<uint64_t>(number - 1);
  update.order.attempt = static_cast<uint64_t>(number);
  update.order.rollout =
      absl::StrCat("rollouts/", std::string(number * 977 % 9000, 'r'));
  update.phase = agent::core::Phase::kAccepted;
  update.paused = number % 2 == 0;
  return update;
}

absl::Status WriteJournal(const std::string& directory, const std::string&) {
  ASSIGN_OR_RETURN(
      const std::unique_ptr<agent::SqliteJournal> journal,
      agent::SqliteJournal::Open(absl::StrCat(directory, "/journal.db")));
  Mark("0");
  for (int number = 1; number <= kWrites; ++number) {
    // As before each Prepare; the first one has it grow.
    if (number % 4 == 1) RETURN_IF_ERROR(journal->Reserve());
    RETURN_IF_ERROR(journal->Write(UpdateNumber(number)));
    Mark(absl::StrCat(number));
  }
  return absl::OkStatus();
}

std::string CheckJournal(const std::string& directory) {
  const auto journal =
      agent::SqliteJournal::Open(absl::StrCat(directory, "/journal.db"));
  if (!journal.ok()) return Wrong(journal.status());
  const auto update = (*journal)->Load();
  if (!update.ok()) return Wrong(update.status());
  if (update->epoch == 0) return "0";
  const agent::core::Update want =
      UpdateNumber(static_cast<int>(update->epoch));
  if (update->order.rollout != want.order.rollout ||
      update->finished_attempt != want.finished_attempt ||
      update->paused != want.paused) {
    return absl::StrCat("wrong: record ", update->epoch, " is mixed up");
  }
  return absl::StrCat(update->epoch);
}

// -- packages -----------------------------------------------------------

struct Packed {
  std::string name = "";  // "drivers/…/versions/…"
  std::string path = "";
  std::string digest = "";
  uint64_t size_bytes = 0;
};

// Small ones that do not compress: the states are many.
absl::StatusOr<Packed> Pack(const std::string& packages, int number) {
  const std::string image = absl::StrCat(packages, "/image.so");
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    absl::StrAppend(&bytes, Sha256Of(absl::StrCat(number, "/", i)));
  }
  std::ofstream(image, std::ios::binary) << bytes;
  v1::DriverManifest manifest;
  manifest.set_driver("softgpu");
  manifest.set_version(absl::StrCat(number, ".0"));
  manifest.add_pci_ids("1b47:5001");
  manifest.mutable_state_format()->set_writes(1);
  manifest.mutable_state_format()->add_reads(1);
  Packed packed;
  packed.name = absl::StrCat("drivers/softgpu/versions/", number, ".0");
  packed.path = absl::StrCat(packages, "/", number, ".pkg");
  RETURN_IF_ERROR(PackDriver(manifest, image, packed.path).status());
  ASSIGN_OR_RETURN(packed.digest, Sha256OfFile(packed.path));
  packed.size_bytes = std::filesystem::file_size(packed.path);
  return packed;
}

// -- staging ------------------------------------------------------------

// Hands out a file, in pieces as they come over the wire.
class FileFetcher final : public agent::Fetcher {
 public:
  void Add(const std::string& name, const std::string& path) {
    paths_[name] = path;
  }
  absl::Status Fetch(const std::string& driver, uint64_t offset_bytes,
                     absl::Duration, const std::atomic<bool>&,
                     const Sink& sink) override {
    std::ifstream file(paths_.at(driver), std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset_bytes));
    std::string piece(4096, '\0');
    while (file.read(piece.data(), static_cast<std::streamsize>(piece.size())),
           file.gcount() > 0) {
      RETURN_IF_ERROR(sink(
          absl::string_view(piece.data(), static_cast<size_t>(file.gcount()))));
    }
    return absl::OkStatus();
  }

 private:
  std::map<std::string, std::string> paths_;
};

// A first driver, then updates, one of which is taken back; in the end the
// oldest packages make room.
absl::Status WriteStaging(const std::string& directory,
                          const std::string& packages) {
  FileFetcher fetcher;
  agent::Staging staging(directory, fetcher, RealClock());
  RETURN_IF_ERROR(staging.SetUp());
  Mark("none");
  ASSIGN_OR_RETURN(const Packed first, Pack(packages, 1));
  RETURN_IF_ERROR(staging.Install(first.path));
  Mark("1.0");
  const std::atomic<bool> stop = false;
  for (int number = 2; number <= kPackages; ++number) {
    ASSIGN_OR_RETURN(const Packed packed, Pack(packages, number));
    fetcher.Add(packed.name, packed.path);
    ASSIGN_OR_RETURN(const auto before, staging.Current());
    ASSIGN_OR_RETURN(const agent::StagedPackage added,
                     staging.Add({.driver = packed.name,
                                  .digest = packed.digest,
                                  .size_bytes = packed.size_bytes,
                                  .in_use = before->image.path},
                                 absl::Minutes(1), stop));
    RETURN_IF_ERROR(staging.Switch(added.name));
    Mark(added.image.version);
    if (number != 3) continue;
    RETURN_IF_ERROR(staging.Switch(before->name));
    Mark(before->image.version);
  }
  return absl::OkStatus();
}

// Checks what a start of the agent would find; the image is read and compared.
std::string CheckStaging(const std::string& directory) {
  FileFetcher fetcher;
  agent::Staging staging(directory, fetcher, RealClock());
  if (absl::Status ready = staging.SetUp(); !ready.ok()) return Wrong(ready);
  const auto current = staging.Current();
  if (!current.ok()) return Wrong(current.status());
  return current->has_value() ? (*current)->image.version : "none";
}

// -- agent --------------------------------------------------------------

// "FINISHED ATTEMPT CURRENT": the last attempt that ended, the last one that
// was begun, and the version that "current" points to.
std::string CheckAgent(const std::string& directory) {
  const std::string current = CheckStaging(directory);
  const auto journal =
      agent::SqliteJournal::Open(absl::StrCat(directory, "/journal.db"));
  if (!journal.ok()) return Wrong(journal.status());
  const auto update = (*journal)->Load();
  if (!update.ok()) return Wrong(update.status());
  return absl::StrCat(update->finished_attempt, " ", update->order.attempt, " ",
                      current);
}

// -- depot --------------------------------------------------------------

absl::Status WriteDepot(const std::string& directory,
                        const std::string& packages) {
  ASSIGN_OR_RETURN(const std::unique_ptr<depot::Depot> depot,
                   depot::Depot::Open(directory));
  Mark("0");
  for (int number = 1; number <= kPackages; ++number) {
    ASSIGN_OR_RETURN(const Packed packed, Pack(packages, number));
    std::ifstream file(packed.path, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)),
                            std::istreambuf_iterator<char>());
    ASSIGN_OR_RETURN(
        const std::unique_ptr<depot::Upload> upload,
        depot->StartUpload(packed.name, {packed.digest, packed.size_bytes}));
    for (size_t at = 0; at < bytes.size(); at += 4096) {
      RETURN_IF_ERROR(upload->Append(bytes.substr(at, 4096)));
    }
    RETURN_IF_ERROR(upload->Finish().status());
    Mark(absl::StrCat(number));
  }
  return absl::OkStatus();
}

// Says how many packages are there whose bytes are right: a file that bears a
// package's name and is not that package is wrong, and so is a gap.
std::string CheckDepot(const std::string& directory) {
  const auto depot = depot::Depot::Open(directory);
  if (!depot.ok()) return Wrong(depot.status());
  int good = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".pkg") continue;
    const depot::Package package = {
        absl::StrCat("sha256:", entry.path().stem().string()),
        entry.file_size()};
    const auto bytes = (*depot)->Read(package, 0, 1);
    if (!bytes.ok()) return Wrong(bytes.status());
    ++good;
  }
  return absl::StrCat(good);
}

// -- store --------------------------------------------------------------

core::Changes AllOf(const core::Fleet& fleet) {
  core::Changes all;
  for (const auto& [name, host] : fleet.hosts) all.hosts.insert(name);
  for (const auto& [name, driver] : fleet.drivers) all.drivers.insert(name);
  return all;
}

absl::Status WriteStore(const std::string& directory, const std::string&) {
  ASSIGN_OR_RETURN(
      const std::unique_ptr<runtime::Store> store,
      store::OpenSqliteStore({absl::StrCat(directory, "/store.db")}));
  Mark("0");
  support::Stage stage(8);
  RETURN_IF_ERROR(store->Commit(stage.fleet(), AllOf(stage.fleet())));
  Mark("1");
  for (int number = 2; number <= kWrites; ++number) {
    // Seven hosts are cordoned, for reasons of many sizes, then some of them
    // uncordoned.
    const core::Changes changes =
        number < 9
            ? stage.Do(core::CordonHost{
                  support::HostName(number - 1),
                  std::string(static_cast<size_t>(number) * 113, 'c')})
            : stage.Do(core::UncordonHost{support::HostName(number - 8)});
    RETURN_IF_ERROR(store->Commit(stage.fleet(), changes));
    Mark(absl::StrCat(number));
  }
  return absl::OkStatus();
}

// Says how many commits are there; each but the first left an audit record and
// a host that agrees with it.
std::string CheckStore(const std::string& directory) {
  const auto store =
      store::OpenSqliteStore({absl::StrCat(directory, "/store.db")});
  if (!store.ok()) return Wrong(store.status());
  const auto fleet = (*store)->Load();
  if (!fleet.ok()) return Wrong(fleet.status());
  const auto audit = (*store)->ScanAudit({.after_sequence = 0, .limit = 1000});
  if (!audit.ok()) return Wrong(audit.status());
  if (fleet->hosts.empty()) return audit->empty() ? "0" : "wrong: no hosts";
  size_t cordoned = 0;
  for (const auto& [name, host] : fleet->hosts) {
    cordoned += host.cordon.has_value() ? 1 : 0;
  }
  const size_t records = audit->size();
  const size_t want = records <= 7 ? records : 14 - records;
  if (cordoned != want) {
    return absl::StrCat("wrong: ", records, " audit records and ", cordoned,
                        " cordoned hosts");
  }
  return absl::StrCat(records + 1);
}

// -----------------------------------------------------------------------

struct Part {
  const char* name;
  absl::Status (*write)(const std::string&, const std::string&);  // or null
  std::string (*check)(const std::string&);
};

constexpr Part kParts[] = {
    {"journal", WriteJournal, CheckJournal},
    {"staging", WriteStaging, CheckStaging},
    {"depot", WriteDepot, CheckDepot},
    {"store", WriteStore, CheckStore},
    {"agent", nullptr, CheckAgent},
};

int Main(int argc, char** argv) {
  const Part* part = nullptr;
  for (const Part& each : kParts) {
    if (argc > 2 && std::strcmp(argv[2], each.name) == 0) part = &each;
  }
  const bool write = argc == 5 && std::strcmp(argv[1], "write") == 0 &&
                     part != nullptr && part->write != nullptr;
  const bool check = argc == 3 && std::strcmp(argv[1], "check") == 0;
  if (part == nullptr || (!write && !check)) {
    std::fprintf(stderr, "usage: see the head of subject.cc\n");
    return 2;
  }
  if (!StartLog("powercut_subject", "error").ok()) return 2;
  if (check) {
    std::string directory;
    while (std::getline(std::cin, directory)) {
      std::printf("%s\n", part->check(directory).c_str());
      std::fflush(stdout);
    }
    return 0;
  }
  const absl::Status written = part->write(argv[3], argv[4]);
  if (written.ok()) return 0;
  std::fprintf(stderr, "%s\n", written.ToString().c_str());
  return 1;
}

}  // namespace
}  // namespace baton::powercut

int main(int argc, char** argv) { return baton::powercut::Main(argc, argv); }
