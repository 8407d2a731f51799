#ifndef SERVICE_STORE_CODEC_H_
#define SERVICE_STORE_CODEC_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "service/core/capsule.h"
#include "service/core/fleet.h"

namespace baton::store {

// Records of the fleet to bytes of baton.store.v1 and back. What a process
// alone knows (streams, settings) is left out. A key is not part of its record.
//
// Decoding fails with DATA_LOSS (STORE_CORRUPT): the bytes are not such a
// record; of rollouts also with FAILED_PRECONDITION (TIME_ZONE_UNKNOWN).

// The fleet's own numbers, without any of its records.
std::string EncodeMeta(const core::Fleet& fleet);
absl::Status DecodeMeta(absl::string_view bytes, core::Fleet& fleet);

std::string Encode(const core::Host& host);
absl::StatusOr<core::Host> DecodeHost(const std::string& name,
                                      absl::string_view bytes);

std::string Encode(const core::Driver& driver);
absl::StatusOr<core::Driver> DecodeDriver(const std::string& name,
                                          absl::string_view bytes);

// Without its plan and its updates. A record of an earlier release may have the
// plan.
std::string Encode(const core::Rollout& rollout);
absl::StatusOr<core::Rollout> DecodeRollout(const std::string& name,
                                            absl::string_view bytes);

std::string Encode(const core::RolloutPlan& plan);
absl::StatusOr<core::RolloutPlan> DecodePlan(absl::string_view bytes);

std::string Encode(const core::Update& update);
absl::StatusOr<core::Update> DecodeUpdate(absl::string_view bytes);

std::string Encode(const core::RecordedRequest& request);
absl::StatusOr<core::RecordedRequest> DecodeRequest(absl::string_view bytes);

std::string Encode(const core::HistoryKey& key,
                   const core::HistoryEntry& entry);
absl::Status DecodeHistory(absl::string_view bytes, core::History& history);

std::string Encode(const core::Capsule& capsule);
absl::StatusOr<core::Capsule> DecodeCapsule(absl::string_view bytes);

std::string Encode(const core::AuditRecord& record);
absl::StatusOr<core::AuditRecord> DecodeAudit(uint64_t sequence,
                                              absl::string_view bytes);

}  // namespace baton::store

#endif  // SERVICE_STORE_CODEC_H_
