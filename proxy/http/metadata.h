// What filters tell each other, and the access log, of a request.
#pragma once

#include <map>
#include <string>

#include <google/protobuf/struct.pb.h>

namespace proxy {

// Envoy's dynamic metadata: values by the name of the filter that set them. Made on first use.
struct DynamicMetadata {
  std::map<std::string, google::protobuf::Struct> filters;
};

}  // namespace proxy
