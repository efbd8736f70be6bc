// The verbs of pinnacectl. Each returns the exit status: 0, 1 (failed), 2 (wrong usage).
#pragma once

#include <string>

#include <google/protobuf/message.h>

#include "control-plane/ctl/arguments.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "mesh/v1/status.pb.h"

namespace control {

int RunStatus(const Arguments& arguments);       // status
int RunConfigDump(const Arguments& arguments);   // config dump PROXY
int RunValidate(const Arguments& arguments);     // validate FILE...
int RunInject(const Arguments& arguments);       // inject
int RunTokenCreate(const Arguments& arguments);  // token create

// The table of `status`.
std::string StatusTable(const mesh::v1::StatusResponse& status);

// The bootstrap that `inject` prints. Errors: InvalidArgument naming the flag.
absl::StatusOr<envoy::config::bootstrap::v3::Bootstrap> MakeBootstrap(const Arguments& arguments);

// JSON with the proto's field names; an Any whose type is not linked in is shown undecoded.
std::string ToJson(const google::protobuf::Message& message);

// Prints "pinnacectl: MESSAGE" on standard error; returns `code`.
int Complain(absl::string_view message, int code = 1);

}  // namespace control
