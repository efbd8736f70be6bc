// YAML (or JSON) text -> protobuf messages, by the JSON mapping of proto3.
#pragma once

#include <string>

#include <absl/status/status.h>
#include <google/protobuf/message.h>

namespace proxy {

// Reads `text` into `message`. Field names may be snake_case or lowerCamelCase; Any needs "@type"
// of a message that this program knows.
// Errors: InvalidArgument "line N: path.to.field: what is wrong".
absl::Status ParseYaml(const std::string& text, google::protobuf::Message& message);

}  // namespace proxy
