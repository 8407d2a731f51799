// ./dev herd: a rollout over simulated agents with real streams, during which
// the real service is killed again and again.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "base/log.h"
#include "tests/herd/herd.h"
#include "tests/support/short_directory.h"

// Only flags that are declared wrongly throw.
// NOLINTNEXTLINE(bugprone-exception-escape)
int main(int argc, char** argv) {
  baton::herd::Options options;
  options.hosts = 200;
  options.kills = 200;
  CLI::App app("Kills the service during one rollout.", "herd");
  app.add_option("--batond", options.batond, "path of the service's binary")
      ->required();
  app.add_option("--hosts", options.hosts)->capture_default_str();
  app.add_option("--kills", options.kills)->capture_default_str();
  app.add_option("--seed", options.seed)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  if (!baton::StartLog("herd", "off").ok()) return 1;
  const baton::testing::ShortDirectory directory;
  options.directory = directory.path();
  const baton::herd::Result result = baton::herd::Run(options);
  std::printf(
      "%d hosts, service killed %d times within the rollout, %d hosts "
      "done at the last kill, %.1f s, seed %llu\n",
      options.hosts, result.kills, result.hosts_done_at_last_kill,
      result.seconds, static_cast<unsigned long long>(options.seed));
  for (const auto& [cause, times] : result.by_cause) {
    std::printf("  %-24s %d\n", cause.c_str(), times);
  }
  std::printf("%s\n", result.status.ok() ? "finished; each host updated once"
                                         : result.status.ToString().c_str());
  return result.status.ok() ? 0 : 1;
}
