#include "driver-shim/port/record_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "tests/support/seeded_random.h"

namespace baton::port {
namespace {

constexpr size_t kPlaceBytes = RecordFile::kBytesMax + 64;

class RecordFileTest : public testing::Test {
 protected:
  void SetUp() override { file_ = *RecordFile::Create(path_); }
  void TearDown() override { file_->Remove(); }

  bool Write(const std::string& text) {
    return file_->Write([&](std::byte* room, size_t bytes) {
      if (text.size() > bytes) return size_t{0};
      std::memcpy(room, text.data(), text.size());
      return text.size();
    });
  }

  // What whoever comes next finds.
  absl::StatusOr<std::string> Read() {
    const auto opened = RecordFile::Open(path_);
    if (!opened.ok()) return opened.status();
    const auto read = (*opened)->Read();
    if (!read.ok()) return read.status();
    return std::string(*read);
  }

  void Spoil(size_t at, size_t bytes, int value) {
    const int fd = open(path_.c_str(), O_RDWR | O_CLOEXEC);
    const std::vector<char> bad(bytes, static_cast<char>(value));
    EXPECT_EQ(pwrite(fd, bad.data(), bytes, static_cast<off_t>(at)),
              static_cast<ssize_t>(bytes));
    close(fd);
  }

  const std::string path_ = testing::TempDir() + "/record";
  std::unique_ptr<RecordFile> file_;
};

TEST_F(RecordFileTest, TheLastRecordIsRead) {
  EXPECT_EQ(*Read(), "");
  for (const char* const text : {"one", "two", "three", "x"}) {
    EXPECT_TRUE(Write(text));
    EXPECT_EQ(*Read(), text);
  }
}

TEST_F(RecordFileTest, WhoeverComesNextGoesOnWriting) {
  EXPECT_TRUE(Write("one"));
  EXPECT_TRUE(Write("two"));
  file_ = *RecordFile::Open(path_);
  EXPECT_EQ(*file_->Read(), "two");
  EXPECT_TRUE(Write("three"));
  EXPECT_EQ(*Read(), "three");
}

TEST_F(RecordFileTest, WhatDoesNotFitLeavesTheOneBefore) {
  EXPECT_TRUE(Write("one"));
  EXPECT_FALSE(Write(std::string(RecordFile::kBytesMax + 1, 'x')));
  EXPECT_EQ(*Read(), "one");
  const std::string most(RecordFile::kBytesMax, 'x');
  EXPECT_TRUE(Write(most));
  EXPECT_EQ(*Read(), most);
}

// A writer that is killed has written some of its bytes, and never the mark.
TEST_F(RecordFileTest, AWriterThatDiesLeavesTheOneBefore) {
  EXPECT_TRUE(Write("one"));
  EXPECT_TRUE(Write("two"));
  for (const size_t written : {size_t{0}, size_t{1}, size_t{1000}}) {
    file_->Write([&](std::byte* room, size_t) {
      std::memset(room, 'z', written);
      return size_t{0};
    });
    EXPECT_EQ(*Read(), "two");
  }
}

TEST_F(RecordFileTest, DamageIsToldAndNeverTakenForTheOneBefore) {
  EXPECT_TRUE(Write("one"));
  EXPECT_TRUE(Write("two two two"));
  for (const size_t at : {size_t{0}, size_t{8}, size_t{16}, size_t{32},
                          size_t{40}, size_t{48}, size_t{64}, size_t{70}}) {
    SCOPED_TRACE(at);
    Spoil(at, 1, 0x5a);
    EXPECT_EQ(Reason(Read().status()), "RECORD_DAMAGED");
    EXPECT_TRUE(Write("one again"));
    EXPECT_TRUE(Write("two two two"));
  }
}

// Any bytes at all: an error, or a record whose digest is right.
TEST_F(RecordFileTest, AnyBytesAreNoRecord) {
  const uint64_t seed = RealRandom().Bits();
  SCOPED_TRACE(seed);
  support::SeededRandom dice(seed);
  for (int i = 0; i < 200; ++i) {
    for (const size_t place : {size_t{0}, kPlaceBytes}) {
      Spoil(place, 64 + dice.Below(64), static_cast<int>(dice.Below(256)));
      // As if it were one of ours, with any number and size.
      if (dice.Below(2) == 0) Spoil(place + 8, 1, 2);
    }
    const auto read = Read();
    if (read.ok()) {
      EXPECT_EQ(*read, "");
    }
  }
}

TEST_F(RecordFileTest, OneThatIsNotThereOrOfAnotherSizeIsAnError) {
  EXPECT_EQ(Reason(RecordFile::Open(path_ + "x").status()), "FILE_MISSING");
  ASSERT_EQ(truncate(path_.c_str(), 4096), 0);
  EXPECT_EQ(Reason(Read().status()), "FILE_UNREADABLE");
}

}  // namespace
}  // namespace baton::port
