#include "driver-shim/miniport/testing/footprint.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::miniport {
namespace {

using testing::HasSubstr;

std::vector<Footprint> Hundred() {
  return std::vector<Footprint>(100, {.descriptors = 7,
                                      .threads = 1,
                                      .mappings = 50,
                                      .heap_bytes = 1 << 20,
                                      .resident_bytes = 10 << 20});
}

TEST(FootprintTest, CountsWhatIsHeld) {
  const std::string directory = testing::TempDir() + "/footprint";
  ASSERT_EQ(mkdir(directory.c_str(), 0700), 0);
  const Footprint before = TakeFootprint(directory);
  const std::string file = directory + "/file";
  const int descriptor = open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(descriptor, 0);
  constexpr size_t kBytes = size_t{4} << 20;
  void* const mapped = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const Footprint with = TakeFootprint(directory);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  munmap(mapped, kBytes);
  close(descriptor);
  unlink(file.c_str());
  rmdir(directory.c_str());
  EXPECT_EQ(with.descriptors, before.descriptors + 1);
  EXPECT_EQ(with.files, before.files + 1);
  EXPECT_EQ(with.processes, before.processes + 1);
  EXPECT_EQ(with.threads, before.threads);
  EXPECT_GE(with.resident_bytes, before.resident_bytes + (2 << 20));
}

TEST(FootprintTest, NothingGrowsWhereAllStaysAsItWas) {
  EXPECT_EQ(Growth(Hundred()), "");
  EXPECT_EQ(Growth({}), "");
  EXPECT_THAT(Trend(Hundred()), HasSubstr("descriptors 7 -> 7"));
}

TEST(FootprintTest, OneMoreOfWhatIsCountedIsGrowth) {
  for (auto member : {&Footprint::descriptors, &Footprint::processes,
                      &Footprint::threads, &Footprint::files}) {
    std::vector<Footprint> all = Hundred();
    all[1].*member += 1;
    EXPECT_THAT(Growth(all), HasSubstr("grew"));
    all.resize(2);
    EXPECT_THAT(Growth(all), HasSubstr("grew"));
  }
}

TEST(FootprintTest, WhatComesAndGoesIsJudgedByItsTrend) {
  for (auto member : {&Footprint::mappings, &Footprint::heap_bytes,
                      &Footprint::resident_bytes}) {
    std::vector<Footprint> all = Hundred();
    all[50].*member += int64_t{1} << 30;
    EXPECT_EQ(Growth(all), "");
    for (Footprint& footprint : all) footprint.*member += 4;
    for (size_t i = 70; i < all.size(); ++i) all[i].*member += 4;
    EXPECT_EQ(Growth(all, {.mappings = 4}), "");
    for (size_t i = 0; i < all.size(); ++i) {
      all[i].*member += static_cast<int64_t>(i) * 8192;
    }
    EXPECT_THAT(Growth(all), HasSubstr("grew"));
  }
}

}  // namespace
}  // namespace baton::miniport
