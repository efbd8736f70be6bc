// Which fields of the API the proxy obeys: what is set and not obeyed is never ignored in silence.
#pragma once

#include <string>
#include <vector>

#include <google/protobuf/message.h>

namespace proxy {

// Paths of set fields in `message` that the proxy does not implement ("filter_chains[0].name:
// ..."), unknown fields and unknown extensions too. Empty if all is understood. Cost: one walk.
std::vector<std::string> UnsupportedFields(const google::protobuf::Message& message);

}  // namespace proxy
