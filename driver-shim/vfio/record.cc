#include "driver-shim/vfio/record.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "driver-shim/port/order.h"
#include "driver-shim/vfio/fd.h"
#include "driver-shim/vfio/proc_files.h"

namespace baton::vfio {
namespace {

constexpr int kVersion = 1;

// ---- out ----

Json ToJson(const Digest128& digest) { return {digest.high, digest.low}; }

Json ToJson(const std::optional<absl::Duration>& duration) {
  if (!duration.has_value()) return nullptr;
  return absl::ToInt64Nanoseconds(*duration);
}

Json ToJson(const port::DriverImage& image) {
  return {{"path", image.path},
          {"digest", image.digest},
          {"driver", image.driver},
          {"version", image.version}};
}

Json ToJson(const port::CensusEntry& entry) {
  return {{"partition", entry.vgpu.partition_id},
          {"luid", entry.vgpu.luid},
          {"profile", entry.vgpu.profile},
          {"guest", entry.vgpu.guest},
          {"vram", entry.vgpu.vram_bytes},
          {"fence", entry.fence_value},
          {"registers", ToJson(entry.registers)},
          {"driver_state", ToJson(entry.driver_state)}};
}

Json ToJson(const port::VirtualGpuResult& result) {
  return {{"partition", result.partition_id},
          {"guest", result.guest},
          {"preserved", result.preserved},
          {"blackout", ToJson(result.blackout)},
          {"difference", result.difference}};
}

Json ToJson(const absl::Status& status) {
  return {{"code", static_cast<int>(status.code())},
          {"reason", Reason(status)},
          {"message", std::string(status.message())}};
}

Json ToJson(const port::StepReport& report) {
  Json json = {{"status", ToJson(report.status)},
               {"elapsed", absl::ToInt64Nanoseconds(report.elapsed)},
               {"blocks", report.saved.blocks},
               {"bytes", report.saved.bytes},
               {"faults", report.shim_faults},
               {"census", Json::array()},
               {"vgpus", Json::array()}};
  for (const auto& entry : report.census) {
    json["census"].push_back(ToJson(entry));
  }
  for (const auto& vgpu : report.vgpus) json["vgpus"].push_back(ToJson(vgpu));
  return json;
}

Json ToJson(const port::OrderedRun& run) {
  Json json = {{"orders", Json::array()},
               {"reports", Json::array()},
               {"told", run.told}};
  for (const port::StepOrder& order : run.orders) {
    json["orders"].push_back(
        {{"step", std::string(port::Name(order.step))},
         {"attempt", order.attempt},
         {"deadline", absl::ToInt64Nanoseconds(order.deadline)},
         {"image", ToJson(order.image)}});
  }
  for (const port::StepReport& report : run.reports) {
    json["reports"].push_back(ToJson(report));
  }
  return json;
}

Json ToJson(const VgpuRecord& vgpu) {
  return {{"phase", std::string(Name(vgpu.phase))},
          {"carried", vgpu.carried},
          {"proven", vgpu.proven},
          {"saved",
           {{"path", vgpu.saved.path},
            {"bytes", vgpu.saved.bytes},
            {"digest", ToJson(vgpu.saved.digest)}}},
          {"state", vgpu.state},
          {"completed", vgpu.completed},
          {"stopped_at", ToJson(vgpu.stopped_at)},
          {"blackout", ToJson(vgpu.blackout)},
          {"holder", vgpu.holder}};
}

// ---- in; what is not as it was written is an exception of the library's ----

Digest128 DigestFrom(const Json& json) {
  return {.high = json.at(0).get<uint64_t>(),
          .low = json.at(1).get<uint64_t>()};
}

std::optional<absl::Duration> DurationFrom(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return absl::Nanoseconds(json.get<int64_t>());
}

port::DriverImage ImageFrom(const Json& json) {
  return {.path = json.at("path"),
          .digest = json.at("digest"),
          .driver = json.at("driver"),
          .version = json.at("version")};
}

port::CensusEntry CensusFrom(const Json& json) {
  return {.vgpu = {.partition_id = json.at("partition"),
                   .luid = json.at("luid"),
                   .profile = json.at("profile"),
                   .guest = json.at("guest"),
                   .vram_bytes = json.at("vram")},
          .fence_value = json.at("fence"),
          .registers = DigestFrom(json.at("registers")),
          .driver_state = DigestFrom(json.at("driver_state"))};
}

port::VirtualGpuResult ResultFrom(const Json& json) {
  return {.partition_id = json.at("partition"),
          .guest = json.at("guest"),
          .preserved = json.at("preserved"),
          .blackout = DurationFrom(json.at("blackout")),
          .difference = json.at("difference")};
}

absl::Status StatusFrom(const Json& json) {
  const auto code = static_cast<absl::StatusCode>(json.at("code").get<int>());
  const auto message = json.at("message").get<std::string>();
  const auto reason = json.at("reason").get<std::string>();
  return reason.empty() ? absl::Status(code, message)
                        : ErrorWithReason(code, reason, message);
}

port::StepReport ReportFrom(const Json& json) {
  port::StepReport report;
  report.status = StatusFrom(json.at("status"));
  report.elapsed = absl::Nanoseconds(json.at("elapsed").get<int64_t>());
  report.saved = {.blocks = json.at("blocks"), .bytes = json.at("bytes")};
  report.shim_faults = json.at("faults");
  for (const Json& one : json.at("census")) {
    report.census.push_back(CensusFrom(one));
  }
  for (const Json& one : json.at("vgpus")) {
    report.vgpus.push_back(ResultFrom(one));
  }
  return report;
}

absl::Status Damaged(absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "RECORD_DAMAGED",
                         absl::StrCat("the update's record is damaged: ", why));
}

// A value of an enum by its name.
template <typename Value, typename Values>
std::optional<Value> Named(const Values& values, const std::string& name) {
  const auto found =
      std::find_if(values.begin(), values.end(),
                   [&](Value value) { return port::Name(value) == name; });
  if (found == values.end()) return std::nullopt;
  return *found;
}

absl::StatusOr<port::OrderedRun> RunFrom(const Json& json) {
  port::OrderedRun run = {.told = json.at("told")};
  for (const Json& one : json.at("orders")) {
    const auto step =
        Named<port::AdapterStep>(port::kAdapterSteps, one.at("step"));
    if (!step.has_value()) return Damaged("an unknown step");
    run.orders.push_back(
        {.step = *step,
         .attempt = one.at("attempt"),
         .deadline = absl::Nanoseconds(one.at("deadline").get<int64_t>()),
         .image = ImageFrom(one.at("image"))});
  }
  for (const Json& one : json.at("reports")) {
    run.reports.push_back(ReportFrom(one));
  }
  if (run.reports.size() > run.orders.size())
    return Damaged("a report too many");
  return run;
}

absl::StatusOr<VgpuRecord> VgpuFrom(const Json& json) {
  VgpuRecord vgpu;
  const auto phase = core::PhaseFrom(json.at("phase").get<std::string>());
  if (!phase.has_value()) return Damaged("an unknown phase");
  vgpu.phase = *phase;
  vgpu.carried = json.at("carried");
  vgpu.proven = json.at("proven");
  const Json& saved = json.at("saved");
  vgpu.saved = {.path = saved.at("path"),
                .bytes = saved.at("bytes"),
                .digest = DigestFrom(saved.at("digest"))};
  vgpu.state = json.at("state");
  vgpu.completed = json.at("completed");
  vgpu.stopped_at = DurationFrom(json.at("stopped_at"));
  vgpu.blackout = DurationFrom(json.at("blackout"));
  vgpu.holder = json.at("holder");
  return vgpu;
}

absl::StatusOr<Record> Parse(const Json& json) {
  if (json.at("version") != kVersion) return Damaged("another version");
  Record record;
  record.boot_id = json.at("boot_id");
  record.instance = json.at("instance");
  const auto state =
      Named<port::AdapterState>(port::kAdapterStates, json.at("state"));
  const auto origin =
      Named<port::AdapterState>(port::kAdapterStates, json.at("origin"));
  if (!state.has_value() || !origin.has_value()) {
    return Damaged("an unknown state");
  }
  record.state = *state;
  record.origin = *origin;
  record.attempt = json.at("attempt");
  record.finished = json.at("finished");
  record.loaded = ImageFrom(json.at("loaded"));
  record.previous = ImageFrom(json.at("previous"));
  for (const auto& [name, report] : json.at("reports").items()) {
    const auto step = Named<port::AdapterStep>(port::kAdapterSteps, name);
    if (!step.has_value()) return Damaged("an unknown step");
    record.reports[*step] = ReportFrom(report);
  }
  absl::StatusOr<port::OrderedRun> run = RunFrom(json.at("run"));
  if (!run.ok()) return run.status();
  record.run = *std::move(run);
  record.begun = DurationFrom(json.at("begun"));
  for (const auto& [uuid, one] : json.at("vgpus").items()) {
    absl::StatusOr<VgpuRecord> vgpu = VgpuFrom(one);
    if (!vgpu.ok()) return vgpu.status();
    record.vgpus[uuid] = *std::move(vgpu);
  }
  return record;
}

}  // namespace

Json ToJson(const Record& record) {
  Json json = {{"version", kVersion},
               {"boot_id", record.boot_id},
               {"instance", record.instance},
               {"state", std::string(port::Name(record.state))},
               {"origin", std::string(port::Name(record.origin))},
               {"attempt", record.attempt},
               {"finished", record.finished},
               {"loaded", ToJson(record.loaded)},
               {"previous", ToJson(record.previous)},
               {"reports", Json::object()},
               {"run", ToJson(record.run)},
               {"begun", ToJson(record.begun)},
               {"vgpus", Json::object()}};
  for (const auto& [step, report] : record.reports) {
    json["reports"][std::string(port::Name(step))] = ToJson(report);
  }
  for (const auto& [uuid, vgpu] : record.vgpus) {
    json["vgpus"][uuid] = ToJson(vgpu);
  }
  return json;
}

absl::StatusOr<Record> RecordFrom(const Json& json) {
  try {
    return Parse(json);
  } catch (const Json::exception& error) {
    return Damaged(error.what());
  }
}

absl::StatusOr<std::optional<Record>> RecordFile::Read() const {
  const std::optional<std::string> text = ReadFile(path_);
  if (!text.has_value()) return std::optional<Record>();
  absl::StatusOr<Record> record =
      RecordFrom(Json::parse(*text, nullptr, false));
  if (!record.ok()) return record.status();
  return std::optional<Record>(*std::move(record));
}

// On a tmpfs, where it belongs, the sync is free. On a disk the file is whole
// all the same; a power cut makes it worthless anyhow.
absl::Status RecordFile::Write(const Record& record) const {
  const std::string text = ToJson(record).dump();
  const std::string fresh = absl::StrCat(path_, ".new");
  const Fd file(open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                     S_IRUSR | S_IWUSR));
  const auto size = static_cast<ssize_t>(text.size());
  const bool written = file.ok() &&
                       write(file.get(), text.data(), text.size()) == size &&
                       std::rename(fresh.c_str(), path_.c_str()) == 0;
  if (written) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kUnavailable, "RECORD_UNWRITABLE",
      absl::StrCat("cannot write '", path_, "': ", std::strerror(errno)));
}

}  // namespace baton::vfio
