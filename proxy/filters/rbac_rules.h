// Who may do what: the rules of RBAC, and their evaluation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "envoy/config/rbac/v3/rbac.pb.h"
#include "proxy/http/filter.h"
#include "proxy/net/cidr.h"
#include "proxy/route/metadata_match.h"
#include "proxy/route/route.h"

namespace proxy {

// One condition on a request; a tree of them is a permission or a principal.
struct RbacRule {
  enum class Kind : uint8_t {
    kAny,
    kAnd,
    kOr,
    kNot,
    kHeader,
    kPath,
    kLocalIp,
    kLocalPort,
    kDirectIp,
    kClientIp,
    kMetadata,
    kServerName,
    kPeerName,  // `text.kind` kPresent: any peer with a certificate.
  };
  Kind kind = Kind::kAny;
  std::vector<RbacRule> inner;
  HeaderMatch header;
  TextMatch text;
  CidrRange range;
  int64_t port_first = 0, port_end = 0;  // [first, end)
  MetadataMatch metadata;

  bool Matches(FilterHost& host) const;
};

struct RbacPolicy {
  std::string name;
  std::vector<RbacRule> permissions, principals;  // One of each must match.
};

struct RbacVerdict {
  bool allowed = true;
  const RbacPolicy* policy = nullptr;  // The first that matched; null if none did.
};

// Immutable.
struct RbacRules {
  enum class Action : uint8_t { kAllow, kDeny, kLog };
  Action action = Action::kAllow;
  std::vector<RbacPolicy> policies;  // By name.
  // O(all conditions) at worst.
  RbacVerdict Decide(FilterHost& host) const;
};

// Errors: InvalidArgument "policies['p']: permissions[0]: ...".
absl::StatusOr<std::shared_ptr<const RbacRules>> ReadRbac(
    const envoy::config::rbac::v3::RBAC& rbac);

}  // namespace proxy
