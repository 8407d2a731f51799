#include "driver-shim/port/record_file.h"

#include <atomic>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/fail_point.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::port {
namespace {

constexpr size_t kPlaces = 2;
constexpr uint64_t kMagic = 0x64726f6365724e42;  // "BNrecord"
constexpr uint64_t kWriting = 1;
constexpr uint64_t kWhole = 2;

absl::Status Damaged(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "RECORD_DAMAGED",
                         absl::StrCat("record of the shim before: ", what));
}

}  // namespace

struct RecordFile::Place {
  uint64_t magic = 0;  // 0: never used
  uint64_t state = 0;
  Digest128 digest = {};  // of all that follows, as far as it is used
  uint64_t number = 0;
  uint64_t bytes = 0;
  uint64_t reserved[2] = {};
  std::byte data[kBytesMax] = {};

  Digest128 Digest() const {
    return Xxh3Of(&number, sizeof number + sizeof bytes + sizeof reserved +
                               static_cast<size_t>(bytes));
  }
};

RecordFile::Place& RecordFile::At(size_t number) const {
  return reinterpret_cast<Place*>(memory_->data())[number % kPlaces];
}

absl::StatusOr<std::unique_ptr<RecordFile>> RecordFile::Create(
    const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<NamedMemory> memory,
                   NamedMemory::Create(path, kPlaces * sizeof(Place)));
  return std::unique_ptr<RecordFile>(new RecordFile(std::move(memory)));
}

absl::StatusOr<std::unique_ptr<RecordFile>> RecordFile::Open(
    const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<NamedMemory> memory,
                   NamedMemory::Open(path, kPlaces * sizeof(Place)));
  std::unique_ptr<RecordFile> file(new RecordFile(std::move(memory)));
  for (size_t i = 0; i < kPlaces; ++i) {
    const Place& place = file->At(i);
    if (place.state == kWhole && place.number > file->written_) {
      file->written_ = place.number;
    }
  }
  return file;
}

std::byte* RecordFile::Begin() {
  Place& place = At(static_cast<size_t>(written_ + 1));
  place.magic = kMagic;
  place.state = kWriting;
  // Whoever dies from here on is seen to have been writing.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  return place.data;
}

void RecordFile::End(size_t bytes) {
  Place& place = At(static_cast<size_t>(written_ + 1));
  place.number = ++written_;
  place.bytes = bytes;
  FAIL_POINT("shim.in_record");
  place.digest = place.Digest();
  std::atomic_signal_fence(std::memory_order_seq_cst);
  place.state = kWhole;
}

absl::StatusOr<absl::string_view> RecordFile::Read() const {
  for (size_t i = 0; i < kPlaces; ++i) {
    const Place& place = At(i);
    const bool unused = place.magic == 0 && place.state == 0;
    const bool used = place.magic == kMagic &&
                      (place.state == kWriting || place.state == kWhole);
    if (!unused && !used) return Damaged("a place is not one of ours");
    if (place.state == kWhole && place.number % kPlaces != i) {
      return Damaged("a place has a number of the other");
    }
  }
  if (At(0).state == kWhole && At(1).state == kWhole &&
      At(0).number + 1 != At(1).number && At(1).number + 1 != At(0).number) {
    return Damaged("one between its two is missing");
  }
  const Place& last = At(static_cast<size_t>(written_));
  if (written_ == 0) return absl::string_view();
  if (last.state != kWhole || last.number != written_ ||
      last.bytes > kBytesMax || last.digest != last.Digest()) {
    return Damaged("its digest is another");
  }
  return absl::string_view(reinterpret_cast<const char*>(last.data),
                           static_cast<size_t>(last.bytes));
}

}  // namespace baton::port
