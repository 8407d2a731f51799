#ifndef SERVICE_CORE_SELECTOR_H_
#define SERVICE_CORE_SELECTOR_H_

#include "base/selector.h"

namespace baton::core {

// Which hosts a rollout is for.
using ::baton::IsLabelKey;
using ::baton::IsLabelValue;
using ::baton::Selector;

}  // namespace baton::core

#endif  // SERVICE_CORE_SELECTOR_H_
