#include "driver-shim/vfio/record.h"

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/record_codec.h"
#include "driver-shim/port/record_fields.h"

namespace baton::vfio::core {

constexpr Phase LastOf(Phase) { return Phase::kLost; }

}  // namespace baton::vfio::core

namespace baton::vfio {
namespace {

using port::RecordReader;
using port::RecordWriter;

// Counted up with each change of the fields below.
constexpr uint64_t kFormat = 6;

absl::Status Damaged(absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "RECORD_DAMAGED",
                         absl::StrCat("the update's record is damaged: ", why));
}

}  // namespace

template <typename Archive, port::Of<Stream> T>
void Fields(Archive& archive, T& stream) {
  archive(stream.path, stream.bytes, stream.digest);
}

template <typename Archive, port::Of<VgpuRecord> T>
void Fields(Archive& archive, T& vgpu) {
  archive(vgpu.phase, vgpu.carried, vgpu.proven, vgpu.saved, vgpu.state,
          vgpu.completed, vgpu.stopped_at, vgpu.blackout, vgpu.access,
          vgpu.lost, vgpu.holder);
}

template <typename Archive, port::Of<Record> T>
void Fields(Archive& archive, T& record) {
  archive(record.instance, record.state, record.origin, record.attempt,
          record.finished, record.loaded, record.previous, record.reports,
          record.run, record.begun, record.vgpus);
}

absl::StatusOr<std::optional<Record>> RecordFile::Read() {
  file_ = nullptr;
  auto found = port::RecordFile::Open(path_);
  if (Reason(found.status()) == "FILE_MISSING") return std::optional<Record>();
  if (!found.ok()) return Damaged(found.status().message());
  ASSIGN_OR_RETURN(const absl::string_view text, (*found)->Read());
  RecordReader reader(reinterpret_cast<const std::byte*>(text.data()),
                      text.size());
  std::string boot_id;
  uint64_t format = 0;
  reader(boot_id, format);
  // Of another boot: whatever it tells of is gone.
  if (text.empty() || boot_id != boot_id_) return std::optional<Record>();
  if (format != kFormat) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "RECORD_UNKNOWN",
        absl::StrCat("the shim before was of another release: its record has "
                     "format ",
                     format, ", want ", kFormat));
  }
  Record record;
  Fields(reader, record);
  if (!reader.whole() || record.run.reports.size() > record.run.orders.size()) {
    return Damaged("it makes no sense");
  }
  file_ = *std::move(found);
  return std::optional<Record>(std::move(record));
}

absl::Status RecordFile::Write(const Record& record) {
  const auto unwritable = [&](absl::string_view why) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "RECORD_UNWRITABLE",
                           absl::StrCat("cannot write '", path_, "': ", why));
  };
  if (file_ == nullptr) {
    auto made = port::RecordFile::Create(path_);
    if (!made.ok()) return unwritable(made.status().message());
    file_ = *std::move(made);
  }
  const bool written = file_->Write([&](std::byte* room, size_t bytes) {
    RecordWriter writer(room, bytes);
    writer(boot_id_, kFormat);
    Fields(writer, record);
    return writer.fits() ? bytes - writer.left() : size_t{0};
  });
  return written ? absl::OkStatus() : unwritable("there is too much of it");
}

}  // namespace baton::vfio
