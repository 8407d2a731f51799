#include "agent/journal.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

std::string FreshPath(const std::string& name) {
  std::string path = ::testing::TempDir() + "/journal_test_" + name;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(path + suffix);
  }
  return path;
}

core::Update AnUpdate(uint64_t attempt) {
  core::Update update;
  update.epoch = 2;
  update.order.rollout = "rollouts/r";
  update.order.attempt = attempt;
  update.phase = core::Phase::kUnknown;
  update.sequence = 5;
  return update;
}

TEST(SqliteJournalTest, IsEmptyAtFirst) {
  const auto journal = *SqliteJournal::Open(FreshPath("empty"));
  EXPECT_EQ(*journal->Load(), core::Update());
}

TEST(SqliteJournalTest, HoldsTheLastWriteOverARestart) {
  const std::string path = FreshPath("restart");
  {
    const auto journal = *SqliteJournal::Open(path);
    ASSERT_TRUE(journal->Write(AnUpdate(1)).ok());
    ASSERT_TRUE(journal->Write(AnUpdate(2)).ok());
  }
  const auto journal = *SqliteJournal::Open(path);
  EXPECT_EQ(*journal->Load(), AnUpdate(2));
}

// What is written over in place needs no room of the disk.
TEST(SqliteJournalTest, DoesNotGrowOnceItHasReserved) {
  const std::string path = FreshPath("reserve");
  const auto journal = *SqliteJournal::Open(path);
  ASSERT_TRUE(journal->Reserve().ok());
  const auto sizes = [&] {
    return std::filesystem::file_size(path) +
           std::filesystem::file_size(path + "-wal");
  };
  const uintmax_t reserved = sizes();
  EXPECT_GE(reserved, uintmax_t{8} << 20);
  for (uint64_t attempt = 1; attempt <= 20; ++attempt) {
    core::Update update = AnUpdate(attempt);
    update.message.assign(100'000, 'x');
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(journal->Write(update).ok());
    // Between two updates what was written is put where it belongs.
    update.phase = core::Phase::kEnded;
    update.end = core::End::kDone;
    ASSERT_TRUE(journal->Write(update).ok());
    EXPECT_EQ(sizes(), reserved);
  }
  ASSERT_TRUE(journal->Reserve().ok());
  EXPECT_EQ(sizes(), reserved);
}

TEST(SqliteJournalTest, RefusesASecondAgent) {
  const std::string path = FreshPath("second");
  const auto journal = *SqliteJournal::Open(path);
  EXPECT_EQ(Reason(SqliteJournal::Open(path).status()), "JOURNAL_UNUSABLE");
}

TEST(SqliteJournalTest, SaysWhatIsDamaged) {
  const std::string path = FreshPath("damaged");
  std::ofstream(path) << std::string(8192, 'x');
  const absl::Status status = SqliteJournal::Open(path).status();
  EXPECT_EQ(Reason(status), "JOURNAL_DAMAGED");
  EXPECT_TRUE(absl::IsDataLoss(status));
}

TEST(SqliteJournalTest, SaysThatThereIsNoPlace) {
  EXPECT_EQ(Reason(SqliteJournal::Open("/nowhere/journal.db").status()),
            "JOURNAL_UNUSABLE");
}

}  // namespace
}  // namespace baton::agent
