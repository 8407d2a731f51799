#include "tests/support/every_field.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"

namespace baton::support {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

bool IsNotFirstOfOneof(const FieldDescriptor& field) {
  return field.real_containing_oneof() != nullptr &&
         field.index_in_oneof() != 0;
}

class Filler {
 public:
  explicit Filler(const std::map<std::string, uint64_t>& numbers)
      : numbers_(numbers) {}

  void Fill(Message& message) {
    for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor& field = *message.GetDescriptor()->field(i);
      if (IsNotFirstOfOneof(field)) continue;
      Set(message, field);
      if (field.is_repeated()) Set(message, field);
    }
  }

 private:
  // Sets the field, or adds one element to it.
  void Set(Message& message, const FieldDescriptor& field) {
    const Reflection& r = *message.GetReflection();
    const bool add = field.is_repeated();
    const auto given = numbers_.find(field.name());
    const uint64_t n = given == numbers_.end() ? ++last_ : given->second;
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32: {
        const auto value = static_cast<int32_t>(n);
        add ? r.AddInt32(&message, &field, value)
            : r.SetInt32(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_INT64: {
        const auto value = static_cast<int64_t>(n);
        add ? r.AddInt64(&message, &field, value)
            : r.SetInt64(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        const auto value = static_cast<uint32_t>(n);
        add ? r.AddUInt32(&message, &field, value)
            : r.SetUInt32(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_UINT64:
        add ? r.AddUInt64(&message, &field, n)
            : r.SetUInt64(&message, &field, n);
        return;
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return;  // none of ours has one
      case FieldDescriptor::CPPTYPE_BOOL:
        r.SetBool(&message, &field, !field.has_presence());
        return;
      case FieldDescriptor::CPPTYPE_ENUM: {
        const auto* type = field.enum_type();
        const int value = type->value(type->value_count() - 1)->number();
        add ? r.AddEnumValue(&message, &field, value)
            : r.SetEnumValue(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        const std::string value = absl::StrCat(field.name(), "-", n);
        add ? r.AddString(&message, &field, value)
            : r.SetString(&message, &field, value);
        return;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        Fill(add ? *r.AddMessage(&message, &field)
                 : *r.MutableMessage(&message, &field));
        return;
    }
  }

  const std::map<std::string, uint64_t>& numbers_;
  uint64_t last_ = 0;
};

void CollectUnset(const Message& message, const std::string& prefix,
                  std::vector<std::string>& unset) {
  const Reflection& r = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const std::string path = absl::StrCat(prefix, field.name());
    // Times and durations are values: a part of one may well be 0.
    const bool is_message =
        field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
        field.message_type()->file()->package() != "google.protobuf";
    if (field.is_repeated()) {
      const int size = r.FieldSize(message, &field);
      if (size == 0) unset.push_back(path);
      for (int k = 0; is_message && k < size; ++k) {
        CollectUnset(r.GetRepeatedMessage(message, &field, k),
                     absl::StrCat(path, "[", k, "]."), unset);
      }
    } else if (r.HasField(message, &field)) {
      if (is_message) {
        CollectUnset(r.GetMessage(message, &field), path + ".", unset);
      }
    } else if (field.real_containing_oneof() == nullptr ||
               !r.HasOneof(message, field.real_containing_oneof())) {
      unset.push_back(path);
    }
  }
}

}  // namespace

void FillEveryField(Message& message,
                    const std::map<std::string, uint64_t>& numbers) {
  Filler(numbers).Fill(message);
}

std::vector<std::string> UnsetFieldsOf(const Message& message) {
  std::vector<std::string> unset;
  CollectUnset(message, "", unset);
  return unset;
}

}  // namespace baton::support
