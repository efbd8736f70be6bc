// Values of google.protobuf.Struct against Envoy's value matchers.
#include "proxy/route/metadata_match.h"

#include <algorithm>

#include "proxy/route/read_match.h"

namespace proxy {
namespace {

using google::protobuf::Value;
namespace api = envoy::type::matcher::v3;

absl::Status ReadValue(const api::ValueMatcher& proto, ValueMatch& match) {
  using Kind = ValueMatch::Kind;
  switch (proto.match_pattern_case()) {
    case api::ValueMatcher::kNullMatch: match.kind = Kind::kNull; return absl::OkStatus();
    case api::ValueMatcher::kDoubleMatch:
      match.kind = proto.double_match().has_range() ? Kind::kRange : Kind::kExact;
      match.number = proto.double_match().has_range() ? proto.double_match().range().start()
                                                      : proto.double_match().exact();
      match.end = proto.double_match().range().end();
      return absl::OkStatus();
    case api::ValueMatcher::kStringMatch:
      match.kind = Kind::kText;
      return ReadText(proto.string_match(), match.text);
    case api::ValueMatcher::kBoolMatch:
      match.kind = Kind::kBool;
      match.flag = proto.bool_match();
      return absl::OkStatus();
    case api::ValueMatcher::kPresentMatch:
      match.kind = Kind::kPresent;
      match.flag = proto.present_match();
      return absl::OkStatus();
    case api::ValueMatcher::kListMatch:
      match.kind = Kind::kOneOf;
      return ReadValue(proto.list_match().one_of(), match.inner.emplace_back());
    case api::ValueMatcher::kOrMatch:
      match.kind = Kind::kAny;
      for (const auto& one : proto.or_match().value_matchers()) {
        if (absl::Status s = ReadValue(one, match.inner.emplace_back()); !s.ok()) return s;
      }
      return absl::OkStatus();
    default: return absl::InvalidArgumentError("metadata.value: needs a match");
  }
}

}  // namespace

bool ValueMatch::Matches(const Value* value) const {
  if (kind == Kind::kPresent) return (value != nullptr) == flag;
  if (kind == Kind::kAny) {
    return std::any_of(inner.begin(), inner.end(),
                       [&](const ValueMatch& one) { return one.Matches(value); });
  }
  if (value == nullptr) return false;
  switch (kind) {
    case Kind::kNull: return value->kind_case() == Value::kNullValue;
    case Kind::kExact:
      return value->kind_case() == Value::kNumberValue && value->number_value() == number;
    case Kind::kRange:
      return value->kind_case() == Value::kNumberValue && value->number_value() >= number &&
             value->number_value() < end;
    case Kind::kText:
      return value->kind_case() == Value::kStringValue && text.Matches(value->string_value());
    case Kind::kBool: return value->kind_case() == Value::kBoolValue && value->bool_value() == flag;
    case Kind::kOneOf: {
      const auto& list = value->list_value().values();
      return std::any_of(list.begin(), list.end(),
                         [&](const Value& one) { return inner[0].Matches(&one); });
    }
    default: return false;
  }
}

const Value* FindMetadata(const DynamicMetadata* metadata, const std::string& filter,
                          const std::vector<std::string>& path) {
  if (metadata == nullptr) return nullptr;
  const auto found = metadata->filters.find(filter);
  if (found == metadata->filters.end()) return nullptr;
  const google::protobuf::Struct* level = &found->second;
  const Value* value = nullptr;
  for (const std::string& key : path) {
    if (level == nullptr) return nullptr;
    const auto field = level->fields().find(key);
    if (field == level->fields().end()) return nullptr;
    value = &field->second;
    level = value->kind_case() == Value::kStructValue ? &value->struct_value() : nullptr;
  }
  return value;
}

bool MetadataMatch::Matches(const DynamicMetadata* metadata) const {
  return value.Matches(FindMetadata(metadata, filter, path)) != invert;
}

absl::Status ReadMetadataMatch(const api::MetadataMatcher& proto, MetadataMatch& match) {
  match.filter = proto.filter();
  match.invert = proto.invert();
  for (const auto& segment : proto.path()) match.path.push_back(segment.key());
  if (match.filter.empty() || match.path.empty()) {
    return absl::InvalidArgumentError("metadata: needs filter and path");
  }
  return ReadValue(proto.value(), match.value);
}

}  // namespace proxy
