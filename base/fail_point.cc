#include "base/fail_point.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/reason.h"
#include "base/status_macros.h"

// Where the linker says that the section begins and ends; null without one. It
// chooses the names. NOLINTBEGIN(bugprone-reserved-identifier)
extern const char __start_baton_fail_points[]
    __attribute__((weak, visibility("hidden")));
extern const char __stop_baton_fail_points[]
    __attribute__((weak, visibility("hidden")));
// NOLINTEND(bugprone-reserved-identifier)

namespace baton {
namespace {

constexpr std::pair<absl::string_view, FailAction> kActions[] = {
    {"kill", FailAction::kKill},
    {"stop", FailAction::kStop},
    {"abort", FailAction::kAbort},
};

absl::string_view NameOf(FailAction action) {
  for (const auto& [name, named] : kActions) {
    if (named == action) return name;
  }
  return "";
}

absl::Status Invalid(absl::string_view item) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "FAIL_POINT_INVALID",
      absl::StrCat("BATON_FAIL_POINT has '", item,
                   "', want NAME=kill|stop|abort[@HIT], HIT at least 1"));
}

absl::StatusOr<FailPoint> ParseOne(absl::string_view item) {
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(item, absl::MaxSplits('=', 1));
  const std::pair<absl::string_view, absl::string_view> does =
      absl::StrSplit(sides.second, absl::MaxSplits('@', 1));
  FailPoint point = {.name = std::string(sides.first)};
  const bool counted = does.first.size() != sides.second.size();
  if (counted && (!absl::SimpleAtoi(does.second, &point.hit) || point.hit < 1))
    return Invalid(item);
  for (const auto& [name, action] : kActions) {
    if (name != does.first || point.name.empty()) continue;
    point.action = action;
    return point;
  }
  return Invalid(item);
}

struct Armed {
  FailPoint point;
  std::atomic<int> passed = 0;

  explicit Armed(FailPoint what) : point(std::move(what)) {}
};

// Leaked: threads may pass a place while the process ends.
std::vector<Armed*>* ArmedPoints() {
  auto* armed = new std::vector<Armed*>();
  // Nothing sets it. NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* text = std::getenv("BATON_FAIL_POINT");
  const auto points = ParseFailPoints(text == nullptr ? "" : text);
  if (!points.ok()) {
    std::fprintf(stderr, "%s\n",
                 std::string(points.status().message()).c_str());
    std::abort();
  }
  for (const FailPoint& point : *points) armed->push_back(new Armed(point));
  return armed;
}

bool MayAct() {
  // Nothing sets it. NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* once = std::getenv("BATON_FAIL_POINT_ONCE");
  return once == nullptr || unlink(once) == 0;
}

void Act(const FailPoint& point) {
  const std::string action(NameOf(point.action));
  std::fprintf(stderr, "fail point '%s': %s\n", point.name.c_str(),
               action.c_str());
  switch (point.action) {
    case FailAction::kKill:
      kill(getpid(), SIGKILL);
      return;
    case FailAction::kStop:
      kill(getpid(), SIGSTOP);
      return;
    case FailAction::kAbort:
      std::abort();
  }
}

}  // namespace

absl::StatusOr<std::vector<FailPoint>> ParseFailPoints(absl::string_view text) {
  std::vector<FailPoint> points;
  if (text.empty()) return points;
  for (const absl::string_view item : absl::StrSplit(text, ',')) {
    ASSIGN_OR_RETURN(FailPoint point, ParseOne(item));
    points.push_back(std::move(point));
  }
  return points;
}

std::vector<std::string> FailPointNames() {
  std::set<std::string> names;  // a place may be compiled in more than once
  const char* at = __start_baton_fail_points;
  while (at != __stop_baton_fail_points) {
    const std::string name = at;
    at += name.size() + 1;
    // Between two names the linker may pad.
    if (!name.empty()) names.insert(name);
  }
  return {names.begin(), names.end()};
}

void PassFailPoint(const char* name) {
  static const std::vector<Armed*>* const armed = ArmedPoints();
  for (Armed* each : *armed) {
    if (each->point.name != name) continue;
    if (each->passed.fetch_add(1) + 1 == each->point.hit && MayAct())
      Act(each->point);
  }
}

}  // namespace baton
