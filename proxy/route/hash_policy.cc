// Reads hash policies and runs them.
#include "proxy/route/hash_policy.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/strip.h>
#include <xxhash.h>

#include "proxy/route/read_match.h"

namespace proxy {
namespace {

using Kind = HashPolicy::Kind;

uint64_t HashText(absl::string_view text) { return XXH64(text.data(), text.size(), 0); }

std::optional<uint64_t> HashHeader(const HashPolicy& policy, const RequestHead& head) {
  std::vector<std::string> values;
  for (const Header& field : head.headers) {
    if (field.name == policy.name) values.emplace_back(field.value);
  }
  if (policy.name == ":path") values.emplace_back(head.path);
  if (policy.name == ":authority" || policy.name == "host") values.emplace_back(head.authority);
  if (policy.name == ":method") values.emplace_back(head.method);
  if (values.empty()) return std::nullopt;
  if (policy.rewrite != nullptr) {
    for (std::string& value : values) {
      RE2::GlobalReplace(&value, *policy.rewrite, policy.substitution);
    }
  }
  // Several fields of one name count by their values, in whatever order they came.
  std::sort(values.begin(), values.end());
  uint64_t hash = 0;
  for (const std::string& value : values) hash = XXH64(value.data(), value.size(), hash);
  return hash;
}

std::optional<uint64_t> HashCookie(const std::string& name, const RequestHead& head) {
  for (const Header& field : head.headers) {
    if (field.id != HeaderId::kCookie) continue;
    absl::string_view rest = field.value;
    while (!rest.empty()) {
      const absl::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      const size_t equals = pair.find('=');
      if (equals == absl::string_view::npos) continue;
      if (absl::StripAsciiWhitespace(pair.substr(0, equals)) != name) continue;
      absl::string_view value = absl::StripAsciiWhitespace(pair.substr(equals + 1));
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
      }
      if (value.empty()) return std::nullopt;
      return HashText(value);
    }
  }
  return std::nullopt;
}

std::optional<uint64_t> HashQuery(const std::string& name, const RequestHead& head) {
  const size_t mark = head.path.find('?');
  if (mark == absl::string_view::npos) return std::nullopt;
  absl::string_view rest = head.path.substr(mark + 1);
  while (!rest.empty()) {
    const absl::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) continue;
    return HashText(equals == absl::string_view::npos ? absl::string_view()
                                                      : pair.substr(equals + 1));
  }
  return std::nullopt;
}

std::optional<uint64_t> HashOne(const HashPolicy& policy, const RequestHead& head,
                                const StreamInfo& info) {
  switch (policy.kind) {
    case Kind::kHeader: return HashHeader(policy, head);
    case Kind::kCookie: return HashCookie(policy.name, head);
    case Kind::kQuery: return HashQuery(policy.name, head);
    case Kind::kSourceIp: {
      const std::string ip = info.downstream_remote.is_ip() ? info.downstream_remote.ip() : "";
      if (ip.empty()) return std::nullopt;
      return HashText(ip);
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<uint64_t> HashOf(const HashPolicies& policies, const RequestHead& head,
                               const StreamInfo& info) {
  std::optional<uint64_t> all;
  for (const HashPolicy& policy : policies.list) {
    const std::optional<uint64_t> one = HashOne(policy, head, info);
    // Rotated, so that two policies that find the same do not cancel each other out.
    if (one) all = (all ? (*all << 1) | (*all >> 63) : 0) ^ *one;
    if (policy.terminal && all) break;
  }
  return all;
}

absl::Status ReadHashPolicy(const envoy::config::route::v3::RouteAction::HashPolicy& proto,
                            HashPolicy& policy) {
  policy.terminal = proto.terminal();
  if (proto.has_header()) {
    policy.name = absl::AsciiStrToLower(proto.header().header_name());
    if (proto.header().has_regex_rewrite()) {
      auto regex = CompileRegex(proto.header().regex_rewrite().pattern().regex());
      if (!regex.ok()) return regex.status();
      policy.rewrite = *std::move(regex);
      policy.substitution = proto.header().regex_rewrite().substitution();
    }
  } else if (proto.has_cookie()) {
    policy.kind = Kind::kCookie;
    policy.name = proto.cookie().name();
  } else if (proto.has_query_parameter()) {
    policy.kind = Kind::kQuery;
    policy.name = proto.query_parameter().name();
  } else if (proto.has_connection_properties() && proto.connection_properties().source_ip()) {
    policy.kind = Kind::kSourceIp;
    return absl::OkStatus();
  } else {
    return absl::InvalidArgumentError("hash_policy: this kind is not supported");
  }
  if (policy.name.empty()) return absl::InvalidArgumentError("hash_policy: needs a name");
  return absl::OkStatus();
}

}  // namespace proxy
