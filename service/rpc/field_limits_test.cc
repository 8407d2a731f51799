#include "service/rpc/field_limits.h"

#include <string>

#include "base/reason.h"
#include "baton/v1/agent.pb.h"
#include "baton/v1/driver.pb.h"
#include "baton/v1/rollout.pb.h"
#include "gtest/gtest.h"

namespace baton::rpc {
namespace {

absl::Status Check(const google::protobuf::Message& message) {
  return CheckFieldSizes(message, Speaker::kOperator);
}

TEST(FieldLimitsTest, TakesWhatFits) {
  v1::CreateRolloutRequest request;
  request.set_name("rollouts/r");
  request.set_request_id(std::string(64, 'i'));
  request.mutable_spec()->set_selector(std::string(4096, 's'));
  request.mutable_spec()->add_waves()->set_percent(10);
  EXPECT_TRUE(Check(request).ok());
  EXPECT_TRUE(Check(v1::CreateRolloutRequest()).ok());
}

TEST(FieldLimitsTest, NamesTheFieldItsSizeAndItsBound) {
  v1::CreateRolloutRequest request;
  request.mutable_spec()->set_selector(std::string(5 << 20, 's'));
  const absl::Status status = Check(request);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "FIELD_TOO_LONG");
  EXPECT_EQ(status.message(),
            "field \"spec.selector\" has 5242880 bytes, at most 4096 are "
            "taken");
}

TEST(FieldLimitsTest, LooksIntoListsAndMaps) {
  v1::CreateRolloutRequest waves;
  waves.mutable_spec()->add_waves();
  waves.mutable_spec()->add_waves()->set_name(std::string(300, 'n'));
  EXPECT_EQ(Check(waves).message(),
            "field \"spec.waves.name\" has 300 bytes, at most 256 are taken");

  v1::UpdateHostRequest labels;
  (*labels.mutable_operator_labels())["k"] = std::string(513, 'v');
  EXPECT_EQ(Check(labels).message(),
            "field \"operator_labels.value\" has 513 bytes, at most 512 are "
            "taken");

  v1::CreateRolloutRequest many;
  for (int i = 0; i < 1001; ++i) many.mutable_spec()->add_waves();
  EXPECT_EQ(Check(many).message(),
            "field \"spec.waves\" has 1001 items, at most 1000 are taken");
}

TEST(FieldLimitsTest, EachDocumentedBoundIsKept) {
  v1::HoldRolloutRequest hold;
  hold.set_reason(std::string(1024, 'r'));
  EXPECT_TRUE(Check(hold).ok());
  hold.set_reason(std::string(1025, 'r'));
  EXPECT_EQ(Reason(Check(hold)), "FIELD_TOO_LONG");

  v1::UploadDriverRequest upload;
  upload.set_chunk(std::string(1 << 20, 'c'));
  EXPECT_TRUE(Check(upload).ok());
  upload.set_chunk(std::string((1 << 20) + 1, 'c'));
  EXPECT_EQ(Reason(Check(upload)), "FIELD_TOO_LONG");
  upload.mutable_header()->set_request_id(std::string(65, 'i'));
  EXPECT_EQ(Reason(Check(upload)), "FIELD_TOO_LONG");
}

TEST(FieldLimitsTest, AgentsMaySayMore) {
  v1::ConnectRequest request;
  request.mutable_report()->set_message(std::string(64 << 10, 'm'));
  EXPECT_TRUE(CheckFieldSizes(request, Speaker::kAgent).ok());
  EXPECT_EQ(Reason(Check(request)), "FIELD_TOO_LONG");
  request.mutable_report()->set_message(std::string((64 << 10) + 1, 'm'));
  EXPECT_EQ(Reason(CheckFieldSizes(request, Speaker::kAgent)),
            "FIELD_TOO_LONG");
}

}  // namespace
}  // namespace baton::rpc
