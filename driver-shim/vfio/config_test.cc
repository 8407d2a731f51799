#include "driver-shim/vfio/config.h"

#include "absl/strings/str_replace.h"
#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

constexpr char kGood[] = R"({
  "model": "Test GPU", "pci_id": "1b36:ba70",
  "module": {"name": "bgpu", "parameters": "vram_mb=4"},
  "mdev": {"parent": "/sys/class/mdev_bus/bgpu", "type": "bgpu-small",
           "vram_mib": 4},
  "proof": {"state_digest": "proof/state_digest", "unverified": "refuse"},
  "vgpus": [
    {"uuid": "b9a70000-0000-4000-8000-000000000000", "guest": "vm-a",
     "machine": {"qmp": "/run/a.qmp"}},
    {"uuid": "b9a70000-0000-4000-8000-000000000001", "guest": "plain",
     "client": {"socket": "/run/c.sock"}}
  ]
})";

TEST(ConfigTest, ReadsWhatAnOperatorWrote) {
  const auto config = ParseConfig(kGood);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model, "Test GPU");
  EXPECT_EQ(config->pci_id, "1b36:ba70");
  EXPECT_EQ(config->module.name, "bgpu");
  EXPECT_EQ(config->module.parameters, "vram_mb=4");
  EXPECT_EQ(config->mdev.parent, "/sys/class/mdev_bus/bgpu");
  EXPECT_EQ(config->mdev.type, "bgpu-small");
  EXPECT_EQ(config->mdev.vram_mib, 4u);
  EXPECT_EQ(config->proof.state_digest, "proof/state_digest");
  EXPECT_FALSE(config->proof.accept_unverified);
  ASSERT_EQ(config->vgpus.size(), 2u);
  EXPECT_EQ(config->vgpus[0].guest, "vm-a");
  EXPECT_EQ(config->vgpus[0].machine_qmp, "/run/a.qmp");
  EXPECT_EQ(config->vgpus[1].client_socket, "/run/c.sock");
}

TEST(ConfigTest, NamesTheFieldThatIsWrong) {
  struct Row {
    const char* what = "";
    const char* instead = "";
    const char* named = "";
  };
  const Row rows[] = {
      {R"("model": "Test GPU")", R"("model": 1)", "'model'"},
      {R"("model": "Test GPU",)", "", "'model'"},
      {R"("model": "Test GPU",)", R"("model": "x", "modle": "y",)", "'modle'"},
      {R"("name": "bgpu")", R"("nam": "bgpu")", "'module.name'"},
      {R"("vram_mib": 4)", R"("vram_mib": 0)", "'mdev.vram_mib'"},
      {R"("refuse")", R"("perhaps")", "'proof.unverified'"},
      {"000000000000", "00000000000G", "'vgpus[0].uuid'"},
      {"000000000001", "000000000000", "twice"},
      {R"("plain")", R"("vm-a")", "twice"},
      {R"("vm-a")", R"("vm a")", "'vgpus[0].guest'"},
      {R"("/run/a.qmp")", R"("a.qmp")", "'vgpus[0].machine.qmp'"},
      {R"("client": {"socket": "/run/c.sock"})", R"("x": 1)", "'vgpus[1]"},
      {R"("machine": {"qmp": "/run/a.qmp"})", R"("machine": 3)",
       "'vgpus[0].machine'"},
      {"{\n", "", "is not JSON"},
  };
  for (const Row& row : rows) {
    const std::string text =
        absl::StrReplaceAll(kGood, {{row.what, row.instead}});
    ASSERT_NE(text, kGood) << row.what;
    const absl::Status status = ParseConfig(text).status();
    EXPECT_EQ(Reason(status), "BAD_VFIO_CONFIG") << row.what;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(row.named));
  }
}

}  // namespace
}  // namespace baton::vfio
