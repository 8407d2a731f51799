#ifndef SERVICE_STORE_CODEC_VALUES_H_
#define SERVICE_STORE_CODEC_VALUES_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "google/protobuf/arena.h"

namespace baton::store {

// Single values of records, for the codecs alone.

inline absl::Status CorruptError(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "STORE_CORRUPT",
                         absl::StrCat("stored ", what, " cannot be read"));
}

// Returns `number` as an enum, if it is one of `first` to `last`.
template <typename Enum>
absl::StatusOr<Enum> ToEnum(uint32_t number, Enum first, Enum last) {
  if (number >= static_cast<uint32_t>(first) &&
      number <= static_cast<uint32_t>(last)) {
    return static_cast<Enum>(number);
  }
  return CorruptError(absl::StrCat("enum number ", number));
}

// A message and all of its parts on one piece of memory, which is on the stack
// for the records that are usual: thousands of them are written in a turn.
template <typename Proto>
class Scratch {
 public:
  Scratch() : arena_(OptionsOf(block_)) {
    message_ = google::protobuf::Arena::CreateMessage<Proto>(&arena_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  Proto& operator*() { return *message_; }
  Proto* operator->() { return message_; }

 private:
  static google::protobuf::ArenaOptions OptionsOf(char (&block)[4096]) {
    google::protobuf::ArenaOptions options;
    options.initial_block = block;
    options.initial_block_size = sizeof(block);
    return options;
  }

  alignas(8) char block_[4096];
  google::protobuf::Arena arena_;
  Proto* message_;
};

inline absl::Time ToTime(int64_t ns) { return absl::FromUnixNanos(ns); }
inline int64_t ToNs(absl::Time time) { return absl::ToUnixNanos(time); }
inline int64_t ToNs(absl::Duration time) {
  return absl::ToInt64Nanoseconds(time);
}

// Times of what has not happened yet are absent.
template <typename Set>
void SetTime(absl::Time time, Set set) {
  if (time != absl::InfinitePast()) set(ToNs(time));
}

}  // namespace baton::store

#endif  // SERVICE_STORE_CODEC_VALUES_H_
