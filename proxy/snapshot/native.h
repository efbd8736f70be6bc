// Extensions of Istio's proxy: those that say what this proxy does of its own accord.
#pragma once

#include <google/protobuf/any.pb.h>

#include <string>

#include "proxy/exchange/config.h"

namespace proxy {

// The full name of the message in `any`; for a TypedStruct, of the message that it stands for.
std::string TypeOf(const google::protobuf::Any& any);

// True for extensions that need no code here because what they configure is done without them, or
// changes nothing that a request can see (peer metadata, statistics). Never for security filters.
bool DoneNatively(const google::protobuf::Any& any);

// Reads the configuration of `istio.alpn`; InvalidArgument if it is not one. False: it is another
// extension.
absl::StatusOr<bool> ReadAlpnOverride(const google::protobuf::Any& any, HttpConfig& config);

}  // namespace proxy
