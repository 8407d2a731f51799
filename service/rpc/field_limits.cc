#include "service/rpc/field_limits.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "google/protobuf/descriptor.h"

namespace baton::rpc {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kDepthMax = 8;  // our messages nest less; theirs are cut off

// Bytes, by the field's own name, for operators.
const std::map<std::string, size_t>& BytesMax() {
  static const auto& kBytesMax = *new std::map<std::string, size_t>{
      {"name", 256},         // longest: a driver's version
      {"parent", 256},       //
      {"driver", 256},       //
      {"resource", 256},     //
      {"digest", 128},       // "sha256:" and 64 digits
      {"etag", 128},         //
      {"request_id", 64},    //
      {"reason", 1024},      //
      {"selector", 4096},    //
      {"filter", 4096},      //
      {"page_token", 1024},  //
      {"key", 512},          // of a label
      {"value", 512},        //
      {"chunk", 1 << 20},    //
  };
  return kBytesMax;
}

constexpr size_t kOperatorBytesMax = 1024;  // what is not named above
constexpr size_t kAgentBytesMax = size_t{64} << 10;
constexpr int kOperatorItemsMax = 1000;  // of a list
constexpr int kAgentItemsMax = 16384;

size_t BytesMaxOf(const FieldDescriptor& field, Speaker speaker) {
  if (speaker == Speaker::kAgent) return kAgentBytesMax;
  const auto found = BytesMax().find(field.name());
  return found == BytesMax().end() ? kOperatorBytesMax : found->second;
}

absl::Status TooLong(const std::string& path, size_t got, size_t most,
                     absl::string_view unit) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "FIELD_TOO_LONG",
                         absl::StrCat("field \"", path, "\" has ", got, " ",
                                      unit, ", at most ", most, " are taken"));
}

// Where a message is in the one that is checked.
struct Place {
  Speaker speaker = Speaker::kOperator;
  std::string prefix = "";  // path of the message, with a dot; empty: the top
  int depth = 0;
};

absl::Status CheckMessage(const Message& message, const Place& place);

// Checks one value of `field`; `index` is -1 unless the field is repeated.
absl::Status CheckValue(const Message& message, const FieldDescriptor& field,
                        int index, const Place& place) {
  const Reflection& reflection = *message.GetReflection();
  const std::string path = absl::StrCat(place.prefix, field.name());
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    std::string scratch;
    const std::string& text =
        index < 0 ? reflection.GetStringReference(message, &field, &scratch)
                  : reflection.GetRepeatedStringReference(message, &field,
                                                          index, &scratch);
    const size_t most = BytesMaxOf(field, place.speaker);
    return text.size() <= most ? absl::OkStatus()
                               : TooLong(path, text.size(), most, "bytes");
  }
  if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
    return absl::OkStatus();
  }
  const Message& inner =
      index < 0 ? reflection.GetMessage(message, &field)
                : reflection.GetRepeatedMessage(message, &field, index);
  return CheckMessage(inner, {.speaker = place.speaker,
                              .prefix = path + ".",
                              .depth = place.depth + 1});
}

absl::Status CheckMessage(const Message& message, const Place& place) {
  if (place.depth > kDepthMax) {
    return TooLong(place.prefix, place.depth, kDepthMax, "levels");
  }
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  const int items_max =
      place.speaker == Speaker::kAgent ? kAgentItemsMax : kOperatorItemsMax;
  for (const FieldDescriptor* field : fields) {
    if (!field->is_repeated()) {
      RETURN_IF_ERROR(CheckValue(message, *field, -1, place));
      continue;
    }
    const int items = message.GetReflection()->FieldSize(message, field);
    if (items > items_max) {
      return TooLong(absl::StrCat(place.prefix, field->name()), items,
                     items_max, "items");
    }
    for (int i = 0; i < items; ++i) {
      RETURN_IF_ERROR(CheckValue(message, *field, i, place));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckFieldSizes(const Message& message, Speaker speaker) {
  return CheckMessage(message, {.speaker = speaker});
}

}  // namespace baton::rpc
