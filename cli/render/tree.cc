#include "cli/render/tree.h"

#include <memory>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/type_resolver_util.h"
#include "yaml-cpp/yaml.h"

namespace baton::cli {
namespace {

// Wire bytes with the keys of maps in order: equal messages, equal bytes.
std::string Bytes(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  CHECK(message.SerializeToCodedStream(&coded));
  coded.Trim();
  return bytes;
}

std::string ToJson(const google::protobuf::Message& message,
                   google::protobuf::util::JsonPrintOptions options) {
  constexpr char kTypes[] = "type.googleapis.com";
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  const std::unique_ptr<google::protobuf::util::TypeResolver> resolver(
      google::protobuf::util::NewTypeResolverForDescriptorPool(
          kTypes, message.GetDescriptor()->file()->pool()));
  const std::string type =
      absl::StrCat(kTypes, "/", message.GetDescriptor()->full_name());
  std::string json;
  // Fails only for google.protobuf.Any of an unknown type, which the API has
  // nowhere.
  CHECK(google::protobuf::util::BinaryToJsonString(
            resolver.get(), type, Bytes(message), &json, options)
            .ok());
  return json;
}

// Whether a string would be read back as something else without quotes.
bool NeedsQuotes(const std::string& text) {
  static const std::set<std::string> words = {
      "true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"};
  return text.empty() || !absl::ascii_isalpha(text.front()) ||
         words.contains(absl::AsciiStrToLower(text));
}

// yaml-cpp marks the scalars that were quoted in its input.
bool IsString(const YAML::Node& scalar) { return scalar.Tag() == "!"; }

void Emit(const YAML::Node& node, YAML::Emitter& out);

void EmitMap(const YAML::Node& node, YAML::Emitter& out) {
  out << (node.size() == 0 ? YAML::Flow : YAML::Block) << YAML::BeginMap;
  for (const auto& entry : node) {
    out << YAML::Key;
    Emit(entry.first, out);
    out << YAML::Value;
    Emit(entry.second, out);
  }
  out << YAML::EndMap;
}

void EmitSequence(const YAML::Node& node, YAML::Emitter& out) {
  out << (node.size() == 0 ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
  for (const auto& element : node) Emit(element, out);
  out << YAML::EndSeq;
}

// As deep as the messages are nested.
void Emit(const YAML::Node& node, YAML::Emitter& out) {
  if (node.IsMap()) return EmitMap(node, out);
  if (node.IsSequence()) return EmitSequence(node, out);
  if (node.IsNull()) {
    out << YAML::Null;
    return;
  }
  if (IsString(node) && NeedsQuotes(node.Scalar())) out << YAML::DoubleQuoted;
  out << node.Scalar();
}

}  // namespace

std::string Json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  return ToJson(message, options);
}

std::string JsonLine(const google::protobuf::Message& message) {
  return ToJson(message, {});
}

std::string Yaml(const google::protobuf::Message& message) {
  // JSON is YAML: reading what was just written cannot fail.
  YAML::Emitter out;
  Emit(YAML::Load(JsonLine(message)), out);
  return std::string(out.c_str()) + "\n";
}

}  // namespace baton::cli
