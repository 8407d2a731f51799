#include "driver-shim/conformance/command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "driver-shim/conformance/suite.h"
#include "driver-shim/flags.h"

namespace baton::conformance {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);

struct Options {
  std::string target = "";
  std::string image = "";
  std::string old = "";
  int deadline_s = 20;
  bool json = false;
  bool junit = false;
};

void Declare(CLI::App& app, Options& options) {
  app.add_option("--target", options.target, "the service, unix:PATH")
      ->required();
  app.add_option("--image", options.image,
                 "the driver to update to, a path on the service's host")
      ->required();
  app.add_option("--old", options.old,
                 "the driver that is loaded, where Inspect does not name it");
  app.add_option("--step-deadline-s", options.deadline_s,
                 "seconds that each step may take, where nothing else is said")
      ->check(CLI::Range(1, 600));
  auto* const json = app.add_flag("--json", options.json, "one JSON object");
  app.add_flag("--junit", options.junit, "a JUnit test suite")->excludes(json);
}

absl::StatusOr<v1::DriverImage> ImageAt(const std::string& path) {
  v1::DriverImage image;
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(path));
  image.set_path(path);
  image.set_digest(digest);
  image.set_driver("conformance");
  image.set_version("next");
  return image;
}

absl::StatusOr<verify::Findings> Run(const Options& options) {
  Session::Options session_options = {.deadline =
                                          absl::Seconds(options.deadline_s)};
  ASSIGN_OR_RETURN(session_options.next, ImageAt(options.image));
  if (!options.old.empty()) {
    ASSIGN_OR_RETURN(session_options.found, ImageAt(options.old));
  }
  ASSIGN_OR_RETURN(const std::unique_ptr<ShimClient> client,
                   ShimClient::Connect(options.target, kConnectTimeout));
  ASSIGN_OR_RETURN(const v1::InspectResponse seen, client->Inspect());
  ASSIGN_OR_RETURN(const std::unique_ptr<Session> session,
                   Session::Begin(*client, session_options));
  return verify::Findings{
      .suite = "conformance",
      .subject = absl::StrCat("ShimService at ", options.target),
      .facts = {{"adapter", seen.adapter().name()},
                {"shim", seen.shim_version()},
                {"driver", session->found().path()},
                {"next driver", session->next().path()},
                {"vGPUs", absl::StrCat(seen.adapter().vgpus_size())}},
      .findings = RunCases(AllCases(), *session, RealClock())};
}

}  // namespace

int RunCommand(int argc, char** argv) {
  CLI::App app(
      "Holds an implementation of ShimService to its promises. The adapter "
      "must "
      "be RUNNING, with guests or without, and nobody else may update it "
      "meanwhile; it is left RUNNING with the driver it had. Attempt numbers "
      "go up: not for an adapter that an agent keeps.",
      "baton-shim conformance");
  Options options;
  Declare(app, options);
  if (const std::optional<int> code = shim::ReadFlags(app, argc, argv)) {
    return *code;
  }
  const absl::StatusOr<verify::Findings> findings = Run(options);
  if (!findings.ok()) {
    std::fprintf(stderr, "baton-shim conformance: %s\n",
                 std::string(findings.status().message()).c_str());
    return 2;
  }
  const verify::Format format = options.json    ? verify::Format::kJson
                                : options.junit ? verify::Format::kJunit
                                                : verify::Format::kText;
  std::fputs(Render(*findings, format).c_str(), stdout);
  return findings->Count(verify::Outcome::kFail) == 0 ? 0 : 1;
}

}  // namespace baton::conformance
