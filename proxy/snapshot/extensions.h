// The extension messages that may stand in an Any.
#pragma once

#include <google/protobuf/message.h>

#include <absl/strings/string_view.h>

namespace proxy {

// The prototype of a type by its full name; null if the proxy does not know it. Static.
const google::protobuf::Message* FindExtension(absl::string_view full_name);

}  // namespace proxy
