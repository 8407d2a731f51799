#include "service/options.h"

#include <string>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

absl::StatusOr<ServiceOptions> Parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "batond");
  return ParseServiceOptions(static_cast<int>(flags.size()), flags.data());
}

TEST(OptionsTest, ReadsEveryFlag) {
  const auto options =
      Parse({"--listen=127.0.0.1:0", "--data=/d", "--address-file=/a",
             "--log-level=debug", "--heartbeat=250ms",
             "--metrics-listen=localhost:9464"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->listen, "127.0.0.1:0");
  EXPECT_EQ(options->data, "/d");
  EXPECT_EQ(options->address_file, "/a");
  EXPECT_EQ(options->log_level, "debug");
  EXPECT_EQ(options->metrics_listen, "127.0.0.1:9464");
  EXPECT_EQ(options->heartbeat, absl::Milliseconds(250));
  EXPECT_EQ(options->help, "");
}

TEST(OptionsTest, HasDefaultsForWhatIsNotRequired) {
  const auto options = Parse({"--listen=unix:/s", "--data=/d"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_EQ(options->listen, "unix:/s");
  EXPECT_EQ(options->address_file, "");
  EXPECT_EQ(options->metrics_listen, "");
  EXPECT_EQ(options->log_level, "info");
  EXPECT_EQ(options->heartbeat, absl::Seconds(2));
  EXPECT_EQ(options->disk_reserve_bytes, uint64_t{256} << 20);
}

TEST(OptionsTest, ExplainsItself) {
  const auto options = Parse({"--help"});
  ASSERT_TRUE(options.ok()) << options.status();
  EXPECT_NE(options->help.find("--address-file"), std::string::npos);
}

TEST(OptionsTest, RefusesBadFlags) {
  const std::vector<const char*> kCases[] = {
      {},
      {"--listen=unix:/s"},
      {"--data=/d"},
      {"--listen=unix:/s", "--data=/d", "--unknown=1"},
      {"--listen=unix:/s", "--data=/d", "--metrics-listen=unix:/m"},
      {"--listen=unix:/s", "--data=/d", "--heartbeat=soon"},
      {"--listen=unix:/s", "--data=/d", "--heartbeat=1ms"},
      {"--listen=unix:/s", "--data=/d", "--heartbeat=2h"},
      {"--listen=unix:/s", "--data=/d", "--disk-reserve-mib=-1"},
      {"--listen=unix:/s", "--data=/d", "--disk-reserve-mib=lots"},
      {"--listen=unix:/s", "--data=/d", "word"},
  };
  for (const auto& flags : kCases) {
    const auto options = Parse(flags);
    EXPECT_EQ(Reason(options.status()), "BAD_FLAG") << options.status();
  }
}

TEST(OptionsTest, TakesLocalAddressesAlone) {
  const struct {
    std::string address;
    std::string normal;
    std::string reason;
  } kCases[] = {
      {"unix:/run/baton.sock", "unix:/run/baton.sock", ""},
      {"127.0.0.1:7070", "127.0.0.1:7070", ""},
      {"localhost:0", "127.0.0.1:0", ""},
      {"[::1]:65535", "[::1]:65535", ""},
      {"unix:baton.sock", "", "BAD_LISTEN_ADDRESS"},
      {"unix:/" + std::string(108, 'p'), "", "BAD_LISTEN_ADDRESS"},
      {"", "", "BAD_LISTEN_ADDRESS"},
      {"127.0.0.1", "", "BAD_LISTEN_ADDRESS"},
      {"127.0.0.1:http", "", "BAD_LISTEN_ADDRESS"},
      {"127.0.0.1:65536", "", "BAD_LISTEN_ADDRESS"},
      {"127.0.0.1:-1", "", "BAD_LISTEN_ADDRESS"},
      {"0.0.0.0:7070", "", "PLAINTEXT_NOT_LOOPBACK"},
      {"[::]:7070", "", "PLAINTEXT_NOT_LOOPBACK"},
      {":7070", "", "PLAINTEXT_NOT_LOOPBACK"},
      {"10.0.0.1:7070", "", "PLAINTEXT_NOT_LOOPBACK"},
      {"127.0.0.1.example.com:1", "", "PLAINTEXT_NOT_LOOPBACK"},
  };
  for (const auto& c : kCases) {
    const auto normal = NormalListenAddress(c.address);
    EXPECT_EQ(Reason(normal.status()), c.reason) << c.address;
    EXPECT_EQ(normal.value_or(""), c.normal) << c.address;
  }
}

}  // namespace
}  // namespace baton
