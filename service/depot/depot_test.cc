#include "service/depot/depot.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "package/driver_package.h"

namespace baton::depot {
namespace {

constexpr char kName[] = "drivers/softgpu/versions/2.0";

bool Never() { return false; }
bool Always() { return true; }

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class DepotTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
    WriteFile(root_ + "/image.so", std::string(70000, 'i'));
    v1::DriverManifest manifest;
    manifest.set_driver("softgpu");
    manifest.set_version("2.0");
    manifest.add_pci_ids("1b70:0001");
    manifest.mutable_state_format()->set_writes(2);
    manifest.mutable_state_format()->add_reads(2);
    ASSERT_TRUE(
        PackDriver(manifest, root_ + "/image.so", root_ + "/packed").ok());
    bytes_ = ReadRange(root_ + "/packed", 0, 1 << 20).value();
    package_ = {.digest = Sha256Of(bytes_), .size_bytes = bytes_.size()};
    Reopen();
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Reopen() {
    depot_ = nullptr;
    auto depot = Depot::Open(
        directory_,
        {.free_bytes = [this] { return free_bytes_; }, .reserve_bytes = 1000});
    ASSERT_TRUE(depot.ok()) << depot.status();
    depot_ = *std::move(depot);
  }
  // Uploads `bytes` as `package`, whatever they are, in two pieces.
  absl::Status Store(const std::string& bytes, const Package& package,
                     const std::string& name = kName) {
    auto upload = depot_->StartUpload(name, package);
    if (!upload.ok()) return upload.status();
    const size_t half = bytes.size() / 2;
    absl::Status status = (*upload)->Append(bytes.substr(0, half));
    if (status.ok()) status = (*upload)->Append(bytes.substr(half));
    return status.ok() ? (*upload)->Finish().status() : status;
  }
  std::vector<std::string> Files() { return ListDirectory(directory_).value(); }
  std::string FileOf(const Package& package) {
    return package.digest.substr(7) + ".pkg";
  }

  const std::string root_ = testing::TempDir() + "/depot_test";
  const std::string directory_ = root_ + "/packages";
  std::string bytes_;
  Package package_;
  absl::StatusOr<uint64_t> free_bytes_ = uint64_t{1} << 30;
  std::unique_ptr<Depot> depot_;
};

TEST_F(DepotTest, KeepsAPackageUnderItsDigest) {
  ASSERT_TRUE(Store(bytes_, package_).ok());
  EXPECT_EQ(Files(), std::vector<std::string>{FileOf(package_)});
  EXPECT_EQ(depot_->Read(package_, 0, 1 << 20).value(), bytes_);
  EXPECT_EQ(depot_->Read(package_, 10, 5).value(), bytes_.substr(10, 5));
  EXPECT_EQ(depot_->Read(package_, bytes_.size(), 5).value(), "");
}

TEST_F(DepotTest, ReturnsWhatThePackageSaysOfItself) {
  auto upload = depot_->StartUpload(kName, package_);
  ASSERT_TRUE(upload.ok());
  ASSERT_TRUE((*upload)->Append(bytes_).ok());
  const auto manifest = (*upload)->Finish();
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->driver(), "softgpu");
  EXPECT_EQ(manifest->version(), "2.0");
  EXPECT_EQ(manifest->image_digest(), Sha256Of(std::string(70000, 'i')));
}

TEST_F(DepotTest, RefusesWhatIsNotAsAnnouncedAndLeavesNoFile) {
  const std::string other = Sha256Of("other");
  const struct {
    const char* what;
    std::string bytes;
    Package package;
    std::string name;
    std::string reason;
  } kCases[] = {
      {"digest",
       bytes_,
       {other, bytes_.size()},
       kName,
       "PACKAGE_DIGEST_MISMATCH"},
      {"cut", bytes_.substr(1), package_, kName, "PACKAGE_SIZE_MISMATCH"},
      {"none", "", package_, kName, "PACKAGE_SIZE_MISMATCH"},
      {"more", bytes_ + "x", package_, kName, "PACKAGE_SIZE_MISMATCH"},
      {"name", bytes_, package_, "drivers/softgpu/versions/3.0",
       "PACKAGE_NAME_MISMATCH"},
      {"no package", "junk", {Sha256Of("junk"), 4}, kName, "BAD_PACKAGE"},
      {"no digest", bytes_, {"sha256:12", bytes_.size()}, kName, "BAD_DIGEST"},
      {"path", bytes_, {"../../etc", bytes_.size()}, kName, "BAD_DIGEST"},
      {"size", "", {other, kPackageBytesMax + 1}, kName, "PACKAGE_TOO_BIG"},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    const absl::Status status = Store(c.bytes, c.package, c.name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(Reason(status), c.reason);
    EXPECT_TRUE(Files().empty());
  }
}

TEST_F(DepotTest, AnUploadThatIsGivenUpLeavesNoFile) {
  {
    auto upload = depot_->StartUpload(kName, package_);
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE((*upload)->Append("half").ok());
    EXPECT_EQ(Files().size(), 1u);
  }
  EXPECT_TRUE(Files().empty());
}

// What is kept free is for the store, and so for the hosts in flight.
TEST_F(DepotTest, RegressionUploadsTakeNothingOfTheReserve) {
  const uint64_t size = package_.size_bytes;
  free_bytes_ = 1000 + size - 1;
  const absl::Status refused = depot_->StartUpload(kName, package_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_EQ(Reason(refused), "SERVICE_DISK_LOW");
  EXPECT_TRUE(Files().empty());
  free_bytes_ = 1000 + size;
  EXPECT_TRUE(Store(bytes_, package_).ok());
}

TEST_F(DepotTest, RegressionUploadsLeaveEachOtherRoom) {
  const uint64_t size = package_.size_bytes;
  free_bytes_ = 1000 + 2 * size - 1;
  auto first = depot_->StartUpload(kName, package_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Reason(depot_->StartUpload(kName, package_).status()),
            "SERVICE_DISK_LOW");
  ASSERT_TRUE((*first)->Append(bytes_).ok());
  free_bytes_ = 1000 + size;  // less by what came
  EXPECT_TRUE(depot_->StartUpload(kName, package_).ok());
}

TEST_F(DepotTest, StartsNoUploadOnADiskThatCannotBeAsked) {
  free_bytes_ = absl::UnavailableError("no disk");
  EXPECT_EQ(depot_->StartUpload(kName, package_).status(),
            free_bytes_.status());
}

TEST_F(DepotTest, OpenRemovesWhatACutOffUploadLeft) {
  ASSERT_TRUE(Store(bytes_, package_).ok());
  WriteFile(directory_ + "/upload-1.part", "half");
  Reopen();
  EXPECT_EQ(Files(), std::vector<std::string>{FileOf(package_)});
}

TEST_F(DepotTest, ReconcileRemovesOnlyWhatNobodyWants) {
  ASSERT_TRUE(Store(bytes_, package_).ok());
  ASSERT_TRUE(depot_->Reconcile({package_, {Sha256Of("missing"), 3}}).ok());
  EXPECT_EQ(Files(), std::vector<std::string>{FileOf(package_)});
  ASSERT_TRUE(depot_->Reconcile({}).ok());
  EXPECT_TRUE(Files().empty());
}

TEST_F(DepotTest, RefusesADamagedPackageUntilItIsUploadedAgain) {
  ASSERT_TRUE(Store(bytes_, package_).ok());
  std::string damaged = bytes_;
  damaged[100] ^= 1;
  WriteFile(directory_ + "/" + FileOf(package_), damaged);
  Reopen();
  const auto read = depot_->Read(package_, 0, 1);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Reason(read.status()), "PACKAGE_DAMAGED");
  ASSERT_TRUE(Store(bytes_, package_).ok());
  EXPECT_EQ(depot_->Read(package_, 0, 1 << 20).value(), bytes_);
}

TEST_F(DepotTest, RefusesAMissingPackage) {
  const auto never = depot_->Read(package_, 0, 1);
  EXPECT_EQ(Reason(never.status()), "PACKAGE_DAMAGED");
  ASSERT_TRUE(Store(bytes_, package_).ok());
  ASSERT_TRUE(RemoveFile(directory_ + "/" + FileOf(package_)).ok());
  const auto gone = depot_->Read(package_, 0, 1);
  EXPECT_EQ(gone.status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(DepotTest, ForgetsOnlyWhatIsNeitherUsedNorHeldByAnUpload) {
  ASSERT_TRUE(Store(bytes_, package_).ok());
  ASSERT_TRUE(depot_->Forget(package_.digest, Always).ok());
  EXPECT_EQ(Files().size(), 1u);
  {
    auto upload = depot_->StartUpload(kName, package_);
    ASSERT_TRUE(upload.ok());
    ASSERT_TRUE((*upload)->Append(bytes_).ok());
    ASSERT_TRUE((*upload)->Finish().ok());
    ASSERT_TRUE(depot_->Forget(package_.digest, Never).ok());
    EXPECT_EQ(Files(), std::vector<std::string>{FileOf(package_)});
  }
  ASSERT_TRUE(depot_->Forget(package_.digest, Never).ok());
  EXPECT_TRUE(Files().empty());
}

}  // namespace
}  // namespace baton::depot
