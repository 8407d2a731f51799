#include "driver-shim/port/census.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/reason.h"
#include "driver-shim/port/profile.h"

namespace baton::port {
namespace {

std::string NameOf(uint32_t partition_id, const std::string& guest) {
  if (guest.empty()) return absl::StrCat("partition ", partition_id);
  return absl::StrCat("partition ", partition_id, " ('", guest, "')");
}

Digest128 DigestIn(const UCHAR (&bytes)[16]) {
  Digest128 digest;
  std::memcpy(&digest.high, bytes, sizeof digest.high);
  std::memcpy(&digest.low, bytes + sizeof digest.high, sizeof digest.low);
  return digest;
}

CensusEntry Join(const FunctionState& function, const CensusAnswer& answer) {
  const LUID luid = answer.state.VirtualGpuLuid;
  return {
      .vgpu = {.partition_id = function.partition_id,
               .luid = absl::StrFormat("%08x%08x",
                                       static_cast<uint32_t>(luid.HighPart),
                                       luid.LowPart),
               .profile = ProfileName(answer.state.Profile),
               .guest = function.guest,
               .vram_bytes = answer.vram_bytes},
      .fence_value = function.fence_value,
      .registers = function.registers,
      .driver_state = DigestIn(answer.state.Digest),
  };
}

// One line for each thing that differs, or "".
std::string Difference(const CensusEntry& was, const CensusEntry& is) {
  std::vector<std::string> all;
  const auto compare = [&all](absl::string_view what, const auto& a,
                              const auto& b) {
    if (a != b) all.push_back(absl::StrCat(what, " was ", a, ", is ", b));
  };
  compare("luid", was.vgpu.luid, is.vgpu.luid);
  compare("profile", was.vgpu.profile, is.vgpu.profile);
  compare("guest", was.vgpu.guest, is.vgpu.guest);
  compare("vram bytes", was.vgpu.vram_bytes, is.vgpu.vram_bytes);
  compare("fence", was.fence_value, is.fence_value);
  compare("registers' digest", was.registers.ToString(),
          is.registers.ToString());
  compare("driver state's digest", was.driver_state.ToString(),
          is.driver_state.ToString());
  return absl::StrJoin(all, "; ");
}

constexpr char kMissing[] = "is missing";

}  // namespace

absl::StatusOr<std::vector<CensusEntry>> TakeCensus(
    const std::vector<FunctionState>& functions,
    const std::vector<CensusAnswer>& answers) {
  std::map<uint32_t, const CensusAnswer*> of_driver;
  for (const CensusAnswer& answer : answers) {
    of_driver[answer.partition_id] = &answer;
  }
  std::vector<CensusEntry> census;
  census.reserve(functions.size());
  std::vector<std::string> missing;
  for (const FunctionState& function : functions) {
    const auto found = of_driver.find(function.partition_id);
    if (found == of_driver.end()) {
      missing.push_back(
          absl::StrCat("the driver does not know ",
                       NameOf(function.partition_id, function.guest)));
      continue;
    }
    census.push_back(Join(function, *found->second));
    of_driver.erase(found);
  }
  for (const auto& [partition_id, answer] : of_driver) {
    missing.push_back(
        absl::StrCat("the device does not have ", NameOf(partition_id, "")));
  }
  if (missing.empty()) return census;
  return ErrorWithReason(absl::StatusCode::kDataLoss, "VGPU_MISSING",
                         absl::StrJoin(missing, "; "));
}

std::vector<CensusEntry> TakeJointCensus(
    const std::vector<FunctionState>& functions,
    const std::vector<CensusAnswer>& answers) {
  std::vector<CensusEntry> census;
  census.reserve(functions.size());
  for (const FunctionState& function : functions) {
    const auto answer = std::find_if(
        answers.begin(), answers.end(),
        [&](const auto& a) { return a.partition_id == function.partition_id; });
    if (answer != answers.end()) census.push_back(Join(function, *answer));
  }
  return census;
}

std::vector<VirtualGpuResult> Compare(const std::vector<CensusEntry>& before,
                                      const std::vector<CensusEntry>& after) {
  std::vector<VirtualGpuResult> results;
  results.reserve(before.size());
  for (const CensusEntry& was : before) {
    VirtualGpuResult result = {.partition_id = was.vgpu.partition_id,
                               .guest = was.vgpu.guest};
    const auto is =
        std::find_if(after.begin(), after.end(), [&](const CensusEntry& e) {
          return e.vgpu.partition_id == was.vgpu.partition_id;
        });
    result.difference = is == after.end() ? kMissing : Difference(was, *is);
    result.preserved = result.difference.empty();
    results.push_back(std::move(result));
  }
  return results;
}

std::vector<VirtualGpuResult> CompareIdentity(std::vector<CensusEntry> before,
                                              std::vector<CensusEntry> after) {
  for (std::vector<CensusEntry>* census : {&before, &after}) {
    for (CensusEntry& entry : *census) entry = {.vgpu = entry.vgpu};
  }
  return Compare(before, after);
}

absl::Status Judge(const std::vector<VirtualGpuResult>& results,
                   const std::vector<CensusEntry>& after) {
  std::vector<std::string> wrong;
  bool missing = false;
  for (const VirtualGpuResult& result : results) {
    if (result.preserved) continue;
    missing = missing || result.difference == kMissing;
    wrong.push_back(absl::StrCat(NameOf(result.partition_id, result.guest), " ",
                                 result.difference));
  }
  for (const CensusEntry& entry : after) {
    const bool known = std::any_of(
        results.begin(), results.end(), [&](const VirtualGpuResult& result) {
          return result.partition_id == entry.vgpu.partition_id;
        });
    if (known) continue;
    wrong.push_back(absl::StrCat(
        NameOf(entry.vgpu.partition_id, entry.vgpu.guest), " was not there"));
  }
  if (wrong.empty()) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kDataLoss,
                         missing ? "VGPU_MISSING" : "VGPU_CHANGED",
                         absl::StrJoin(wrong, "; "));
}

}  // namespace baton::port
