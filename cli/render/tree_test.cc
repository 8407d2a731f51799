#include "cli/render/tree.h"

#include "baton/v1/fleet.pb.h"
#include "baton/v1/rollout.pb.h"
#include "cli/render/golden.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "yaml-cpp/yaml.h"

namespace baton::cli {
namespace {

TEST(TreeTest, JsonIsAsReviewed) {
  ExpectGolden("host.json",
               Json(Sample<v1::ListHostsResponse>("hosts.txtpb").hosts(0)));
}

TEST(TreeTest, YamlIsAsReviewed) {
  ExpectGolden("host.yaml",
               Yaml(Sample<v1::ListHostsResponse>("hosts.txtpb").hosts(0)));
}

TEST(TreeTest, EqualMessagesGiveEqualText) {
  // Maps of the library have an order of their own, other in each map.
  v1::Host there;
  v1::Host back;
  for (int i = 0; i < 50; ++i) {
    (*there.mutable_labels())["k" + std::to_string(i)] = "v";
    (*back.mutable_labels())["k" + std::to_string(49 - i)] = "v";
  }
  EXPECT_EQ(Json(there), Json(back));
  EXPECT_EQ(Yaml(there), Yaml(back));
}

TEST(TreeTest, JsonReadsBackAsTheSameMessage) {
  const auto rollout = Sample<v1::Rollout>("rollout.txtpb");
  v1::Rollout back;
  ASSERT_TRUE(
      google::protobuf::util::JsonStringToMessage(Json(rollout), &back).ok());
  EXPECT_TRUE(
      google::protobuf::util::MessageDifferencer::Equals(rollout, back));
}

TEST(TreeTest, JsonLineIsOneLine) {
  const std::string line = JsonLine(Sample<v1::Rollout>("rollout.txtpb"));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.substr(0, 24), R"({"name":"rollouts/r1","s)");
}

TEST(TreeTest, YamlKeepsStringsThatLookLikeSomethingElse) {
  for (const char* text : {"2.0", "true", "null", "", "NO", "- a", "a: b",
                           "0x10", "line\nbreak", "#", "*"}) {
    v1::Host host;
    host.set_agent_version(text);
    const YAML::Node read = YAML::Load(Yaml(host))["agent_version"];
    EXPECT_EQ(read.Scalar(), text);
    EXPECT_FALSE(read.IsNull()) << text;
  }
}

}  // namespace
}  // namespace baton::cli
