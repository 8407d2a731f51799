// Today's programs and those of the release before understand each other.
//
// testdata/previous.binpb is the protocol of that release, as descriptors;
// testdata/previous.txt has one of each of its messages, every field set, as it
// was on the wire or on the disk. Both are made anew when a release is made:
//
//   cd proto && protoc --include_imports
//     --descriptor_set_out=testdata/previous.binpb
//     baton/v1/*.proto baton/store/v1/*.proto
//   PREVIOUS_OUT=$PWD/testdata/previous.txt bazel run //proto:previous_test

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "baton/store/v1/agent_records.pb.h"
#include "baton/store/v1/records.pb.h"
#include "baton/v1/agent.pb.h"
#include "baton/v1/audit.pb.h"
#include "baton/v1/driver.pb.h"
#include "baton/v1/rollout.pb.h"
#include "baton/v1/shim.pb.h"
#include "google/protobuf/descriptor.pb.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "tests/support/every_field.h"

namespace baton {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::DynamicMessageFactory;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorSet;
using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::Reflection;
using google::protobuf::util::MessageDifferencer;

constexpr char kFolder[] = "proto/testdata/";

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

// The release before, as its own descriptors tell it.
class Previous {
 public:
  Previous() {
    FileDescriptorSet files;
    EXPECT_TRUE(files.ParseFromString(
        ReadFile(absl::StrCat(kFolder, "previous.binpb"))));
    for (const auto& file : files.file()) {
      const FileDescriptor* built = pool_.BuildFile(file);
      EXPECT_NE(built, nullptr) << file.name();
      if (built == nullptr || !absl::StartsWith(file.package(), "baton.")) {
        continue;
      }
      for (int i = 0; i < built->message_type_count(); ++i) {
        types_.push_back(built->message_type(i));
      }
    }
  }

  const std::vector<const Descriptor*>& types() const { return types_; }
  std::unique_ptr<Message> New(const Descriptor* type) {
    return std::unique_ptr<Message>(factory_.GetPrototype(type)->New());
  }

 private:
  DescriptorPool pool_;
  DynamicMessageFactory factory_{&pool_};
  std::vector<const Descriptor*> types_;
};

// Today's message of that name; null when there is none any more.
std::unique_ptr<Message> Today(const std::string& name) {
  const Descriptor* type =
      DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  if (type == nullptr) return nullptr;
  return std::unique_ptr<Message>(
      MessageFactory::generated_factory()->GetPrototype(type)->New());
}

// One message for each choice of a oneof at its top, every field set.
std::vector<std::unique_ptr<Message>> Filled(const Message& prototype) {
  std::vector<std::unique_ptr<Message>> all;
  all.emplace_back(prototype.New());
  support::FillEveryField(*all.front());
  const Descriptor& type = *prototype.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.real_containing_oneof() == nullptr ||
        field.index_in_oneof() == 0 ||
        field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      continue;
    }
    all.emplace_back(prototype.New());
    Message& choice = *all.back();
    support::FillEveryField(
        *choice.GetReflection()->MutableMessage(&choice, &field));
  }
  return all;
}

bool HasUnknown(const Message& message) {
  const Reflection& r = *message.GetReflection();
  if (!r.GetUnknownFields(message).empty()) return true;
  std::vector<const FieldDescriptor*> fields;
  r.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field->is_repeated()) {
      if (HasUnknown(r.GetMessage(message, field))) return true;
      continue;
    }
    for (int i = 0; i < r.FieldSize(message, field); ++i) {
      if (HasUnknown(r.GetRepeatedMessage(message, field, i))) return true;
    }
  }
  return false;
}

// Serialized so that two equal messages have equal bytes.
std::string Bytes(const Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream out(&bytes);
  google::protobuf::io::CodedOutputStream coded(&out);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

void WriteOut(Previous& previous, const char* path) {
  std::ofstream out(path);
  for (const Descriptor* type : previous.types()) {
    for (const auto& message : Filled(*previous.New(type))) {
      out << type->full_name() << " " << absl::BytesToHexString(Bytes(*message))
          << "\n";
    }
  }
}

TEST(PreviousTest, TodaysProgramsReadEveryFieldThatWasWritten) {
  Previous previous;
  // Nothing sets it. NOLINTNEXTLINE(concurrency-mt-unsafe)
  if (const char* out = std::getenv("PREVIOUS_OUT"); out != nullptr) {
    WriteOut(previous, out);
  }
  std::map<std::string, int> read;
  const std::string lines = ReadFile(absl::StrCat(kFolder, "previous.txt"));
  for (const absl::string_view line : absl::StrSplit(lines, '\n')) {
    if (line.empty()) continue;
    const std::vector<std::string> parts = absl::StrSplit(line, ' ');
    ASSERT_EQ(parts.size(), 2u) << line;
    SCOPED_TRACE(parts[0]);
    const std::unique_ptr<Message> today = Today(parts[0]);
    ASSERT_NE(today, nullptr) << "it is gone";
    const std::string bytes = absl::HexStringToBytes(parts[1]);
    ASSERT_TRUE(today->ParseFromString(bytes));
    EXPECT_FALSE(HasUnknown(*today)) << "a field is gone: reserve its number, "
                                        "and say in an ADR how it is read";
    EXPECT_EQ(Bytes(*today), bytes);
    ++read[parts[0]];
  }
  for (const Descriptor* type : previous.types()) {
    EXPECT_GT(read[type->full_name()], 0) << type->full_name();
  }
}

TEST(PreviousTest, ProgramsOfThatReleaseReadWhatTheyKnowOfTodaysMessages) {
  Previous previous;
  for (const Descriptor* type : previous.types()) {
    const std::unique_ptr<Message> prototype = Today(type->full_name());
    ASSERT_NE(prototype, nullptr) << type->full_name() << " is gone";
    for (const auto& today : Filled(*prototype)) {
      SCOPED_TRACE(type->full_name());
      const std::unique_ptr<Message> theirs = previous.New(type);
      ASSERT_TRUE(theirs->ParseFromString(today->SerializeAsString()));
      theirs->DiscardUnknownFields();
      const std::unique_ptr<Message> known(prototype->New());
      ASSERT_TRUE(known->ParseFromString(theirs->SerializeAsString()));
      MessageDifferencer differencer;
      differencer.set_scope(MessageDifferencer::PARTIAL);
      std::string difference;
      differencer.ReportDifferencesToString(&difference);
      EXPECT_TRUE(differencer.Compare(*known, *today)) << difference;
      // Whatever they know is there: of their fields none is unset but those
      // of the other choices.
      const bool chosen = type->real_oneof_decl_count() > 0;
      EXPECT_TRUE(chosen || support::UnsetFieldsOf(*theirs).empty())
          << support::UnsetFieldsOf(*theirs).front();
    }
  }
}

}  // namespace
}  // namespace baton
