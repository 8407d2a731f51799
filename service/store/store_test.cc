// One contract for every store, and what is SQLite's alone.

#include <sqlite3.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "baton/store/v1/records.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "service/core/index.h"
#include "service/core/names.h"
#include "service/store/codec.h"
#include "service/store/memory_store.h"
#include "service/store/sqlite_store.h"
#include "tests/support/every_field.h"
#include "tests/support/stage.h"

namespace baton::store {
namespace {

using core::UpdateState;
using google::protobuf::util::MessageDifferencer;
using runtime::AuditQuery;
using runtime::Store;
using support::HostName;
using support::kRollout;
using support::Stage;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string TempPath(const std::string& name) {
  return absl::StrCat(testing::TempDir(), "/", name, ".db");
}

// Something that stores can be opened on, one after the other.
class Place {
 public:
  virtual ~Place() = default;
  virtual std::unique_ptr<Store> Open() = 0;
};

class MemoryPlace final : public Place {
 public:
  std::unique_ptr<Store> Open() override { return OpenMemoryStore(disk_); }

 private:
  MemoryDisk disk_;
};

class SqlitePlace final : public Place {
 public:
  SqlitePlace() {
    path_ = TempPath("contract");
    std::remove(path_.c_str());
  }
  std::unique_ptr<Store> Open() override {
    auto store = OpenSqliteStore({path_});
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

 private:
  std::string path_;
};

// What a restart leaves of a fleet.
core::Fleet DurableOf(core::Fleet fleet) {
  for (auto& [name, host] : fleet.hosts) {
    host.stream = 0;
    host.last_heard = absl::InfinitePast();
  }
  fleet.settings = {};
  core::Reindex(fleet);
  return fleet;
}

// Fields of records that take certain numbers only.
const std::map<std::string, uint64_t> kRolloutNumbers = {
    {"state", 9}, {"size", 2}, {"on_exceeded", 2}, {"days", 7}, {"cutoff", 2}};

enum class Kind { kMemory, kSqlite };

class StoreTest : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (GetParam() == Kind::kMemory) {
      place_ = std::make_unique<MemoryPlace>();
    } else {
      place_ = std::make_unique<SqlitePlace>();
    }
    store_ = place_->Open();
  }

  // As if the process had stopped and another one had started.
  core::Fleet Reload() {
    store_.reset();
    store_ = place_->Open();
    absl::StatusOr<core::Fleet> fleet = store_->Load();
    EXPECT_TRUE(fleet.ok()) << fleet.status();
    return fleet.ok() ? *std::move(fleet) : core::Fleet{};
  }

  // Applies an event and commits what it changed.
  void Do(core::EventBody body) {
    const core::Changes changes = stage_.Do(std::move(body));
    ASSERT_EQ(store_->Commit(stage_.fleet(), changes), absl::OkStatus());
  }

  // Commits all that there is, whatever made it.
  void CommitAll() {
    core::Changes all;
    for (const auto& [name, host] : stage_.fleet().hosts) {
      all.hosts.insert(name);
    }
    for (const auto& [name, driver] : stage_.fleet().drivers) {
      all.drivers.insert(name);
    }
    for (const auto& [name, rollout] : stage_.fleet().rollouts) {
      all.rollouts.insert(name);
      all.plans.insert(name);
      for (const auto& [host, update] : rollout.updates) {
        all.updates.insert({name, host});
      }
    }
    for (const auto& [id, request] : stage_.fleet().requests) {
      all.requests.insert(id);
    }
    for (const auto& [key, entry] : stage_.fleet().history) {
      all.history.insert(key);
    }
    ASSERT_EQ(store_->Commit(stage_.fleet(), all), absl::OkStatus());
  }

  Stage stage_{4};
  std::unique_ptr<Place> place_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreTest, IsEmptyAtFirst) {
  EXPECT_EQ(Reload(), core::Fleet{});
  EXPECT_THAT(*store_->ScanAudit({}), IsEmpty());
}

TEST_P(StoreTest, BringsBackAllThatAFleetCanHold) {
  core::RolloutSpec spec = support::MakeSpec();
  spec.waves = {{"canary", core::WaveSize::kHosts, 2, absl::Minutes(5)},
                {"", core::WaveSize::kPercent, 25},
                {"", core::WaveSize::kRest}};
  spec.limits = {3, 100};
  spec.failure_tolerance = {3, 90};
  spec.deadlines.save = absl::Milliseconds(1500);
  stage_.Do(core::CordonHost{HostName(4), "disk", "", "request-1"});
  stage_.Do(core::UpdateHostLabels{HostName(4), {{"tier", "gold"}}});
  stage_.Start(spec);
  stage_.Report(1, UpdateState::kQuarantined);
  stage_.Do(core::HoldRollout{kRollout, "wait"});
  core::UpdateReport report = stage_.ReportOf(2, UpdateState::kRunning);
  report.saved = core::SavedState{7, 1 << 20};
  report.steps = {{core::Step::kSave, stage_.fleet().now, absl::Milliseconds(3),
                   13, "R", "m", 0xC0000001, "DxgkDdi", "R4", true}};
  stage_.Do(core::UpdateReported{HostName(2), stage_.host(2).stream, report});
  stage_.Do(core::AbortRollout{kRollout, "enough"});
  stage_.Do(core::CreateRollout{"rollouts/draft", support::MakeSpec()});
  CommitAll();
  EXPECT_EQ(Reload(), DurableOf(stage_.fleet()));
}

TEST_P(StoreTest, KeepsUpWithEachChange) {
  CommitAll();
  Do(core::CordonHost{HostName(1), "disk", "", "request-1"});
  core::RolloutSpec spec = support::MakeSpec();
  spec.limits.max_unavailable = 2;  // the cordoned host counts
  spec.failure_tolerance.hosts = 3;
  Do(core::CreateRollout{kRollout, spec});
  Do(core::PlanRollout{kRollout});
  Do(core::StartRollout{kRollout, stage_.rollout().plan->digest});
  Do(core::AdmitHost{kRollout, HostName(2), 1});
  Do(core::UncordonHost{HostName(1)});
  Do(core::UpdateReported{HostName(2), stage_.host(2).stream,
                          stage_.ReportOf(2, UpdateState::kRolledBack)});
  EXPECT_EQ(Reload(), DurableOf(stage_.fleet()));
  Do(core::AdmitHost{kRollout, HostName(3), 1});
  Do(core::UpdateReported{HostName(3), stage_.host(3).stream,
                          stage_.ReportOf(3, UpdateState::kDone)});
  Do(core::FreezeFleet{"audit", stage_.fleet().now + absl::Hours(1)});
  Do(core::EmergencyStop{"smoke"});
  const core::Fleet fleet = Reload();
  EXPECT_EQ(fleet, DurableOf(stage_.fleet()));
  EXPECT_EQ(fleet.history.size(), 1u);
  EXPECT_TRUE(fleet.freeze.has_value());
  EXPECT_TRUE(fleet.emergency_stop.has_value());
}

TEST_P(StoreTest, ForgetsWhatWasRemoved) {
  CommitAll();
  Do(core::DriverDeleted{support::kOldDriver, "", "request-1"});
  const core::Fleet fleet = Reload();
  EXPECT_EQ(fleet, DurableOf(stage_.fleet()));
  EXPECT_EQ(fleet.drivers.count(support::kOldDriver), 0u);
}

// One update of each of two rollouts whose names begin alike went wrong.
TEST_P(StoreTest, ForgetsADeletedRolloutWithAllThatIsKeptOfIt) {
  const std::string other = absl::StrCat(kRollout, "-2");
  const std::string host = HostName(1);
  const auto capsule = [&](const std::string& rollout) {
    return store_->LoadCapsule(core::UpdateName(rollout, host),
                               stage_.fleet().now);
  };
  CommitAll();
  for (const std::string& name : {std::string(kRollout), other}) {
    Do(core::CreateRollout{name, support::MakeSpec()});
    Do(core::PlanRollout{name});
    Do(core::StartRollout{name, stage_.rollout(name).plan->digest});
    Do(core::AdmitHost{name, host, stage_.host(1).attempt + 1});
    Do(core::UpdateReported{host, stage_.host(1).stream,
                            stage_.ReportOf(1, UpdateState::kRolledBack)});
    Do(core::AbortRollout{name, "enough"});
    EXPECT_TRUE(capsule(name)->has_value());
  }
  Do(core::DeleteRollout{kRollout});
  EXPECT_EQ(Reload(), DurableOf(stage_.fleet()));
  EXPECT_FALSE(capsule(kRollout)->has_value());
  EXPECT_TRUE(capsule(other)->has_value());
  // Nothing of it is there for the next one of its name.
  Do(core::CreateRollout{kRollout, support::MakeSpec()});
  EXPECT_EQ(Reload(), DurableOf(stage_.fleet()));
}

TEST_P(StoreTest, KeepsARolloutThatWasMadeAnewInTheTurnOfItsDeletion) {
  CommitAll();
  stage_.Do(core::CreateRollout{kRollout, support::MakeSpec()});
  stage_.Plan();
  stage_.Do(core::StartRollout{kRollout, stage_.rollout().plan->digest});
  stage_.Do(core::AbortRollout{kRollout, "enough"});
  CommitAll();
  core::Changes turn = stage_.Do(core::DeleteRollout{kRollout});
  turn.Merge(stage_.Do(core::CreateRollout{kRollout, support::MakeSpec()}));
  turn.Merge(stage_.Do(core::PlanRollout{kRollout}));
  ASSERT_EQ(store_->Commit(stage_.fleet(), turn), absl::OkStatus());
  EXPECT_EQ(Reload(), DurableOf(stage_.fleet()));
}

TEST_P(StoreTest, ScansTheAuditByPageAndByResource) {
  CommitAll();
  const uint64_t before = stage_.fleet().audit_sequence;
  Do(core::CordonHost{HostName(1), "disk"});
  Do(core::CordonHost{HostName(2), "disk"});
  Do(core::UncordonHost{HostName(1)});
  Reload();
  const auto sequences = [&](const AuditQuery& query) {
    std::vector<uint64_t> found;
    const auto records = store_->ScanAudit(query);
    EXPECT_TRUE(records.ok()) << records.status();
    if (!records.ok()) return found;
    for (const core::AuditRecord& record : *records) {
      found.push_back(record.sequence - before);
    }
    return found;
  };
  EXPECT_THAT(sequences({}), ElementsAre(1, 2, 3));
  EXPECT_THAT(sequences({0, "", 2}), ElementsAre(1, 2));
  EXPECT_THAT(sequences({before + 2, "", 2}), ElementsAre(3));
  EXPECT_THAT(sequences({0, HostName(1), 9}), ElementsAre(1, 3));
  EXPECT_THAT(sequences({before + 1, HostName(1), 9}), ElementsAre(3));
  EXPECT_THAT(sequences({0, "hosts/none", 9}), IsEmpty());

  const core::AuditRecord last = store_->ScanAudit({before + 2, "", 1})->at(0);
  EXPECT_EQ(last.hash, stage_.fleet().audit_hash);
  EXPECT_EQ(last.action, "host.uncordon");
  EXPECT_EQ(last.time, stage_.fleet().now);
}

core::Capsule MakeCapsule(absl::Time now) {
  core::Capsule capsule;
  capsule.attempt = 3;
  capsule.time = now;
  capsule.state = UpdateState::kQuarantined;
  capsule.reason = "VGPU_LOST";
  capsule.message = "m";
  capsule.from_version = "1.0";
  capsule.to_version = "2.0";
  capsule.steps = {{core::Step::kSave, now, absl::Milliseconds(3), 13, "R", "m",
                    0xC0000001, "DxgkDdi", "R4", true}};
  capsule.vgpus = {{1, "guest", false, absl::Milliseconds(5), "missing"}};
  capsule.saved = core::SavedState{2, 4096};
  capsule.incident = core::Incident{{{0, "DATA", 4096, 16, "xxh3-128:0"}},
                                    {{1, "guest", 7, "xxh3-128:1"}},
                                    {{1, "guest", 8, "xxh3-128:2"}},
                                    {"a line"}};
  capsule.expire_time = now + absl::Hours(1);
  return capsule;
}

TEST_P(StoreTest, KeepsTheLastCapsuleOfAnUpdateUntilItExpires) {
  const std::string name = "rollouts/r/updates/host-1";
  core::Fleet fleet = stage_.fleet();
  core::Changes changes;
  changes.capsules[name] = MakeCapsule(fleet.now);
  ASSERT_EQ(store_->Commit(fleet, changes), absl::OkStatus());
  changes.capsules[name].attempt = 4;
  ASSERT_EQ(store_->Commit(fleet, changes), absl::OkStatus());
  Reload();
  const core::Capsule& want = changes.capsules[name];
  EXPECT_EQ(*store_->LoadCapsule(name, fleet.now), want);
  EXPECT_EQ(*store_->LoadCapsule("rollouts/r/updates/host-2", fleet.now),
            std::nullopt);
  EXPECT_EQ(*store_->LoadCapsule(name, want.expire_time), std::nullopt);
  // A commit at that time removes it.
  EXPECT_EQ(*store_->LoadCapsule(name, fleet.now), want);
  fleet.now = want.expire_time;
  ASSERT_EQ(store_->Commit(fleet, {}), absl::OkStatus());
  EXPECT_EQ(*store_->LoadCapsule(name, absl::UnixEpoch()), std::nullopt);
}

// Records are what a release later than this one will read: nothing of them
// may get lost on the way through the core.
template <typename Record, typename Decode>
void ExpectGoesThrough(const std::map<std::string, uint64_t>& numbers,
                       Decode decode) {
  Record record;
  support::FillEveryField(record, numbers);
  const auto decoded = decode(record.SerializeAsString());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  Record again;
  ASSERT_TRUE(again.ParseFromString(Encode(*decoded)));
  EXPECT_TRUE(MessageDifferencer::Equals(again, record))
      << again.DebugString() << "\nwant\n"
      << record.DebugString();
}

TEST(CodecTest, LosesNoFieldOfAnyRecord) {
  ExpectGoesThrough<v1::Host>({}, [](const std::string& bytes) {
    return DecodeHost("hosts/h", bytes);
  });
  ExpectGoesThrough<v1::Driver>({}, [](const std::string& bytes) {
    return DecodeDriver("drivers/d/versions/1", bytes);
  });
  ExpectGoesThrough<v1::Update>(
      {{"state", 4}, {"step", 5}, {"cancel", 2}},
      [](const std::string& bytes) { return DecodeUpdate(bytes); });
  ExpectGoesThrough<v1::Capsule>(
      {{"state", 4}, {"step", 5}},
      [](const std::string& bytes) { return DecodeCapsule(bytes); });
  v1::Rollout rollout;
  support::FillEveryField(rollout, kRolloutNumbers);
  for (v1::WindowSpec& window : *rollout.mutable_spec()->mutable_windows()) {
    window.set_time_zone("Europe/Berlin");
  }
  // A list of one number a step: as many as there are steps.
  for (int i = 2; i < 9; ++i) rollout.mutable_spec()->add_deadlines_ns(i);
  const auto decoded = DecodeRollout("rollouts/r", rollout.SerializeAsString());
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  // Its plan is a record of its own.
  v1::RolloutPlan plan;
  ASSERT_TRUE(plan.ParseFromString(Encode(*decoded->plan)));
  EXPECT_TRUE(MessageDifferencer::Equals(plan, rollout.plan()));
  rollout.clear_plan();
  v1::Rollout again;
  ASSERT_TRUE(again.ParseFromString(Encode(*decoded)));
  EXPECT_TRUE(MessageDifferencer::Equals(again, rollout))
      << again.DebugString() << "\nwant\n"
      << rollout.DebugString();
}

TEST(CodecTest, WhatAnEarlierReleaseDidNotKnowIsTheDefault) {
  v1::Rollout record;
  record.set_state(1);
  for (int i = 0; i < 9; ++i) record.mutable_spec()->add_deadlines_ns(i + 1);
  const auto rollout = DecodeRollout("rollouts/r", record.SerializeAsString());
  ASSERT_TRUE(rollout.ok()) << rollout.status();
  core::RolloutSpec want;
  want.deadlines = rollout->spec.deadlines;
  EXPECT_TRUE(rollout->spec == want);
}

TEST(CodecTest, LooksTimeZonesUpAgain) {
  core::Rollout rollout;
  rollout.spec.windows = {{.from = "22:00", .to = "04:00"}};
  rollout.spec.windows[0].time_zone = "Europe/Berlin";
  const auto decoded = DecodeRollout("rollouts/r", Encode(rollout));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  ASSERT_TRUE(decoded->spec.windows.at(0).zone.has_value());
  EXPECT_EQ(decoded->spec.windows.at(0).zone->name(), "Europe/Berlin");
  rollout.spec.windows[0].time_zone = "Europe/Atlantis";
  EXPECT_EQ(Reason(DecodeRollout("rollouts/r", Encode(rollout)).status()),
            "TIME_ZONE_UNKNOWN");
}

INSTANTIATE_TEST_SUITE_P(All, StoreTest,
                         testing::Values(Kind::kMemory, Kind::kSqlite),
                         [](const auto& param) {
                           return param.param == Kind::kMemory ? "Memory"
                                                               : "Sqlite";
                         });

TEST(MemoryStoreTest, FailsWhenToldTo) {
  MemoryDisk disk;
  disk.commits_until_failure = 1;
  const std::unique_ptr<Store> store = OpenMemoryStore(disk);
  const Stage stage(1);
  EXPECT_EQ(store->Commit(stage.fleet(), {}), absl::OkStatus());
  EXPECT_EQ(Reason(store->Commit(stage.fleet(), {})), "STORE_UNAVAILABLE");
  disk.commits_until_failure = -1;
  EXPECT_EQ(Reason(store->Commit(stage.fleet(), {})), "STORE_UNAVAILABLE");
}

// ---- SQLite alone.

TEST(SqliteStoreTest, KeepsNothingOfACommitThatFailedAndTriesNoOther) {
  const std::string path = TempPath("full");
  std::remove(path.c_str());
  Stage stage(1);
  core::Fleet before;
  {
    const auto store = OpenSqliteStore({path});
    ASSERT_TRUE(store.ok()) << store.status();
    core::Changes changes = stage.Do(core::CordonHost{HostName(1), "disk"});
    ASSERT_EQ((*store)->Commit(stage.fleet(), changes), absl::OkStatus());
    before = *(*store)->Load();

    // No file of this process may grow any more: the disk is full.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit limit = {};
    ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlimit full{4096, limit.rlim_max};
    changes = stage.Do(core::UncordonHost{HostName(1)});
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    const absl::Status status = (*store)->Commit(stage.fleet(), changes);
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    EXPECT_EQ(Reason(status), "STORE_UNAVAILABLE") << status;
    EXPECT_EQ((*store)->Commit(stage.fleet(), changes), status);
  }
  const auto store = OpenSqliteStore({path});
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(*(*store)->Load(), before);
}

// Returns the SQL literal of bytes.
std::string HexOf(const std::string& bytes) {
  return absl::StrCat("x'", absl::BytesToHexString(bytes), "'");
}

void ExecuteOn(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

TEST(SqliteStoreTest, TakesOverAFileOfAnEarlierRelease) {
  const std::string path = TempPath("schema1");
  std::remove(path.c_str());
  Stage stage(3);
  stage.Start(support::MakeSpec());
  core::Changes all;
  all.rollouts = all.plans = {kRollout};
  for (int number = 1; number <= 3; ++number) {
    all.hosts.insert(HostName(number));
    all.updates.insert({kRollout, HostName(number)});
  }
  all.drivers = {support::kOldDriver, support::kNewDriver};
  {
    const auto store = OpenSqliteStore({path});
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_EQ((*store)->Commit(stage.fleet(), all), absl::OkStatus());
  }
  // Then the plan was field 5 of the rollout's record.
  const std::string plan = Encode(*stage.rollout().plan);
  ASSERT_LT(plan.size(), 1u << 14);
  const std::string length = {static_cast<char>(plan.size() % 128 + 128),
                              static_cast<char>(plan.size() / 128)};
  const std::string record = Encode(stage.rollout()) + "\x2a" + length + plan;
  ExecuteOn(
      path,
      absl::StrCat("DROP TABLE plans; DROP TABLE history;DROP TABLE capsules;"
                   "UPDATE rollouts SET value=",
                   HexOf(record), ";PRAGMA user_version=1"));
  for (int round = 0; round < 2; ++round) {
    const auto store = OpenSqliteStore({path});
    ASSERT_TRUE(store.ok()) << store.status();
    absl::StatusOr<core::Fleet> fleet = (*store)->Load();
    ASSERT_TRUE(fleet.ok()) << fleet.status();
    EXPECT_EQ(fleet->rollouts, DurableOf(stage.fleet()).rollouts);
    // The record is written without the plan from now on.
    core::Changes held;
    held.rollouts = {kRollout};
    ASSERT_EQ((*store)->Commit(*fleet, held), absl::OkStatus());
  }
}

// The service died of them, or went on as if nothing were wrong.
TEST(Regression, RowsThatDoNotFitTogetherAreRefused) {
  const std::string path = TempPath("misfits");
  struct Row {
    bool finished;
    const char* damage;
    const char* reason;
  };
  const Row rows[] = {
      {false, "SELECT 1", ""},
      {true, "SELECT 1", ""},
      {false, "DELETE FROM meta", "STORE_CORRUPT"},
      {false, "DELETE FROM plans", "STORE_CORRUPT"},
      {false, "UPDATE plans SET value = x''", "STORE_CORRUPT"},
      {false, "DELETE FROM updates", "STORE_CORRUPT"},
      {true, "DELETE FROM updates WHERE key LIKE '%host-2'", "STORE_CORRUPT"},
      {false, "UPDATE updates SET key = 'rollouts/r/updates/nobody'",
       "STORE_CORRUPT"}};
  for (const Row& row : rows) {
    std::remove(path.c_str());
    Stage stage(2);
    // Taken back though it was never planned.
    stage.Do(core::CreateRollout{"rollouts/none", support::MakeSpec()});
    stage.Do(core::AbortRollout{"rollouts/none", "enough"});
    stage.Do(core::RollBackRollout{"rollouts/none", "worse"});
    stage.Start(support::MakeSpec());
    core::Changes all;
    all.rollouts = {kRollout, "rollouts/none"};
    all.plans = {kRollout};
    all.hosts = {HostName(1), HostName(2)};
    all.updates = {{kRollout, HostName(1)}};
    if (row.finished) {
      stage.Report(1, UpdateState::kDone);
      stage.Report(2, UpdateState::kDone);
      all.updates.insert({kRollout, HostName(2)});
    }
    {
      const auto store = OpenSqliteStore({path});
      ASSERT_TRUE(store.ok()) << store.status();
      ASSERT_EQ((*store)->Commit(stage.fleet(), all), absl::OkStatus());
    }
    ExecuteOn(path, row.damage);
    const auto store = OpenSqliteStore({path});
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ(Reason((*store)->Load().status()), row.reason) << row.damage;
  }
}

TEST(SqliteStoreTest, LetsNobodyElseOpenTheFile) {
  const std::string path = TempPath("exclusive");
  std::remove(path.c_str());
  const auto first = OpenSqliteStore({path});
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(Reason(OpenSqliteStore({path}).status()), "STORE_UNAVAILABLE");
}

TEST(SqliteStoreTest, RefusesWhatIsNotAStoreOfOurs) {
  const auto execute = [](const std::string& path, const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(db);
  };
  const std::string text = TempPath("text");
  std::ofstream(text) << std::string(4096, 'x');
  EXPECT_EQ(Reason(OpenSqliteStore({text}).status()), "STORE_CORRUPT");

  const std::string other = TempPath("other");
  std::remove(other.c_str());
  execute(other, "CREATE TABLE t(a)");
  EXPECT_EQ(Reason(OpenSqliteStore({other}).status()), "STORE_CORRUPT");

  const std::string newer = TempPath("newer");
  std::remove(newer.c_str());
  ASSERT_TRUE(OpenSqliteStore({newer}).ok());
  execute(newer, "PRAGMA user_version=99");
  EXPECT_EQ(Reason(OpenSqliteStore({newer}).status()), "STORE_TOO_NEW");

  EXPECT_EQ(Reason(OpenSqliteStore({"/no/such/folder/x.db"}).status()),
            "STORE_UNAVAILABLE");
}

TEST(SqliteStoreTest, SaysSoWhenARecordCannotBeRead) {
  const std::string path = TempPath("damaged");
  std::remove(path.c_str());
  ASSERT_TRUE(OpenSqliteStore({path}).ok());
  const char* const damages[] = {
      "INSERT INTO hosts VALUES('hosts/a', x'ff')",
      "INSERT INTO updates VALUES('rollouts/none/updates/a', x'0801')",
      "INSERT INTO plans VALUES('rollouts/none', x'0a0161')",
      "INSERT INTO rollouts VALUES('rollouts/r', x'1063')"};
  for (const char* const damage : damages) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(db,
                           absl::StrCat("DELETE FROM hosts;"
                                        "DELETE FROM updates;"
                                        "DELETE FROM plans;",
                                        damage)
                               .c_str(),
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    sqlite3_close(db);
    const auto store = OpenSqliteStore({path});
    ASSERT_TRUE(store.ok());
    const absl::Status status = (*store)->Load().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << damage;
    EXPECT_EQ(Reason(status), "STORE_CORRUPT") << damage;
  }
}

}  // namespace
}  // namespace baton::store
