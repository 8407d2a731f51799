#include "service/core/fleet.h"

#include "absl/strings/str_cat.h"

namespace baton::core {
namespace {

template <typename Records>
const typename Records::mapped_type* Find(const Records& records,
                                          const std::string& name) {
  const auto found = records.find(name);
  return found == records.end() ? nullptr : &found->second;
}

}  // namespace

const Host* FindHost(const Fleet& fleet, const std::string& name) {
  return Find(fleet.hosts, name);
}

const Driver* FindDriver(const Fleet& fleet, const std::string& name) {
  return Find(fleet.drivers, name);
}

const Rollout* FindRollout(const Fleet& fleet, const std::string& name) {
  return Find(fleet.rollouts, name);
}

const Update* FindUpdate(const Fleet& fleet, const std::string& rollout,
                         const std::string& host) {
  const Rollout* found = FindRollout(fleet, rollout);
  return found == nullptr ? nullptr : Find(found->updates, host);
}

const Rollout* ClaimantOf(const Fleet& fleet, const std::string& host) {
  const Host* found = FindHost(fleet, host);
  if (found == nullptr || found->claimant.empty()) return nullptr;
  return FindRollout(fleet, found->claimant);
}

std::string EtagOf(uint64_t version) {
  return absl::StrCat(absl::Hex(version, absl::kZeroPad16));
}

}  // namespace baton::core
