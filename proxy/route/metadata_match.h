// Matching of the values that filters left with a request.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "envoy/type/matcher/v3/metadata.pb.h"
#include "proxy/http/metadata.h"
#include "proxy/route/route.h"

namespace proxy {

// One way to compare a value; `inner` of lists and alternatives.
struct ValueMatch {
  enum class Kind : uint8_t { kNull, kExact, kRange, kText, kBool, kPresent, kOneOf, kAny };
  Kind kind = Kind::kPresent;
  double number = 0;  // kExact; kRange: start
  double end = 0;
  bool flag = true;  // kBool, kPresent
  TextMatch text;
  std::vector<ValueMatch> inner;
  // `value` may be null: there is none.
  bool Matches(const google::protobuf::Value* value) const;
};

struct MetadataMatch {
  std::string filter;
  std::vector<std::string> path;  // One key or more.
  ValueMatch value;
  bool invert = false;
  // `metadata` may be null.
  bool Matches(const DynamicMetadata* metadata) const;
};

// The value at `path`; null if there is none.
const google::protobuf::Value* FindMetadata(const DynamicMetadata* metadata,
                                            const std::string& filter,
                                            const std::vector<std::string>& path);

absl::Status ReadMetadataMatch(const envoy::type::matcher::v3::MetadataMatcher& proto,
                               MetadataMatch& match);

}  // namespace proxy
