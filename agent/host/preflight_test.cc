#include "agent/host/preflight.h"

#include <cstdio>
#include <fstream>
#include <string>

#include "base/digest.h"
#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

Sight ASight() {
  Sight sight;
  sight.adapter.set_name("gpu0");
  sight.adapter.set_pci_id("1b70:0001");
  sight.adapter.set_hot_update_capable(true);
  sight.state = core::AdapterState::kRunning;
  sight.image = core::Image{"/old.so", "sha256:old", "softgpu", "1.0"};
  return sight;
}

StagedPackage APackage(const std::string& digest, uint32_t writes,
                       std::vector<uint32_t> reads) {
  StagedPackage package;
  package.image.digest = digest;
  package.pci_ids = {"10de:0001", "1b70:0001"};
  package.writes_format = writes;
  package.reads_formats = std::move(reads);
  return package;
}

TEST(PreflightTest, AdapterMustRunACapableDriverInEveryState) {
  for (int s = 0; s <= static_cast<int>(core::kLastAdapterState); ++s) {
    const auto state = static_cast<core::AdapterState>(s);
    SCOPED_TRACE(core::Name(state));
    Sight sight = ASight();
    sight.state = state;
    const bool usable = state == core::AdapterState::kRunning ||
                        state == core::AdapterState::kPrepared;
    EXPECT_EQ(Reason(CheckAdapter(sight, 1)), usable ? "" : "NO_DRIVER");
  }
  Sight without = ASight();
  without.image = std::nullopt;
  EXPECT_EQ(Reason(CheckAdapter(without, 1)), "NO_DRIVER");
  Sight incapable = ASight();
  incapable.adapter.set_hot_update_capable(false);
  EXPECT_EQ(Reason(CheckAdapter(incapable, 1)), "NOT_HOT_UPDATE_CAPABLE");
}

TEST(PreflightTest, AnotherAttemptHoldsTheAdapter) {
  Sight sight = ASight();
  sight.attempt = 4;
  EXPECT_EQ(Reason(CheckAdapter(sight, 5)), "ADAPTER_BUSY");
  EXPECT_TRUE(CheckAdapter(sight, 4).ok());
}

TEST(PreflightTest, SpaceForPackageAndImage) {
  const uint64_t mib = uint64_t{1} << 20;
  EXPECT_TRUE(CheckSpace(mib, 21 * mib).ok());
  EXPECT_EQ(Reason(CheckSpace(mib, 21 * mib - 1)), "DISK_FULL");
}

TEST(PreflightTest, TheWayBackMustBeOnDisk) {
  const std::string path = ::testing::TempDir() + "/preflight_old.so";
  std::ofstream(path) << "old";
  EXPECT_TRUE(CheckWayBack({path, Sha256Of("old"), "", ""}).ok());
  EXPECT_EQ(Reason(CheckWayBack({path, Sha256Of("new"), "", ""})),
            "OLD_IMAGE_CHANGED");
  std::remove(path.c_str());
  EXPECT_EQ(Reason(CheckWayBack({path, Sha256Of("old"), "", ""})),
            "OLD_IMAGE_UNREADABLE");
}

TEST(PreflightTest, PackageMustBeForTheDevice) {
  v1::Adapter adapter;
  adapter.set_pci_id("1b70:0001");
  EXPECT_TRUE(CheckPackage(adapter, APackage("", 1, {1})).ok());
  adapter.set_pci_id("1b70:0002");
  EXPECT_EQ(Reason(CheckPackage(adapter, APackage("", 1, {1}))),
            "WRONG_DEVICE");
}

TEST(PreflightTest, FormatsMustBeReadableBothWays) {
  struct Row {
    StagedPackage current;
    StagedPackage next;
    const char* reason;
  };
  const Row rows[] = {
      {APackage("sha256:old", 1, {1}), APackage("n", 1, {1}), ""},
      {APackage("sha256:old", 1, {1, 2}), APackage("n", 2, {1, 2}), ""},
      {APackage("sha256:old", 1, {1}), APackage("n", 2, {2}),
       "STATE_FORMAT_UNREADABLE"},
      {APackage("sha256:old", 1, {1}), APackage("n", 2, {1, 2}),
       "STATE_FORMAT_NO_WAY_BACK"},
      // The link does not say what is loaded: nothing is known.
      {APackage("sha256:other", 1, {1}), APackage("n", 2, {2}), ""},
  };
  const core::Image loaded = *ASight().image;
  for (const Row& row : rows) {
    EXPECT_EQ(Reason(CheckFormats(loaded, row.current, row.next)), row.reason);
  }
  EXPECT_TRUE(CheckFormats(loaded, std::nullopt, APackage("n", 2, {2})).ok());
}

}  // namespace
}  // namespace baton::agent
