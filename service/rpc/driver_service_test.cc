#include "service/rpc/driver_service.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/digest.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "service/rpc/testing/service_fixture.h"

namespace baton::rpc {
namespace {

using Stub = v1::DriverService::Stub;

constexpr char kName[] = "drivers/softgpu/versions/2.0";

class DriverServiceTest : public ServiceFixture {
 protected:
  // Downloads into `bytes` what comes after `offset`.
  absl::Status Download(const std::string& name, uint64_t offset,
                        std::string& bytes) {
    grpc::ClientContext context;
    v1::DownloadDriverRequest request;
    request.set_name(name);
    request.set_offset_bytes(offset);
    const auto reader = drivers_->DownloadDriver(&context, request);
    v1::DownloadDriverResponse piece;
    while (reader->Read(&piece)) {
      EXPECT_EQ(piece.offset_bytes(), offset + bytes.size());
      EXPECT_LE(piece.chunk().size(), 256u << 10);
      bytes += piece.chunk();
    }
    return FromStub(reader->Finish());
  }
  absl::Status Delete(const std::string& name) {
    v1::DeleteDriverRequest request;
    request.set_name(name);
    v1::DeleteDriverResponse response;
    return Call(*drivers_, &Stub::DeleteDriver, request, &response);
  }
  static std::string FileOf(const std::string& bytes) {
    return Sha256Of(bytes).substr(7) + ".pkg";
  }
};

TEST_F(DriverServiceTest, StoresAPackageAndGivesItBack) {
  const std::string bytes = Pack("2.0");
  v1::UploadDriverResponse response;
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes, &response).ok());
  const v1::Driver& driver = response.driver();
  EXPECT_EQ(driver.name(), kName);
  EXPECT_EQ(driver.digest(), Sha256Of(bytes));
  EXPECT_EQ(driver.size_bytes(), bytes.size());
  EXPECT_EQ(driver.author(), "anonymous");
  EXPECT_EQ(driver.manifest().driver(), "softgpu");
  EXPECT_EQ(driver.manifest().pci_ids(0), "1b70:0001");
  EXPECT_EQ(driver.manifest().state_format().reads(0), 1u);
  EXPECT_NE(driver.etag(), "");
  EXPECT_EQ(PackageFiles(), std::vector<std::string>{FileOf(bytes)});

  v1::GetDriverRequest get;
  get.set_name(kName);
  v1::GetDriverResponse got;
  ASSERT_TRUE(Call(*drivers_, &Stub::GetDriver, get, &got).ok());
  EXPECT_EQ(got.driver().SerializeAsString(), driver.SerializeAsString());
  std::string all;
  ASSERT_TRUE(Download(kName, 0, all).ok());
  EXPECT_EQ(all, bytes);
}

TEST_F(DriverServiceTest, ADownloadGoesOnFromAnyOffset) {
  const std::string bytes = Pack("2.0");
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes).ok());
  for (const size_t offset :
       {size_t{1}, size_t{256} << 10, bytes.size() - 1, bytes.size()}) {
    std::string rest;
    ASSERT_TRUE(Download(kName, offset, rest).ok());
    EXPECT_EQ(rest, bytes.substr(offset));
  }
  std::string none;
  const absl::Status past = Download(kName, bytes.size() + 1, none);
  EXPECT_EQ(past.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(past), "OFFSET_PAST_END");
}

TEST_F(DriverServiceTest, RepeatingAnUploadReturnsWhatIsThere) {
  const std::string bytes = Pack("2.0");
  v1::UploadDriverResponse first;
  v1::UploadDriverResponse second;
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes, &first).ok());
  const core::Fleet before = Snapshot();
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes, &second).ok());
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(Snapshot(), before);
  EXPECT_EQ(PackageFiles(), std::vector<std::string>{FileOf(bytes)});
}

TEST_F(DriverServiceTest, RefusesBadUploadsWithAReasonAndKeepsNothing) {
  const std::string bytes = Pack("2.0");
  const struct {
    const char* what;
    std::function<void(v1::UploadDriverHeader&)> edit;
    std::string sent;
    absl::StatusCode code;
    const char* reason;
  } kCases[] = {
      {"wrong digest",
       [](v1::UploadDriverHeader& h) { h.set_digest(Sha256Of("other")); },
       bytes, absl::StatusCode::kInvalidArgument, "PACKAGE_DIGEST_MISMATCH"},
      {"too few bytes", [](v1::UploadDriverHeader&) {}, bytes.substr(1),
       absl::StatusCode::kInvalidArgument, "PACKAGE_SIZE_MISMATCH"},
      {"too many bytes", [](v1::UploadDriverHeader&) {}, bytes + "x",
       absl::StatusCode::kInvalidArgument, "PACKAGE_SIZE_MISMATCH"},
      {"another name",
       [](v1::UploadDriverHeader& h) {
         h.set_name("drivers/softgpu/versions/3.0");
       },
       bytes, absl::StatusCode::kInvalidArgument, "PACKAGE_NAME_MISMATCH"},
      {"no name", [](v1::UploadDriverHeader& h) { h.set_name("softgpu"); },
       bytes, absl::StatusCode::kInvalidArgument, "BAD_NAME"},
      {"no digest", [](v1::UploadDriverHeader& h) { h.clear_digest(); }, bytes,
       absl::StatusCode::kInvalidArgument, "BAD_DIGEST"},
      {"over 1 GiB",
       [](v1::UploadDriverHeader& h) { h.set_size_bytes((1ull << 30) + 1); },
       bytes, absl::StatusCode::kInvalidArgument, "PACKAGE_TOO_BIG"},
      {"long request id",
       [](v1::UploadDriverHeader& h) {
         h.set_request_id(std::string(65, 'i'));
       },
       bytes, absl::StatusCode::kInvalidArgument, "FIELD_TOO_LONG"},
  };
  const core::Fleet before = Snapshot();
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.what);
    v1::UploadDriverHeader header = HeaderOf("2.0", bytes);
    c.edit(header);
    const absl::Status refused = Upload(header, c.sent);
    EXPECT_EQ(refused.code(), c.code) << refused;
    EXPECT_EQ(Reason(refused), c.reason);
    EXPECT_EQ(Snapshot(), before);
    // The file goes with the call's last thread, after the answer.
    while (!PackageFiles().empty()) std::this_thread::yield();
  }
}

TEST_F(DriverServiceTest, RefusesWhatIsNotAnUpload) {
  for (const bool chunk : {true, false}) {
    v1::UploadDriverResponse response;
    grpc::ClientContext context;
    const auto writer = drivers_->UploadDriver(&context, &response);
    v1::UploadDriverRequest request;
    if (chunk) {
      request.set_chunk("bytes");
      writer->Write(request);
    }
    writer->WritesDone();
    EXPECT_EQ(Reason(FromStub(writer->Finish())), "UPLOAD_HEADER_MISSING");
  }
}

TEST_F(DriverServiceTest, RefusesAChunkThatIsTooLarge) {
  const std::string bytes = Pack("2.0");
  v1::UploadDriverResponse response;
  grpc::ClientContext context;
  const auto writer = drivers_->UploadDriver(&context, &response);
  v1::UploadDriverRequest request;
  *request.mutable_header() = HeaderOf("2.0", bytes);
  writer->Write(request);
  request.set_chunk(std::string(5 << 20, 'c'));
  writer->Write(request);
  writer->WritesDone();
  EXPECT_EQ(Reason(FromStub(writer->Finish())), "FIELD_TOO_LONG");
  while (!PackageFiles().empty()) std::this_thread::yield();
}

TEST_F(DriverServiceTest, RefusesOtherBytesUnderAVersionThatIsThere) {
  const std::string bytes = Pack("2.0");
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes).ok());
  const core::Fleet before = Snapshot();
  v1::UploadDriverHeader header = HeaderOf("2.0", bytes);
  header.set_digest(Sha256Of("other"));
  const absl::Status refused = Upload(header, bytes);
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(refused), "DRIVER_EXISTS");
  EXPECT_EQ(Snapshot(), before);
}

TEST_F(DriverServiceTest, AFailedUploadUnderAnotherNameLeavesThePackageAlone) {
  const std::string bytes = Pack("2.0");
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes).ok());
  v1::UploadDriverHeader header = HeaderOf("2.0", bytes);
  header.set_name("drivers/softgpu/versions/3.0");
  EXPECT_EQ(Reason(Upload(header, bytes)), "PACKAGE_NAME_MISMATCH");
  std::string all;
  ASSERT_TRUE(Download(kName, 0, all).ok());
  EXPECT_EQ(all, bytes);
  // Half of an upload goes once its caller was answered.
  const std::vector<std::string> wanted = {FileOf(bytes)};
  while (PackageFiles() != wanted) std::this_thread::yield();
}

TEST_F(DriverServiceTest, AnUploadThatIsGivenUpLeavesNothing) {
  const std::string bytes = Pack("2.0");
  const core::Fleet before = Snapshot();
  v1::UploadDriverResponse response;
  grpc::ClientContext context;
  const auto writer = drivers_->UploadDriver(&context, &response);
  v1::UploadDriverRequest request;
  *request.mutable_header() = HeaderOf("2.0", bytes);
  ASSERT_TRUE(writer->Write(request));
  request.set_chunk(bytes);
  ASSERT_TRUE(writer->Write(request));
  context.TryCancel();
  EXPECT_EQ(FromStub(writer->Finish()).code(), absl::StatusCode::kCancelled);
  while (!PackageFiles().empty()) std::this_thread::yield();
  EXPECT_EQ(Snapshot(), before);
}

TEST_F(DriverServiceTest, DeletesADriverAndItsPackage) {
  const std::string bytes = Pack("2.0");
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes).ok());
  ASSERT_TRUE(Delete(kName).ok());
  // The file stays until the upload that brought it has let go of it.
  while (!PackageFiles().empty()) std::this_thread::yield();
  std::string none;
  EXPECT_EQ(Reason(Download(kName, 0, none)), "DRIVER_NOT_FOUND");
  EXPECT_EQ(Reason(Delete(kName)), "DRIVER_NOT_FOUND");
  // It may come again.
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes).ok());
  EXPECT_EQ(PackageFiles(), std::vector<std::string>{FileOf(bytes)});
}

TEST_F(DriverServiceTest, KeepsADriverThatARolloutNeeds) {
  Push("2.0");
  const auto agent = Connected("hosts/h");
  Planned("rollouts/r");
  const absl::Status refused = Delete(kName);
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(refused), "DRIVER_IN_USE");
  EXPECT_EQ(PackageFiles().size(), 1u);
}

TEST_F(DriverServiceTest, RefusesAPackageThatIsDamaged) {
  const std::string bytes = Pack("2.0");
  ASSERT_TRUE(Upload(HeaderOf("2.0", bytes), bytes).ok());
  PackageFiles();
  std::filesystem::remove(directory_ + "/packages/" + FileOf(bytes));
  std::string none;
  const absl::Status refused = Download(kName, 0, none);
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Reason(refused), "PACKAGE_DAMAGED");
}

TEST_F(DriverServiceTest, ListsPageByPage) {
  for (const char* version : {"1.0", "2.0", "3.0"}) Push(version);
  v1::ListDriversRequest request;
  request.set_page_size(2);
  v1::ListDriversResponse response;
  ASSERT_TRUE(Call(*drivers_, &Stub::ListDrivers, request, &response).ok());
  ASSERT_EQ(response.drivers_size(), 2);
  EXPECT_EQ(response.drivers(0).name(), "drivers/softgpu/versions/1.0");
  request.set_page_token(response.next_page_token());
  ASSERT_TRUE(Call(*drivers_, &Stub::ListDrivers, request, &response).ok());
  ASSERT_EQ(response.drivers_size(), 1);
  EXPECT_EQ(response.next_page_token(), "");
  request.set_page_size(5000);
  EXPECT_EQ(Reason(Call(*drivers_, &Stub::ListDrivers, request, &response)),
            "BAD_PAGE_SIZE");
}

}  // namespace
}  // namespace baton::rpc
