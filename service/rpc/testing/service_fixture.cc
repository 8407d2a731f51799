#include "service/rpc/testing/service_fixture.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "package/driver_package.h"
#include "proto/status_codec.h"

namespace baton::rpc {
namespace {

// The same bytes each time, which no compression makes smaller.
std::string Noise(size_t bytes) {
  std::string noise(bytes, '\0');
  uint64_t state = 1;
  for (char& c : noise) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    c = static_cast<char>(state >> 56);
  }
  return noise;
}

}  // namespace

// ---- FakeAgent

FakeAgent::FakeAgent(v1::AgentService::Stub& stub, std::string host)
    : stream_(stub.Connect(&context_)), host_(std::move(host)) {
  hello = Hello();
}

FakeAgent::~FakeAgent() { context_.TryCancel(); }

v1::ConnectRequest FakeAgent::Hello() const {
  v1::ConnectRequest request;
  v1::AgentHello& said = *request.mutable_hello();
  said.set_host(host_);
  said.set_boot_id("boot-1");
  said.set_agent_version("1.0");
  (*said.mutable_labels())["zone"] = "a";
  v1::Adapter& adapter = *said.mutable_inventory()->add_adapters();
  adapter.set_name("gpu0");
  adapter.set_model("Baton SoftGPU S1");
  adapter.set_pci_id("1b70:0001");
  adapter.set_driver("softgpu");
  adapter.set_driver_version("1.0");
  adapter.set_image_digest(Sha256Of("1.0"));
  adapter.set_hot_update_capable(true);
  said.mutable_inventory()->set_available_memory_bytes(uint64_t{1} << 40);
  v1::VirtualGpu& vgpu = *adapter.add_vgpus();
  vgpu.set_partition_id(1);
  vgpu.set_guest("guest-1");
  vgpu.set_profile("S1-64");
  vgpu.set_vram_bytes(64 << 20);
  return request;
}

void FakeAgent::Connect() {
  ASSERT_TRUE(Say(hello));
  v1::ConnectResponse response;
  ASSERT_TRUE(Next(response)) << End();
  ASSERT_TRUE(response.has_welcome()) << response.DebugString();
}

void FakeAgent::Report(v1::UpdateReport report) {
  report.set_sequence(++sequence_);
  v1::ConnectRequest request;
  *request.mutable_report() = report;
  ASSERT_TRUE(Say(request));
  v1::ConnectResponse response;
  while (!response.has_ack()) {
    ASSERT_TRUE(Next(response)) << End();
    if (response.has_order()) orders_.push_back(response.order());
  }
  EXPECT_EQ(response.ack().attempt(), report.attempt());
  EXPECT_EQ(response.ack().sequence(), report.sequence());
}

v1::Order FakeAgent::NextOrder() {
  if (!orders_.empty()) {
    v1::Order order = orders_.front();
    orders_.erase(orders_.begin());
    return order;
  }
  v1::ConnectResponse response;
  if (!Next(response)) ADD_FAILURE() << End();
  EXPECT_TRUE(response.has_order()) << response.DebugString();
  return response.order();
}

absl::Status FakeAgent::End() {
  v1::ConnectResponse response;
  while (Next(response)) {
  }
  return FromGrpc(stream_->Finish());
}

// ---- ServiceFixture

ServiceFixture::ServiceFixture()
    : directory_(absl::StrCat(
          testing::TempDir(), "/",
          testing::UnitTest::GetInstance()->current_test_info()->name())) {
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directories(directory_);
  store_ = store::OpenMemoryStore(disk_);
  // No test may take so long that an agent of its own counts as lost.
  const runtime::FleetLoop::Options options = {.lost_after = absl::Hours(1)};
  loop_ = runtime::FleetLoop::Create(options, {RealClock(), *store_}).value();
  depot_ = depot::Depot::Open(directory_ + "/packages").value();
  worker_ = std::make_unique<depot::Worker>(64);
  room_.reset(new DriverRoom{*loop_, streams_, *depot_, *worker_, index_});
  services_ = std::make_unique<Services>(*room_);
  loop_thread_ = std::thread([this] { EXPECT_TRUE(loop_->Run().ok()); });
  int port = 0;
  server_ = services_->Serve("", port);
  channel_ = server_->InProcessChannel({});
  rollouts_ = v1::RolloutService::NewStub(channel_);
  fleet_ = v1::FleetService::NewStub(channel_);
  drivers_ = v1::DriverService::NewStub(channel_);
  audit_ = v1::AuditService::NewStub(channel_);
  agents_ = v1::AgentService::NewStub(channel_);
}

ServiceFixture::~ServiceFixture() {
  streams_.EndAll(absl::UnavailableError("the test is over"));
  server_->Shutdown();
  server_->Wait();
  worker_->Drain();
  loop_->Stop();
  loop_thread_.join();
  worker_ = nullptr;
  std::filesystem::remove_all(directory_);
}

core::Fleet ServiceFixture::Snapshot() {
  std::promise<core::Fleet> promise;
  const absl::Status posted =
      loop_->Read([&promise](const absl::Status&, const core::Fleet& fleet) {
        promise.set_value(fleet);
      });
  CHECK(posted.ok());
  core::Fleet fleet = promise.get_future().get();
  fleet.now = absl::UnixEpoch();
  return fleet;
}

void ServiceFixture::Await(
    const std::function<bool(const core::Fleet&)>& wanted) {
  while (!wanted(Snapshot())) std::this_thread::yield();
}

std::unique_ptr<FakeAgent> ServiceFixture::Connected(const std::string& host) {
  auto agent = std::make_unique<FakeAgent>(*agents_, host);
  agent->Connect();
  return agent;
}

std::string ServiceFixture::Pack(const std::string& version) {
  const std::string image = absl::StrCat(directory_, "/image-", version, ".so");
  std::ofstream(image, std::ios::binary)
      << "image of " << version << Noise(600'000);
  v1::DriverManifest manifest;
  manifest.set_driver("softgpu");
  manifest.set_version(version);
  manifest.add_pci_ids("1b70:0001");
  manifest.mutable_state_format()->set_writes(1);
  manifest.mutable_state_format()->add_reads(1);
  const std::string path = absl::StrCat(directory_, "/", version, ".pkg");
  CHECK(PackDriver(manifest, image, path).ok());
  std::stringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

v1::UploadDriverHeader ServiceFixture::HeaderOf(const std::string& version,
                                                const std::string& bytes) {
  v1::UploadDriverHeader header;
  header.set_name(absl::StrCat("drivers/softgpu/versions/", version));
  header.set_digest(Sha256Of(bytes));
  header.set_size_bytes(bytes.size());
  return header;
}

absl::Status ServiceFixture::Upload(const v1::UploadDriverHeader& header,
                                    const std::string& bytes,
                                    v1::UploadDriverResponse* response) {
  constexpr size_t kPieceBytes = 100'000;
  v1::UploadDriverResponse ignored;
  grpc::ClientContext context;
  const auto writer = drivers_->UploadDriver(
      &context, response == nullptr ? &ignored : response);
  v1::UploadDriverRequest request;
  *request.mutable_header() = header;
  bool open = writer->Write(request);
  for (size_t at = 0; open && at < bytes.size(); at += kPieceBytes) {
    request.set_chunk(bytes.substr(at, kPieceBytes));
    open = writer->Write(request);
  }
  writer->WritesDone();
  return FromStub(writer->Finish());
}

void ServiceFixture::Push(const std::string& version) {
  const std::string bytes = Pack(version);
  const absl::Status uploaded = Upload(HeaderOf(version, bytes), bytes);
  ASSERT_TRUE(uploaded.ok()) << uploaded;
}

std::vector<std::string> ServiceFixture::PackageFiles() {
  worker_->Drain();
  return depot::ListDirectory(directory_ + "/packages").value();
}

v1::CreateRolloutRequest ServiceFixture::CreateRequest(
    const std::string& name) {
  v1::CreateRolloutRequest request;
  request.set_name(name);
  request.mutable_spec()->set_driver("drivers/softgpu/versions/2.0");
  request.mutable_spec()->set_selector("*");
  return request;
}

v1::Rollout ServiceFixture::Planned(const std::string& name) {
  v1::CreateRolloutResponse created;
  const absl::Status create =
      Call(*rollouts_, &v1::RolloutService::Stub::CreateRollout,
           CreateRequest(name), &created);
  EXPECT_TRUE(create.ok()) << create;
  v1::PlanRolloutRequest request;
  request.set_name(name);
  v1::PlanRolloutResponse planned;
  const absl::Status plan = Call(
      *rollouts_, &v1::RolloutService::Stub::PlanRollout, request, &planned);
  EXPECT_TRUE(plan.ok()) << plan;
  return planned.rollout();
}

void ServiceFixture::Start(const std::string& name) {
  v1::StartRolloutRequest request;
  request.set_name(name);
  request.set_digest(Planned(name).plan().digest());
  v1::StartRolloutResponse started;
  const absl::Status start = Call(
      *rollouts_, &v1::RolloutService::Stub::StartRollout, request, &started);
  ASSERT_TRUE(start.ok()) << start;
}

absl::Status ServiceFixture::FromStub(const grpc::Status& status) {
  return FromGrpc(status);
}

}  // namespace baton::rpc
