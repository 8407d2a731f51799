#include "driver-shim/vfio/module_file.h"

#include "base/reason.h"
#include "driver-shim/vfio/testing/module_bytes.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

const char kVermagic[] = "6.1.0-42-amd64 SMP preempt mod_unload modversions ";

TEST(ModuleFileTest, SaysWhatTheFileSays) {
  const auto module =
      ParseModule(ModuleBytes("bgpu", kVermagic, "\xab\x01\x02\x03"));
  ASSERT_TRUE(module.ok()) << module.status();
  const ModuleFile want = {
      .name = "bgpu", .vermagic = kVermagic, .build_id = "ab010203"};
  EXPECT_EQ(*module, want);
}

TEST(ModuleFileTest, RefusesWhatIsNoModule) {
  for (const std::string& bytes : {std::string(), std::string("not a module\n"),
                                   ModuleBytes("bgpu", "", "\x01")}) {
    EXPECT_EQ(Reason(ParseModule(bytes).status()), "BAD_MODULE");
  }
  EXPECT_EQ(Reason(ReadModuleFile("/nowhere/at/all.ko").status()),
            "FILE_UNREADABLE");
}

// A file is what somebody sent: cut off or bent anywhere, it is refused or
// read, and nothing beyond its end is.
TEST(ModuleFileTest, BearsEveryCutAndEveryFlippedByte) {
  const std::string bytes = ModuleBytes("bgpu", kVermagic, "\x01\x02\x03\x04");
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto cut = ParseModule(absl::string_view(bytes).substr(0, i));
    EXPECT_FALSE(cut.ok()) << i;
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bent = bytes;
      bent[i] = static_cast<char>(bent[i] ^ flip);
      const auto module = ParseModule(bent);
      if (module.ok()) continue;
      EXPECT_EQ(Reason(module.status()), "BAD_MODULE");
    }
  }
}

}  // namespace
}  // namespace baton::vfio
