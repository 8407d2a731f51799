#ifndef CLI_RENDER_TREE_H_
#define CLI_RENDER_TREE_H_

#include <string>

#include "google/protobuf/message.h"

namespace baton::cli {

// Messages for programs. The tree is protobuf's JSON mapping with the field
// names of the .proto files, and every field that is not a message or optional
// is there even when it is zero, so that a script never meets a missing key.
// 64-bit numbers are strings, as that mapping says. Pure; any thread.

// Indented, ends with a newline.
std::string Json(const google::protobuf::Message& message);

// On one line, without a newline.
std::string JsonLine(const google::protobuf::Message& message);

// The same tree as YAML, ends with a newline.
std::string Yaml(const google::protobuf::Message& message);

}  // namespace baton::cli

#endif  // CLI_RENDER_TREE_H_
