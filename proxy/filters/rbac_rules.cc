// Reading and evaluation of RBAC rules.
#include "proxy/filters/rbac_rules.h"

#include <algorithm>
#include <map>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "proxy/net/transport.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::config::rbac::v3;
using Kind = RbacRule::Kind;

absl::string_view PathOf(const RequestHead& head) {
  return head.path.substr(0, head.path.find_first_of("?#"));
}

bool PeerMatches(const TextMatch& text, const Transport* transport) {
  if (transport == nullptr) return false;
  const absl::string_view identity = transport->peer_identity();
  if (!identity.empty() && text.Matches(identity)) return true;
  // A rule on SPIFFE ids has nothing to find among the other names.
  if (!identity.empty() && absl::StartsWith(text.text, "spiffe://")) return false;
  const std::vector<std::string> names = transport->peer_names();
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return text.Matches(name); });
}

template <typename Proto>
absl::Status ReadRule(const Proto& proto, RbacRule& to);

template <typename List>
absl::Status ReadList(const List& from, absl::string_view name, std::vector<RbacRule>& to) {
  for (int i = 0; i < from.size(); ++i) {
    if (absl::Status s = ReadRule(from.Get(i), to.emplace_back()); !s.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(name, "[", i, "]: ", s.message()));
    }
  }
  return absl::OkStatus();
}

template <typename List>
absl::Status ReadSet(Kind kind, const List& from, absl::string_view name, RbacRule& to) {
  to.kind = kind;
  if (from.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": at least one"));
  return ReadList(from, name, to.inner);
}

absl::Status ReadRange(Kind kind, const envoy::config::core::v3::CidrRange& from, RbacRule& to) {
  to.kind = kind;
  auto range = CidrRange::Make(from.address_prefix(), from.prefix_len().value());
  if (!range.ok()) return range.status();
  to.range = *range;
  return absl::OkStatus();
}

template <typename Proto>
absl::Status ReadNot(const Proto& proto, RbacRule& to) {
  to.kind = Kind::kNot;
  return ReadRule(proto, to.inner.emplace_back());
}

// What permissions and principals have in common.
template <typename Proto>
absl::Status ReadCommon(const Proto& proto, RbacRule& to) {
  if (proto.has_header()) {
    to.kind = Kind::kHeader;
    return ReadHeader(proto.header(), to.header);
  }
  if (proto.has_url_path()) {
    to.kind = Kind::kPath;
    return ReadText(proto.url_path().path(), to.text);
  }
  if (proto.has_metadata()) {
    to.kind = Kind::kMetadata;
    return ReadMetadataMatch(proto.metadata(), to.metadata);
  }
  if (proto.any()) return absl::OkStatus();
  return absl::InvalidArgumentError("needs a rule");
}

template <>
absl::Status ReadRule(const api::Permission& proto, RbacRule& to) {
  switch (proto.rule_case()) {
    case api::Permission::kAndRules:
      return ReadSet(Kind::kAnd, proto.and_rules().rules(), "and_rules", to);
    case api::Permission::kOrRules:
      return ReadSet(Kind::kOr, proto.or_rules().rules(), "or_rules", to);
    case api::Permission::kNotRule: return ReadNot(proto.not_rule(), to);
    case api::Permission::kDestinationIp:
      return ReadRange(Kind::kLocalIp, proto.destination_ip(), to);
    case api::Permission::kDestinationPort:
      to.kind = Kind::kLocalPort;
      to.port_first = proto.destination_port();
      to.port_end = to.port_first + 1;
      return absl::OkStatus();
    case api::Permission::kDestinationPortRange:
      to.kind = Kind::kLocalPort;
      to.port_first = proto.destination_port_range().start();
      to.port_end = proto.destination_port_range().end();
      return absl::OkStatus();
    case api::Permission::kRequestedServerName:
      to.kind = Kind::kServerName;
      return ReadText(proto.requested_server_name(), to.text);
    default: return ReadCommon(proto, to);
  }
}

template <>
absl::Status ReadRule(const api::Principal& proto, RbacRule& to) {
  switch (proto.identifier_case()) {
    case api::Principal::kAndIds: return ReadSet(Kind::kAnd, proto.and_ids().ids(), "and_ids", to);
    case api::Principal::kOrIds: return ReadSet(Kind::kOr, proto.or_ids().ids(), "or_ids", to);
    case api::Principal::kNotId: return ReadNot(proto.not_id(), to);
    case api::Principal::kAuthenticated:
      to.kind = Kind::kPeerName;
      if (!proto.authenticated().has_principal_name()) return absl::OkStatus();
      return ReadText(proto.authenticated().principal_name(), to.text);
    case api::Principal::kSourceIp: return ReadRange(Kind::kDirectIp, proto.source_ip(), to);
    case api::Principal::kDirectRemoteIp:
      return ReadRange(Kind::kDirectIp, proto.direct_remote_ip(), to);
    case api::Principal::kRemoteIp: return ReadRange(Kind::kClientIp, proto.remote_ip(), to);
    default: return ReadCommon(proto, to);
  }
}

}  // namespace

bool RbacRule::Matches(FilterHost& host) const {
  const auto matches = [&](const RbacRule& one) { return one.Matches(host); };
  StreamInfo& info = host.info();
  switch (kind) {
    case Kind::kAny: return true;
    case Kind::kAnd: return std::all_of(inner.begin(), inner.end(), matches);
    case Kind::kOr: return std::any_of(inner.begin(), inner.end(), matches);
    case Kind::kNot: return !inner[0].Matches(host);
    case Kind::kHeader: return HeaderMatches(header, host.request());
    case Kind::kPath: return text.Matches(PathOf(host.request()));
    case Kind::kLocalIp: return range.Contains(info.downstream_local);
    case Kind::kLocalPort:
      return info.downstream_local.port() >= port_first && info.downstream_local.port() < port_end;
    case Kind::kDirectIp: return range.Contains(info.downstream_direct);
    case Kind::kClientIp: return range.Contains(info.downstream_remote);
    case Kind::kMetadata: return metadata.Matches(info.metadata.get());
    case Kind::kServerName: return text.Matches(info.requested_server_name);
    case Kind::kPeerName: return PeerMatches(text, host.transport());
  }
  return false;
}

RbacVerdict RbacRules::Decide(FilterHost& host) const {
  const auto matches = [&](const RbacRule& one) { return one.Matches(host); };
  for (const RbacPolicy& policy : policies) {
    if (std::any_of(policy.permissions.begin(), policy.permissions.end(), matches) &&
        std::any_of(policy.principals.begin(), policy.principals.end(), matches)) {
      return {.allowed = action != Action::kDeny, .policy = &policy};
    }
  }
  return {.allowed = action != Action::kAllow, .policy = nullptr};
}

absl::StatusOr<std::shared_ptr<const RbacRules>> ReadRbac(const api::RBAC& rbac) {
  auto rules = std::make_shared<RbacRules>();
  switch (rbac.action()) {
    case api::RBAC::DENY: rules->action = RbacRules::Action::kDeny; break;
    case api::RBAC::LOG: rules->action = RbacRules::Action::kLog; break;
    default: break;
  }
  const std::map<std::string, api::Policy> sorted(rbac.policies().begin(), rbac.policies().end());
  for (const auto& [name, proto] : sorted) {
    RbacPolicy& policy = rules->policies.emplace_back();
    policy.name = name;
    absl::Status read = ReadList(proto.permissions(), "permissions", policy.permissions);
    read.Update(ReadList(proto.principals(), "principals", policy.principals));
    if (read.ok() && (policy.permissions.empty() || policy.principals.empty())) {
      read = absl::InvalidArgumentError("needs permissions and principals");
    }
    if (!read.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("policies['", name, "']: ", read.message()));
    }
  }
  return std::shared_ptr<const RbacRules>(std::move(rules));
}

}  // namespace proxy
