// What only the process itself can show: what it prints, and how it ends.

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "baton/v1/agent.grpc.pb.h"
#include "baton/v1/fleet.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "tests/support/short_directory.h"

namespace baton {
namespace {

constexpr char kBatond[] = "service/batond";

// A batond that a shell was told to become. Killed when it goes.
class Batond {
 public:
  // `before`  what the shell does first
  Batond(const std::string& root, const std::string& before,
         const std::string& flags)
      : errors_(root + "/stderr") {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    std::string script =
        absl::StrCat(before, "exec ", kBatond, " ", flags, " 2>", errors_);
    std::string shell = "sh";
    std::string option = "-c";
    char* argv[] = {shell.data(), option.data(), script.data(), nullptr};
    EXPECT_EQ(posix_spawn(&pid_, "/bin/sh", &actions, nullptr, argv, environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ::fdopen(ends[0], "r");
  }
  ~Batond() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      Wait();
    }
    std::fclose(out_);
  }

  // Waits for its next line on stdout; "" when it ended.
  std::string Line() {
    char line[1024] = "";
    if (std::fgets(line, sizeof(line), out_) == nullptr) return "";
    std::string text = line;
    if (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  void Stop(int signal) { ::kill(pid_, signal); }
  // Waits for its end; returns the exit code, or -1 when a signal ended it.
  int Wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string Errors() const {
    std::stringstream text;
    text << std::ifstream(errors_).rdbuf();
    return text.str();
  }

 private:
  const std::string errors_;
  pid_t pid_ = -1;
  std::FILE* out_ = nullptr;
};

class BatondTest : public ::testing::Test {
 protected:
  std::string Flags(const std::string& listen) const {
    return absl::StrCat("--listen=", listen, " --data=", root_,
                        "/data --address-file=", root_, "/address");
  }

  const baton::testing::ShortDirectory directory_;
  const std::string root_ = directory_.path();
};

TEST_F(BatondTest, SaysWhenItIsReadyAndStopsWhenItIsAsked) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Batond batond(root_, "", Flags("127.0.0.1:0"));
    const std::string ready = batond.Line();
    std::stringstream address;
    address << std::ifstream(root_ + "/address").rdbuf();
    EXPECT_EQ(ready, "ready " + address.str());
    batond.Stop(signal);
    EXPECT_EQ(batond.Wait(), 0) << batond.Errors();
  }
}

TEST_F(BatondTest, ASecondOneOnTheSameDataEndsWithAClearLine) {
  Batond first(root_, "", Flags("127.0.0.1:0"));
  ASSERT_NE(first.Line(), "");
  std::filesystem::create_directories(root_ + "/second");
  Batond second(root_ + "/second", "", Flags("127.0.0.1:0"));
  EXPECT_EQ(second.Line(), "");
  EXPECT_EQ(second.Wait(), 1);
  EXPECT_NE(second.Errors().find("DATA_DIR_IN_USE"), std::string::npos)
      << second.Errors();
}

TEST_F(BatondTest, RefusesPlaintextBeyondLoopback) {
  Batond batond(root_, "", Flags("0.0.0.0:0"));
  EXPECT_EQ(batond.Line(), "");
  EXPECT_EQ(batond.Wait(), 1);
  EXPECT_NE(batond.Errors().find("PLAINTEXT_NOT_LOOPBACK"), std::string::npos);
}

TEST_F(BatondTest, EndsWhenACommitFailsAndGoesOnFromWhatWasDurable) {
  // Files may grow to 200 KiB; what does not fit is an error, not a signal.
  auto batond = std::make_unique<Batond>(root_, "trap '' XFSZ; ulimit -f 400; ",
                                         Flags("unix:" + root_ + "/s"));
  ASSERT_EQ(batond->Line(), "ready unix:" + root_ + "/s");
  int welcomed = 0;
  {
    const auto stub = v1::AgentService::NewStub(grpc::CreateChannel(
        "unix:" + root_ + "/s", grpc::InsecureChannelCredentials()));
    for (bool serving = true; serving;) {
      grpc::ClientContext context;
      const auto stream = stub->Connect(&context);
      v1::ConnectRequest hello;
      hello.mutable_hello()->set_host(absl::StrCat("hosts/h-", welcomed));
      hello.mutable_hello()->set_boot_id(std::string(10'000, 'b'));
      stream->Write(hello);
      v1::ConnectResponse welcome;
      serving = stream->Read(&welcome);
      if (serving) ++welcomed;
      context.TryCancel();
    }
  }
  EXPECT_EQ(batond->Wait(), 1);
  EXPECT_NE(batond->Errors().find("STORE_UNAVAILABLE"), std::string::npos)
      << batond->Errors();
  EXPECT_GT(welcomed, 0);
  batond = nullptr;

  Batond again(root_, "", Flags("unix:" + root_ + "/s"));
  EXPECT_EQ(again.Line(), "ready unix:" + root_ + "/s") << again.Errors();
  const auto stub = v1::FleetService::NewStub(grpc::CreateChannel(
      "unix:" + root_ + "/s", grpc::InsecureChannelCredentials()));
  for (int i = 0; i < welcomed; ++i) {
    grpc::ClientContext context;
    v1::GetHostRequest request;
    request.set_name(absl::StrCat("hosts/h-", i));
    v1::GetHostResponse response;
    EXPECT_TRUE(stub->GetHost(&context, request, &response).ok()) << i;
  }
  again.Stop(SIGTERM);
  EXPECT_EQ(again.Wait(), 0);
}

}  // namespace
}  // namespace baton
