// Reads rate limit actions and runs them on requests.
#include "proxy/route/rate_limits.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include "proxy/net/cidr.h"
#include "proxy/route/metadata_match.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::config::route::v3;
using Kind = RateAction::Kind;

constexpr uint32_t kStageMax = 10;

std::string Or(const std::string& text, const char* otherwise) {
  return text.empty() ? otherwise : text;
}

// A value of the query, as it stands there; nullopt if the parameter is absent.
std::optional<std::string> QueryValue(const RequestHead& head, const std::string& name) {
  const size_t mark = head.path.find('?');
  if (mark == absl::string_view::npos) return std::nullopt;
  absl::string_view rest = head.path.substr(mark + 1);
  while (!rest.empty()) {
    const absl::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return std::string(equals == absl::string_view::npos ? "" : pair.substr(equals + 1));
  }
  return std::nullopt;
}

std::optional<std::string> HeaderValue(const RequestHead& head, const std::string& name) {
  if (name == ":path") return std::string(head.path);
  if (name == ":method") return std::string(head.method);
  if (name == ":authority" || name == "host") return std::string(head.authority);
  const Header* field = head.headers.Find(name);
  if (field == nullptr) return std::nullopt;
  return std::string(field->value);
}

std::optional<std::string> MetadataText(const RateAction& action, const StreamInfo& info) {
  const auto* value = FindMetadata(info.metadata.get(), action.name, action.path);
  if (value != nullptr && value->kind_case() == google::protobuf::Value::kStringValue &&
      !value->string_value().empty()) {
    return value->string_value();
  }
  if (action.value.empty()) return std::nullopt;
  return action.value;
}

// The value of one action; nullopt if it finds nothing.
std::optional<std::string> Run(const RateAction& action, const RequestHead& head,
                               const StreamInfo& info) {
  switch (action.kind) {
    case Kind::kGenericKey: return action.value;
    case Kind::kRequestHeader: return HeaderValue(head, action.name);
    case Kind::kQueryParameter: return QueryValue(head, action.name);
    case Kind::kRemoteAddress: {
      std::string ip = MaskedIp(info.downstream_remote, action.v4_bits, action.v6_bits);
      if (ip.empty()) return std::nullopt;
      return ip;
    }
    case Kind::kDestinationCluster: return std::string(info.cluster);
    case Kind::kHeaderMatch: {
      const bool all = std::all_of(action.headers.begin(), action.headers.end(),
                                   [&](const HeaderMatch& m) { return HeaderMatches(m, head); });
      if (all != action.expect_match) return std::nullopt;
      return action.value;
    }
    case Kind::kQueryMatch: {
      const bool all = std::all_of(action.query.begin(), action.query.end(),
                                   [&](const QueryMatch& m) { return QueryMatches(m, head.path); });
      if (all != action.expect_match) return std::nullopt;
      return action.value;
    }
    case Kind::kMetadata: return MetadataText(action, info);
  }
  return std::nullopt;
}

template <typename Key>
void ReadKey(const Key& key, RateAction& to) {
  to.name = key.key();
  for (const auto& segment : key.path()) to.path.push_back(segment.key());
}

absl::Status ReadMaskedAddress(const api::RateLimit::Action::MaskedRemoteAddress& proto,
                               RateAction& to) {
  to.kind = Kind::kRemoteAddress;
  to.key = "masked_remote_address";
  if (proto.has_v4_prefix_mask_len()) to.v4_bits = proto.v4_prefix_mask_len().value();
  if (proto.has_v6_prefix_mask_len()) to.v6_bits = proto.v6_prefix_mask_len().value();
  if (to.v4_bits > 32 || to.v6_bits > 128) {
    return absl::InvalidArgumentError("masked_remote_address: masks are at most 32 and 128");
  }
  return absl::OkStatus();
}

absl::Status ReadAction(const api::RateLimit::Action& proto, RateAction& to) {
  switch (proto.action_specifier_case()) {
    case api::RateLimit::Action::kGenericKey:
      to.key = Or(proto.generic_key().descriptor_key(), "generic_key");
      to.value = proto.generic_key().descriptor_value();
      return absl::OkStatus();
    case api::RateLimit::Action::kRequestHeaders:
      to.kind = Kind::kRequestHeader;
      to.key = proto.request_headers().descriptor_key();
      to.name = absl::AsciiStrToLower(proto.request_headers().header_name());
      to.skip_if_absent = proto.request_headers().skip_if_absent();
      return absl::OkStatus();
    case api::RateLimit::Action::kQueryParameters:
      to.kind = Kind::kQueryParameter;
      to.key = proto.query_parameters().descriptor_key();
      to.name = proto.query_parameters().query_parameter_name();
      to.skip_if_absent = proto.query_parameters().skip_if_absent();
      return absl::OkStatus();
    case api::RateLimit::Action::kRemoteAddress:
      to.kind = Kind::kRemoteAddress;
      to.key = "remote_address";
      return absl::OkStatus();
    case api::RateLimit::Action::kMaskedRemoteAddress:
      return ReadMaskedAddress(proto.masked_remote_address(), to);
    case api::RateLimit::Action::kDestinationCluster:
      to.kind = Kind::kDestinationCluster;
      to.key = "destination_cluster";
      return absl::OkStatus();
    case api::RateLimit::Action::kHeaderValueMatch: {
      const auto& match = proto.header_value_match();
      to.kind = Kind::kHeaderMatch;
      to.key = Or(match.descriptor_key(), "header_match");
      to.value = match.descriptor_value();
      to.expect_match = !match.has_expect_match() || match.expect_match().value();
      for (const auto& one : match.headers()) {
        if (absl::Status s = ReadHeader(one, to.headers.emplace_back()); !s.ok()) return s;
      }
      return absl::OkStatus();
    }
    case api::RateLimit::Action::kQueryParameterValueMatch: {
      const auto& match = proto.query_parameter_value_match();
      to.kind = Kind::kQueryMatch;
      to.key = Or(match.descriptor_key(), "query_match");
      to.value = match.descriptor_value();
      to.expect_match = !match.has_expect_match() || match.expect_match().value();
      for (const auto& one : match.query_parameters()) {
        if (absl::Status s = ReadQuery(one, to.query.emplace_back()); !s.ok()) return s;
      }
      return absl::OkStatus();
    }
    case api::RateLimit::Action::kMetadata:
      if (proto.metadata().source() != api::RateLimit::Action::MetaData::DYNAMIC) {
        return absl::InvalidArgumentError("metadata.source: only DYNAMIC is supported");
      }
      to.kind = Kind::kMetadata;
      to.key = proto.metadata().descriptor_key();
      to.value = proto.metadata().default_value();
      to.skip_if_absent = proto.metadata().skip_if_absent();
      ReadKey(proto.metadata().metadata_key(), to);
      return absl::OkStatus();
    default: return absl::InvalidArgumentError("this kind of action is not supported");
  }
}

}  // namespace

std::optional<RateDescriptor> Describe(const RateLimitEntry& entry, const RequestHead& head,
                                       const StreamInfo& info) {
  RateDescriptor descriptor;
  for (const RateAction& action : entry.actions) {
    std::optional<std::string> value = Run(action, head, info);
    if (value) {
      descriptor.emplace_back(action.key, *std::move(value));
    } else if (!action.skip_if_absent) {
      return std::nullopt;
    }
  }
  if (descriptor.empty()) return std::nullopt;
  return descriptor;
}

absl::Status ReadRateLimit(const api::RateLimit& proto, RateLimitEntry& entry) {
  entry.stage = proto.stage().value();
  if (entry.stage > kStageMax) return absl::InvalidArgumentError("stage: not in 0..10");
  if (proto.actions().empty()) return absl::InvalidArgumentError("actions: at least one");
  for (int i = 0; i < proto.actions_size(); ++i) {
    RateAction& action = entry.actions.emplace_back();
    absl::Status read = ReadAction(proto.actions(i), action);
    if (read.ok() && action.key.empty()) {
      read = absl::InvalidArgumentError("descriptor_key: must not be empty");
    }
    if (!read.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("actions[", i, "]: ", read.message()));
    }
  }
  return absl::OkStatus();
}

}  // namespace proxy
