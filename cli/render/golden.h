#ifndef CLI_RENDER_GOLDEN_H_
#define CLI_RENDER_GOLDEN_H_

#include <string>

#include "base/check.h"
#include "google/protobuf/text_format.h"

namespace baton::cli {

// Files under cli/testdata, for tests.

// Returns the whole file; stops the test when it is not there.
std::string ReadTestdata(const std::string& file);

// Returns the message that a .txtpb file holds.
template <typename Message>
Message Sample(const std::string& file) {
  Message message;
  CHECK(google::protobuf::TextFormat::ParseFromString(ReadTestdata(file),
                                                      &message));
  return message;
}

// Fails the test unless `text` is what NAME.golden holds. With the environment
// variable BATON_GOLDENS=<absolute cli/testdata>, writes the file instead:
//   bazel test //cli/... --test_env=BATON_GOLDENS=$PWD/cli/testdata
void ExpectGolden(const std::string& name, const std::string& text);

}  // namespace baton::cli

#endif  // CLI_RENDER_GOLDEN_H_
