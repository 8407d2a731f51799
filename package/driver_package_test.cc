#include "package/driver_package.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

class DriverPackageTest : public ::testing::Test {
 protected:
  DriverPackageTest() {
    std::string pattern = ::testing::TempDir() + "/packageXXXXXX";
    directory_ = mkdtemp(pattern.data());
    Write(Path("driver.so"), std::string(3 << 20, 'x') + "image");
  }
  ~DriverPackageTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const {
    return directory_ + "/" + name;
  }
  static void Write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  static std::string Read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  static v1::DriverManifest Good() {
    v1::DriverManifest manifest;
    manifest.set_driver("softgpu");
    manifest.set_version("2.0");
    manifest.add_pci_ids("1b70:0001");
    manifest.mutable_state_format()->set_writes(1);
    manifest.mutable_state_format()->add_reads(1);
    manifest.set_guest_driver_min("31.0.15");
    manifest.set_kernel_release("6.1.0-42-amd64");
    return manifest;
  }

  std::string directory_;
};

TEST_F(DriverPackageTest, UnpackingGivesBackWhatWasPacked) {
  const auto packed = PackDriver(Good(), Path("driver.so"), Path("p"));
  ASSERT_TRUE(packed.ok()) << packed.status();
  std::filesystem::create_directory(Path("out"));
  const auto unpacked = UnpackDriver(Path("p"), Path("out"));
  ASSERT_TRUE(unpacked.ok()) << unpacked.status();
  EXPECT_EQ(unpacked->SerializeAsString(), packed->SerializeAsString());
  EXPECT_EQ(Read(Path("out/driver.so")), Read(Path("driver.so")));
  const auto manifest = ReadManifestFile(Path("out/manifest.json"));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->SerializeAsString(), packed->SerializeAsString());
}

TEST_F(DriverPackageTest, TwoPacksOfTheSameInputAreEqual) {
  ASSERT_TRUE(PackDriver(Good(), Path("driver.so"), Path("a")).ok());
  ASSERT_TRUE(PackDriver(Good(), Path("driver.so"), Path("b")).ok());
  EXPECT_EQ(Read(Path("a")), Read(Path("b")));
}

TEST_F(DriverPackageTest, EachBadManifestIsRefusedWithItsField) {
  const std::pair<const char*, std::function<void(v1::DriverManifest&)>>
      kBad[] = {
          {"'driver'", [](auto& m) { m.set_driver("Soft GPU"); }},
          {"'version'", [](auto& m) { m.set_version("../../etc"); }},
          {"'version'", [](auto& m) { m.set_version(""); }},
          {"'pci_ids'", [](auto& m) { m.clear_pci_ids(); }},
          {"'pci_ids'", [](auto& m) { m.set_pci_ids(0, "1B70:0001"); }},
          {"'state_format'", [](auto& m) { m.clear_state_format(); }},
          {"'guest_driver_min'",
           [](auto& m) { m.set_guest_driver_min("1.x"); }},
          {"'guest_driver_min'", [](auto& m) { m.set_guest_driver_min("1."); }},
          {"'kernel_release'", [](auto& m) { m.set_kernel_release("6.1 x"); }},
          {"'kernel_release'",
           [](auto& m) { m.set_kernel_release(std::string(65, '6')); }},
      };
  for (const auto& [field, spoil] : kBad) {
    v1::DriverManifest manifest = Good();
    spoil(manifest);
    const auto got = PackDriver(manifest, Path("driver.so"), Path("p"));
    EXPECT_EQ(Reason(got.status()), "BAD_MANIFEST") << field;
    EXPECT_NE(got.status().message().find(field), absl::string_view::npos)
        << got.status();
    EXPECT_FALSE(std::filesystem::exists(Path("p")));
  }
}

TEST_F(DriverPackageTest, AMissingImageIsNamed) {
  const auto got = PackDriver(Good(), Path("absent.so"), Path("p"));
  EXPECT_EQ(Reason(got.status()), "FILE_UNREADABLE");
}

// It was cut to nothing, and then removed.
TEST_F(DriverPackageTest, AnImageIsNotWrittenOver) {
  const std::string image = Read(Path("driver.so"));
  std::filesystem::create_symlink(Path("driver.so"), Path("link"));
  for (const char* const name : {"driver.so", "link", "./driver.so"}) {
    const auto got = PackDriver(Good(), Path("driver.so"), Path(name));
    EXPECT_EQ(Reason(got.status()), "PACKAGE_NOT_WRITTEN") << name;
    EXPECT_EQ(Read(Path("driver.so")), image) << name;
  }
}

TEST_F(DriverPackageTest, AnyCutPackageIsRefused) {
  ASSERT_TRUE(PackDriver(Good(), Path("driver.so"), Path("p")).ok());
  const std::string whole = Read(Path("p"));
  for (size_t cut = 0; cut + 1 < whole.size(); cut += 37) {
    Write(Path("cut"), whole.substr(0, cut));
    EXPECT_FALSE(ReadPackage(Path("cut")).ok()) << "cut at " << cut;
  }
}

TEST_F(DriverPackageTest, AFlippedBitNeverPassesAsAnotherPackage) {
  const auto packed = PackDriver(Good(), Path("driver.so"), Path("p"));
  ASSERT_TRUE(packed.ok());
  const std::string whole = Read(Path("p"));
  for (size_t at = 0; at < whole.size(); at += 11) {
    std::string flipped = whole;
    flipped[at] ^= 0x10;
    Write(Path("flipped"), flipped);
    const auto got = ReadPackage(Path("flipped"));
    // A bit that carries no meaning (of padding, say) may change.
    if (!got.ok()) continue;
    EXPECT_EQ(got->image_digest(), packed->image_digest()) << "bit at " << at;
  }
}

TEST_F(DriverPackageTest, SomethingElseIsNotAPackage) {
  Write(Path("p"), "#!/bin/sh\necho hello\n");
  EXPECT_EQ(Reason(ReadPackage(Path("p")).status()), "BAD_PACKAGE");
}

}  // namespace
}  // namespace baton
