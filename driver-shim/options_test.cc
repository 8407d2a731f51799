#include "driver-shim/options.h"

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::shim {
namespace {

TEST(OptionsTest, VgpuIsGuestAndProfile) {
  const auto vgpu = ParseVgpu("vm-7:S1-64");
  ASSERT_TRUE(vgpu.ok());
  EXPECT_EQ(vgpu->guest, "vm-7");
  EXPECT_EQ(vgpu->profile, "S1-64");
}

TEST(OptionsTest, EachKindOfAdapterWantsItsOwn) {
  struct Row {
    Options options = {};
    bool ok = false;
  };
  const Row rows[] = {
      {{.device = "/d"}, true},
      {{}, false},
      {{.device = "/d", .vfio_config = "/c"}, false},
      {{.adapter = "vfio", .vfio_config = "/c"}, true},
      {{.adapter = "vfio"}, false},
      {{.adapter = "vfio", .device = "/d", .vfio_config = "/c"}, false},
      {{.adapter = "vfio", .vfio_config = "/c", .vgpus = {"a:b"}}, false},
  };
  for (const Row& row : rows) {
    const absl::Status status = CheckAdapterOptions(row.options);
    EXPECT_EQ(status.ok(), row.ok) << status;
    EXPECT_EQ(Reason(status), row.ok ? "" : "BAD_OPTIONS");
  }
}

TEST(OptionsTest, RefusesWhatIsNoVgpu) {
  for (const std::string& text :
       {std::string(), std::string("vm"), std::string(":S1-64"),
        std::string("vm:"), std::string(48, 'x') + ":S1-64"}) {
    EXPECT_EQ(Reason(ParseVgpu(text).status()), "BAD_VGPU") << text;
  }
}

}  // namespace
}  // namespace baton::shim
