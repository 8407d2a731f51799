#include "service/server.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>

#include "base/reason.h"
#include "baton/v1/agent.grpc.pb.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "proto/status_codec.h"
#include "tests/support/short_directory.h"

namespace baton {
namespace {

// No file grows while this exists, as on a disk that is full.
class FullDisk {
 public:
  FullDisk() {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full = {.rlim_cur = 0, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() { setrlimit(RLIMIT_FSIZE, &before_); }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_ = {};
};

class ServerTest : public ::testing::Test {
 protected:
  ServiceOptions OptionsFor(const std::string& listen) {
    return {.listen = listen, .data = root_ + "/data"};
  }
  absl::StatusOr<std::unique_ptr<Server>> Start(const ServiceOptions& options) {
    return Server::Start(options, [](const absl::Status& why) {
      ADD_FAILURE() << "a commit failed: " << why;
    });
  }
  static std::shared_ptr<grpc::Channel> Dial(const Server& server) {
    return grpc::CreateChannel(server.address(),
                               grpc::InsecureChannelCredentials());
  }
  // Registers a host; returns the epoch that it was told.
  static uint64_t Register(const Server& server, const std::string& host) {
    const auto stub = v1::AgentService::NewStub(Dial(server));
    grpc::ClientContext context;
    const auto stream = stub->Connect(&context);
    v1::ConnectRequest hello;
    hello.mutable_hello()->set_host(host);
    stream->Write(hello);
    v1::ConnectResponse welcome;
    EXPECT_TRUE(stream->Read(&welcome));
    context.TryCancel();
    return welcome.welcome().epoch();
  }
  static absl::Status Get(const Server& server, const std::string& host) {
    const auto stub = v1::FleetService::NewStub(Dial(server));
    grpc::ClientContext context;
    v1::GetHostRequest request;
    request.set_name(host);
    v1::GetHostResponse response;
    return FromGrpc(stub->GetHost(&context, request, &response));
  }

  const baton::testing::ShortDirectory directory_;
  const std::string root_ = directory_.path();
};

TEST_F(ServerTest, SaysWhereItReallyListens) {
  ServiceOptions options = OptionsFor("127.0.0.1:0");
  options.address_file = root_ + "/address";
  const auto server = Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_NE((*server)->address(), "127.0.0.1:0");
  std::stringstream written;
  written << std::ifstream(options.address_file).rdbuf();
  EXPECT_EQ(written.str(), (*server)->address());
  EXPECT_EQ(Reason(Get(**server, "hosts/h")), "HOST_NOT_FOUND");
}

// What a scrape of `address` gets, head and all.
std::string Scrape(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in name = {};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  name.sin_port =
      htons(static_cast<uint16_t>(std::stoi(address.substr(colon + 1))));
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(
      ::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
  EXPECT_EQ(::write(fd, request.data(), request.size()),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof(buffer))) > 0;) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  ::close(fd);
  return answer;
}

TEST_F(ServerTest, AnswersMonitoringWhereItIsAskedTo) {
  ServiceOptions options = OptionsFor("127.0.0.1:0");
  options.metrics_listen = "127.0.0.1:0";
  auto server = Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  Register(**server, "hosts/h");
  const std::string answer = Scrape((*server)->metrics_address());
  EXPECT_NE(answer.find(" 200 "), std::string::npos) << answer;
  EXPECT_NE(answer.find("\nbaton_hosts 1\n"), std::string::npos) << answer;

  ServiceOptions other = OptionsFor("127.0.0.1:0");
  other.data = root_ + "/other";
  other.metrics_listen = (*server)->metrics_address();
  EXPECT_EQ(Reason(Start(other).status()), "CANNOT_LISTEN");
}

TEST_F(ServerTest, GoesOnWhereItWasWithAHigherEpoch) {
  const ServiceOptions options = OptionsFor("unix:" + root_ + "/socket");
  auto server = Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->address(), options.listen);
  const uint64_t epoch = Register(**server, "hosts/h");
  EXPECT_GT(epoch, 0u);
  *server = nullptr;
  server = Start(options);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_TRUE(Get(**server, "hosts/h").ok());
  EXPECT_EQ(Register(**server, "hosts/h"), epoch + 1);
}

TEST_F(ServerTest, ASecondOneOnTheSameDataIsRefused) {
  const auto first = Start(OptionsFor("127.0.0.1:0"));
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Start(OptionsFor("127.0.0.1:0"));
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(second.status()), "DATA_DIR_IN_USE");
  EXPECT_EQ(Reason(Get(**first, "hosts/h")), "HOST_NOT_FOUND");
}

TEST_F(ServerTest, ASecondOneOnTheSameAddressIsRefused) {
  for (const std::string& listen :
       {std::string("unix:" + root_ + "/socket"), std::string("127.0.0.1:0")}) {
    ServiceOptions options = OptionsFor(listen);
    options.data += listen.substr(0, 4);
    const auto first = Start(options);
    ASSERT_TRUE(first.ok()) << first.status();
    ServiceOptions other = OptionsFor((*first)->address());
    other.data = root_ + "/other";
    const auto second = Start(other);
    EXPECT_EQ(Reason(second.status()), listen.substr(0, 5) == "unix:"
                                           ? "LISTEN_ADDRESS_IN_USE"
                                           : "CANNOT_LISTEN")
        << second.status();
    EXPECT_EQ(Reason(Get(**first, "hosts/h")), "HOST_NOT_FOUND");
  }
}

TEST_F(ServerTest, NamesWhatKeepsItFromStarting) {
  ServiceOptions options = OptionsFor("unix:" + root_ + "/missing/socket");
  EXPECT_EQ(Reason(Start(options).status()), "CANNOT_LISTEN");
  options = OptionsFor("127.0.0.1:0");
  options.address_file = root_ + "/missing/address";
  EXPECT_EQ(Reason(Start(options).status()), "ADDRESS_FILE_NOT_WRITTEN");
  std::ofstream(root_ + "/file") << "x";
  options = OptionsFor("127.0.0.1:0");
  options.data = root_ + "/file";
  EXPECT_EQ(Reason(Start(options).status()), "DATA_DIR_UNUSABLE");
}

TEST_F(ServerTest, APackageThatFilledTheDiskDoesNotKeepItFromStarting) {
  const ServiceOptions options = OptionsFor("127.0.0.1:0");
  ASSERT_TRUE(Start(options).ok());
  // Its commit found no room, so nobody knows of it.
  const std::string package =
      options.data + "/packages/" + std::string(64, 'a') + ".pkg";
  std::ofstream(package) << "x";
  ASSERT_TRUE(std::filesystem::exists(package));
  {
    const FullDisk full;
    EXPECT_EQ(Reason(Start(options).status()), "STORE_UNAVAILABLE");
  }
  EXPECT_FALSE(std::filesystem::exists(package));
  EXPECT_TRUE(Start(options).ok());
}

TEST_F(ServerTest, EndsStreamsWithAReasonWhenItStops) {
  auto server = Start(OptionsFor("127.0.0.1:0"));
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = v1::FleetService::NewStub(Dial(**server));
  grpc::ClientContext context;
  const auto reader = stub->WatchHosts(&context, {});
  v1::WatchHostsResponse seen;
  ASSERT_TRUE(reader->Read(&seen));
  *server = nullptr;
  EXPECT_FALSE(reader->Read(&seen));
  const absl::Status end = FromGrpc(reader->Finish());
  EXPECT_EQ(end.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Reason(end), "SERVICE_STOPPING");
}

}  // namespace
}  // namespace baton
