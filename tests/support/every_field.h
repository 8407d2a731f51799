#ifndef TESTS_SUPPORT_EVERY_FIELD_H_
#define TESTS_SUPPORT_EVERY_FIELD_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "google/protobuf/message.h"

namespace baton::support {

// So that a conversion which forgets a field is found, whenever it was added.

// Sets each field of `message`, and of what is in it, to a value that no other
// field has: of a oneof the first, of a list two, of an enum the last. A bool
// becomes true, one that can be absent false. Messages that nest themselves are
// not for this.
//
// `numbers`  what fields of these names become instead, where not every number
//            will do; of a repeated one every element
void FillEveryField(google::protobuf::Message& message,
                    const std::map<std::string, uint64_t>& numbers = {});

// Returns the paths of the fields of `message`, and of what is in it, that are
// not set, oneofs with another one set aside, e.g. "waves[0].bake".
std::vector<std::string> UnsetFieldsOf(
    const google::protobuf::Message& message);

}  // namespace baton::support

#endif  // TESTS_SUPPORT_EVERY_FIELD_H_
