#include "agent/host/staging.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "package/driver_package.h"

namespace baton::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

constexpr absl::Duration kDeadline = absl::Seconds(30);

// Holds package bytes by driver name, and can break off.
class FakeFetcher final : public Fetcher {
 public:
  absl::Status Fetch(const std::string& driver, uint64_t offset, absl::Duration,
                     const std::atomic<bool>&, const Sink& sink) override {
    offsets.push_back(offset);
    const std::string& all = packages[driver];
    const size_t end = std::min(all.size(), breaks_at);
    for (size_t at = offset; at < end; at += 100) {
      const std::string piece = all.substr(at, std::min<size_t>(100, end - at));
      if (absl::Status taken = sink(piece); !taken.ok()) return taken;
    }
    if (end < all.size()) return absl::UnavailableError("the line is cut");
    return absl::OkStatus();
  }

  std::map<std::string, std::string> packages;
  std::vector<uint64_t> offsets;
  size_t breaks_at = SIZE_MAX;
};

class StagingTest : public ::testing::Test {
 protected:
  StagingTest()
      : folder_(
            ::testing::TempDir() + "/staging_test_" +
            ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    EXPECT_TRUE(staging_.SetUp().ok());
  }

  static std::string NameOf(const std::string& version) {
    return "drivers/softgpu/versions/" + version;
  }

  // Packs a driver, puts it where the fetcher finds it, and returns what an
  // order says of it.
  Stage::Wanted Publish(const std::string& version) {
    const std::string path = Pack(version);
    std::stringstream bytes;
    bytes << std::ifstream(path).rdbuf();
    fetcher_.packages[NameOf(version)] = bytes.str();
    return {NameOf(version), Sha256Of(bytes.str()), bytes.str().size(), ""};
  }

  std::string Pack(const std::string& version) {
    v1::DriverManifest manifest;
    manifest.set_driver("softgpu");
    manifest.set_version(version);
    manifest.add_pci_ids("1b70:0001");
    manifest.mutable_state_format()->set_writes(2);
    manifest.mutable_state_format()->add_reads(1);
    manifest.mutable_state_format()->add_reads(2);
    const std::string image = folder_ + "/driver.so";
    // Hardly compressible, so that the package has some size.
    std::string body = "image of " + version;
    for (int i = 0; i < 40; ++i) body += Sha256Of(body);
    std::ofstream(image, std::ios::trunc) << body;
    std::string path = folder_ + "/" + version + ".pkg";
    EXPECT_TRUE(PackDriver(manifest, image, path).ok());
    return path;
  }

  absl::StatusOr<StagedPackage> Add(const Stage::Wanted& wanted) {
    return staging_.Add(wanted, kDeadline, stop_);
  }

  std::vector<std::string> Directories() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(root_ + "/drivers")) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  const std::string folder_;
  const std::string root_ = folder_ + "/root";
  FakeFetcher fetcher_;
  Staging staging_{root_, fetcher_, RealClock()};
  std::atomic<bool> stop_ = false;
};

TEST_F(StagingTest, FetchesVerifiesAndUnpacks) {
  const Stage::Wanted wanted = Publish("2.0");
  const absl::StatusOr<StagedPackage> package = Add(wanted);
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->name, "softgpu-2.0-" + wanted.digest.substr(7, 12));
  EXPECT_EQ(package->image.version, "2.0");
  EXPECT_EQ(*Sha256OfFile(package->image.path), package->image.digest);
  EXPECT_THAT(package->pci_ids, ElementsAre("1b70:0001"));
  EXPECT_EQ(package->writes_format, 2u);
  EXPECT_THAT(package->reads_formats, ElementsAre(1u, 2u));
  EXPECT_TRUE(fs::is_empty(root_ + "/downloads"));
  // The second time there is nothing to fetch.
  ASSERT_TRUE(Add(wanted).ok());
  EXPECT_THAT(fetcher_.offsets, ElementsAre(0u));
}

TEST_F(StagingTest, GoesOnWhereADownloadBroke) {
  const Stage::Wanted wanted = Publish("2.0");
  fetcher_.breaks_at = 250;
  EXPECT_TRUE(absl::IsUnavailable(Add(wanted).status()));
  fetcher_.breaks_at = SIZE_MAX;
  ASSERT_TRUE(Add(wanted).ok());
  EXPECT_THAT(fetcher_.offsets, ElementsAre(0u, 250u));
}

TEST_F(StagingTest, ThrowsAwayWhatHasTheWrongDigest) {
  Stage::Wanted wanted = Publish("2.0");
  fetcher_.packages[NameOf("2.0")][50] ^= 1;
  const absl::Status status = Add(wanted).status();
  EXPECT_EQ(Reason(status), "PACKAGE_DIGEST_MISMATCH");
  EXPECT_TRUE(fs::is_empty(root_ + "/downloads"));
  EXPECT_THAT(Directories(), ElementsAre());
  fetcher_.packages[NameOf("2.0")][50] ^= 1;
  EXPECT_TRUE(Add(wanted).ok());
}

TEST_F(StagingTest, RefusesMoreBytesThanWereOrdered) {
  Stage::Wanted wanted = Publish("2.0");
  fetcher_.packages[NameOf("2.0")] += "more";
  EXPECT_EQ(Reason(Add(wanted).status()), "PACKAGE_DIGEST_MISMATCH");
  EXPECT_TRUE(fs::is_empty(root_ + "/downloads"));
}

TEST_F(StagingTest, RefusesFewerBytesThanWereOrdered) {
  Stage::Wanted wanted = Publish("2.0");
  fetcher_.packages[NameOf("2.0")].pop_back();
  EXPECT_EQ(Reason(Add(wanted).status()), "PACKAGE_DIGEST_MISMATCH");
}

TEST_F(StagingTest, RefusesAPackageThatIsAnother) {
  Stage::Wanted wanted = Publish("2.0");
  fetcher_.packages[NameOf("3.0")] = fetcher_.packages[NameOf("2.0")];
  wanted.driver = NameOf("3.0");
  EXPECT_EQ(Reason(Add(wanted).status()), "PACKAGE_IS_ANOTHER");
  EXPECT_THAT(Directories(), ElementsAre());
}

TEST_F(StagingTest, RefusesNamesAndDigestsThatAreNone) {
  Stage::Wanted wanted = Publish("2.0");
  wanted.digest = "sha256:short";
  EXPECT_EQ(Reason(Add(wanted).status()), "BAD_PACKAGE_DIGEST");
  wanted = Publish("2.0");
  for (const std::string name :
       {"", "drivers/softgpu", "drivers//versions/2", "drivers/../versions/1",
        "drivers/softgpu/versions/..", "a/b/c/d"}) {
    SCOPED_TRACE(name);
    wanted.driver = name;
    EXPECT_EQ(Reason(Add(wanted).status()), "BAD_DRIVER_NAME");
  }
}

TEST_F(StagingTest, UnpacksAgainWhatWasDamaged) {
  const Stage::Wanted wanted = Publish("2.0");
  const std::string image = Add(wanted)->image.path;
  fs::permissions(image, fs::perms::owner_all);
  std::ofstream(image, std::ios::app) << "rot";
  const absl::StatusOr<StagedPackage> again = Add(wanted);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*Sha256OfFile(again->image.path), again->image.digest);
  EXPECT_EQ(fetcher_.offsets.size(), 2u);
}

// Names of directories tell packages apart by a part of their digests.
TEST_F(StagingTest, FetchesWhatAnotherPackageOfThatNameIsNot) {
  const Stage::Wanted wanted = Publish("2.0");
  const std::string directory = root_ + "/drivers/" + Add(wanted)->name;
  const std::string path = directory + "/package.digest";
  std::stringstream said;
  said << std::ifstream(path).rdbuf();
  EXPECT_EQ(said.str(), wanted.digest);
  // The same 12 digits, and others behind them.
  std::ofstream(path) << wanted.digest.substr(0, 19) << std::string(52, '0');
  ASSERT_TRUE(Add(wanted).ok());
  EXPECT_EQ(fetcher_.offsets.size(), 2u);
  fs::remove(path);
  ASSERT_TRUE(Add(wanted).ok());
  EXPECT_EQ(fetcher_.offsets.size(), 3u);
  ASSERT_TRUE(Add(wanted).ok());
  EXPECT_EQ(fetcher_.offsets.size(), 3u);
}

TEST_F(StagingTest, SwitchesForthAndBackAndToNothing) {
  EXPECT_EQ(*staging_.Current(), std::nullopt);
  const StagedPackage one = *Add(Publish("1.0"));
  const StagedPackage two = *Add(Publish("2.0"));
  for (const StagedPackage& package : {one, two, one}) {
    ASSERT_TRUE(staging_.Switch(package.name).ok());
    EXPECT_EQ((*staging_.Current())->name, package.name);
    EXPECT_TRUE(fs::exists(root_ + "/current/manifest.json"));
  }
  ASSERT_TRUE(staging_.Switch("").ok());
  ASSERT_TRUE(staging_.Switch("").ok());
  EXPECT_EQ(*staging_.Current(), std::nullopt);
}

TEST_F(StagingTest, ALinkLeftHalfMadeIsNoObstacle) {
  const StagedPackage one = *Add(Publish("1.0"));
  fs::create_symlink("nowhere", root_ + "/current.new");
  ASSERT_TRUE(staging_.Switch(one.name).ok());
  EXPECT_EQ((*staging_.Current())->name, one.name);
}

TEST_F(StagingTest, MakesRoomButKeepsWhatIsNeeded) {
  std::vector<std::string> names;
  std::string in_use;
  for (const std::string version : {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"}) {
    Stage::Wanted wanted = Publish(version);
    wanted.in_use = in_use;
    const StagedPackage package = *Add(wanted);
    names.push_back(package.name);
    // The oldest one is the current, the next one is loaded.
    if (version == "1.0") {
      ASSERT_TRUE(staging_.Switch(package.name).ok());
    }
    if (version == "1.1") in_use = package.image.path;
  }
  const std::vector<std::string> left = Directories();
  EXPECT_EQ(left.size(), 5u);
  for (const size_t kept : {0, 1, 5}) {
    EXPECT_THAT(left, ::testing::Contains(names[kept]));
  }
}

// Each took its room for good.
TEST_F(StagingTest, RegressionWhatNobodyWaitsForIsRemoved) {
  const Stage::Wanted broken = Publish("1.0");
  fetcher_.breaks_at = 250;
  EXPECT_FALSE(Add(broken).ok());
  fetcher_.breaks_at = SIZE_MAX;
  EXPECT_FALSE(fs::is_empty(root_ + "/downloads"));
  fs::create_directories(root_ +
                         "/drivers/.unpacking-softgpu-0.9-0123456789ab");
  ASSERT_TRUE(Add(Publish("2.0")).ok());
  EXPECT_TRUE(fs::is_empty(root_ + "/downloads"));
  EXPECT_EQ(Directories().size(), 1u);
}

TEST_F(StagingTest, RegressionADiskThatIsTooSmallIsGivenBackItsRoom) {
  const Stage::Wanted wanted = Publish("2.0");
  // What is downloaded fits, what is in it does not.
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small = {wanted.size_bytes, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::Status status = Add(wanted).status();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(Reason(status), "PACKAGE_NOT_WRITTEN") << status;
  EXPECT_THAT(Directories(), ElementsAre());
  EXPECT_TRUE(Add(wanted).ok());
}

// The loaded driver's package was removed where its path was another one.
TEST_F(StagingTest, RegressionWhatIsLoadedIsKeptByWhateverPath) {
  const StagedPackage loaded = *Add(Publish("1.0"));
  fs::create_directory_symlink(root_, folder_ + "/link");
  for (const std::string version : {"1.1", "1.2", "1.3", "1.4"}) {
    Stage::Wanted wanted = Publish(version);
    wanted.in_use = folder_ + "/link/drivers/" + loaded.name + "/driver.so";
    ASSERT_TRUE(Add(wanted).ok());
  }
  EXPECT_THAT(Directories(), ::testing::Contains(loaded.name));
}

TEST_F(StagingTest, InstallsOnlyWhereNothingIsCurrent) {
  ASSERT_TRUE(staging_.Install(Pack("1.0")).ok());
  ASSERT_TRUE(staging_.Install(Pack("2.0")).ok());
  EXPECT_EQ((*staging_.Current())->image.version, "1.0");
  EXPECT_EQ(Directories().size(), 1u);
  EXPECT_TRUE(staging_.Install("/nowhere.pkg").ok());
}

TEST_F(StagingTest, RefusesToInstallWhatIsNoPackage) {
  const std::string path = folder_ + "/junk.pkg";
  std::ofstream(path) << "junk";
  EXPECT_EQ(Reason(staging_.Install(path)), "BAD_PACKAGE");
  EXPECT_EQ(*staging_.Current(), std::nullopt);
}

// A package that no disk holds.
TEST_F(StagingTest, AsksForSpaceOnlyAfterMakingRoomAndNotForWhatIsThere) {
  for (const std::string version : {"1.0", "1.1", "1.2", "1.3"}) {
    ASSERT_TRUE(Add(Publish(version)).ok());
  }
  ASSERT_EQ(Directories().size(), 3u);
  Stage::Wanted wanted = Publish("2.0");
  wanted.size_bytes = uint64_t{1} << 60;
  EXPECT_EQ(Reason(Add(wanted).status()), "DISK_FULL");
  EXPECT_EQ(Directories().size(), 2u);
  EXPECT_EQ(fetcher_.offsets.size(), 4u);
  wanted = Publish("1.3");
  wanted.size_bytes = uint64_t{1} << 60;
  EXPECT_TRUE(Add(wanted).ok());
}

}  // namespace
}  // namespace baton::agent
