#include "agent/options.h"

#include <string>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

absl::StatusOr<Options> Parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "baton-agent");
  return ParseOptions(static_cast<int>(flags.size()), flags.data());
}

std::vector<const char*> Good() {
  return {"--host=host-1", "--service=unix:/s", "--shim=unix:/h", "--root=/r"};
}

TEST(ParseOptionsTest, TakesEveryFlag) {
  std::vector<const char*> flags = Good();
  for (const char* flag :
       {"--label=zone=a", "--label=note=x=y", "--gate=exec:/bin/gate",
        "--hook=drain=exec:/bin/drain", "--boot-id=b", "--installed=/p",
        "--log-level=debug"}) {
    flags.push_back(flag);
  }
  const Options options = *Parse(flags);
  EXPECT_EQ(options.host, "host-1");
  EXPECT_EQ(options.service, "unix:/s");
  EXPECT_EQ(options.shim, "unix:/h");
  EXPECT_EQ(options.root, "/r");
  EXPECT_EQ(options.labels, (std::map<std::string, std::string>{
                                {"zone", "a"}, {"note", "x=y"}}));
  EXPECT_EQ(options.gate_command, "/bin/gate");
  EXPECT_EQ(options.hooks,
            (std::map<std::string, std::string>{{"drain", "/bin/drain"}}));
  EXPECT_EQ(options.boot_id, "b");
  EXPECT_EQ(options.installed, "/p");
  EXPECT_EQ(options.log_level, "debug");
}

TEST(ParseOptionsTest, ReadsTheKernelsBootId) {
  EXPECT_EQ(Parse(Good())->boot_id.size(), 36u);
}

TEST(ParseOptionsTest, RefusesWhatIsWrong) {
  const std::vector<const char*> rows = {
      "--host=Host_1",     "--host=",         "--root=relative",
      "--shim=/no/scheme", "--service=plain", "--label=nothing",
      "--label==x",        "--gate=maybe",    "--gate=exec:relative",
      "--hook=x",          "--hook=x=/bin/x", "--hook=X=exec:/bin/x",
      "--hook==exec:/x",   "--hook=x=exec:x", "--unknown=1",
  };
  for (const char* bad : rows) {
    SCOPED_TRACE(bad);
    std::vector<const char*> flags = Good();
    const std::string name = std::string(bad).substr(0, 6);
    std::erase_if(flags, [&](const char* flag) {
      return std::string(flag).substr(0, 6) == name;
    });
    flags.push_back(bad);
    EXPECT_EQ(Reason(Parse(flags).status()), "BAD_FLAG");
  }
  EXPECT_EQ(Reason(Parse({}).status()), "BAD_FLAG");
}

TEST(ParseOptionsTest, RefusesALabelTwice) {
  std::vector<const char*> flags = Good();
  flags.insert(flags.end(), {"--label=zone=a", "--label=zone=b"});
  EXPECT_EQ(Reason(Parse(flags).status()), "BAD_FLAG");
}

TEST(ParseOptionsTest, HelpAndVersionAreTexts) {
  EXPECT_NE(Parse({"--help"})->text.find("--shim"), std::string::npos);
  EXPECT_EQ(Parse({"--version"})->text, "0.1.0\n");
}

}  // namespace
}  // namespace baton::agent
