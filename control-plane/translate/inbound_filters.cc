// Access, tokens and rates in Envoy's shapes.
#include "control-plane/translate/inbound_filters.h"

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "control-plane/translate/pack.h"
#include "control-plane/translate/token_filter.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb.h"

namespace control {
namespace {

namespace rbac = envoy::config::rbac::v3;
namespace limits = envoy::extensions::filters::http::local_ratelimit::v3;
using envoy::type::matcher::v3::StringMatcher;

void SetPattern(const std::string& pattern, StringMatcher& matcher) {
  if (pattern == "*") {
    matcher.mutable_safe_regex()->set_regex(".*");  // An empty prefix is not legal.
  } else if (absl::EndsWith(pattern, "*")) {
    matcher.set_prefix(pattern.substr(0, pattern.size() - 1));
  } else {
    matcher.set_exact(pattern);
  }
}

void SetRange(const std::string& range, envoy::config::core::v3::CidrRange& to) {
  const size_t slash = range.rfind('/');
  to.set_address_prefix(range.substr(0, slash));
  uint32_t bits = 0;
  if (absl::SimpleAtoi(range.substr(slash + 1), &bits)) to.mutable_prefix_len()->set_value(bits);
}

// A claim is a text, or a list that holds one.
void SetClaim(const ValueChoice& choice, rbac::Principal::Set& any) {
  for (const std::string& value : choice.values) {
    for (const bool list : {false, true}) {
      auto& matcher = *any.add_ids()->mutable_metadata();
      SetClaimPath(choice.name, matcher);
      auto& wanted = *matcher.mutable_value();
      SetPattern(value, list
                            ? *wanted.mutable_list_match()->mutable_one_of()->mutable_string_match()
                            : *wanted.mutable_string_match());
    }
  }
}

void SetSource(const AccessSource& source, rbac::Principal& principal) {
  rbac::Principal::Set& all = *principal.mutable_and_ids();
  if (!source.identities.empty()) {
    auto& any = *all.add_ids()->mutable_or_ids();
    for (const std::string& identity : source.identities) {
      SetPattern(identity, *any.add_ids()->mutable_authenticated()->mutable_principal_name());
    }
  }
  if (!source.ips.empty()) {
    auto& any = *all.add_ids()->mutable_or_ids();
    for (const std::string& ip : source.ips)
      SetRange(ip, *any.add_ids()->mutable_direct_remote_ip());
  }
  for (const ValueChoice& claim : source.claims) {
    SetClaim(claim, *all.add_ids()->mutable_or_ids());
  }
  if (all.ids().empty()) principal.set_any(true);
}

void SetOperation(const AccessOperation& operation, rbac::Permission& permission) {
  rbac::Permission::Set& all = *permission.mutable_and_rules();
  if (!operation.methods.empty()) {
    auto& any = *all.add_rules()->mutable_or_rules();
    for (const std::string& method : operation.methods) {
      auto& header = *any.add_rules()->mutable_header();
      header.set_name(":method");
      header.mutable_string_match()->set_exact(method);
    }
  }
  if (!operation.paths.empty()) {
    auto& any = *all.add_rules()->mutable_or_rules();
    for (const std::string& path : operation.paths) {
      SetPattern(path, *any.add_rules()->mutable_url_path()->mutable_path());
    }
  }
  for (const ValueChoice& choice : operation.headers) {
    auto& any = *all.add_rules()->mutable_or_rules();
    for (const std::string& value : choice.values) {
      auto& header = *any.add_rules()->mutable_header();
      header.set_name(choice.name);
      SetPattern(value, *header.mutable_string_match());
    }
  }
  if (!operation.ports.empty()) {
    auto& any = *all.add_rules()->mutable_or_rules();
    for (const uint16_t port : operation.ports) any.add_rules()->set_destination_port(port);
  }
  if (all.rules().empty()) permission.set_any(true);
}

void AddPolicy(const AccessPolicySpec& policy, rbac::RBAC& to) {
  for (size_t i = 0; i < policy.rules.size(); ++i) {
    const AccessRule& rule = policy.rules[i];
    const std::string name = absl::StrCat(policy.meta.key.ns, "/", policy.meta.key.name, "/",
                                          rule.name.empty() ? absl::StrCat(i) : rule.name);
    rbac::Policy& out = (*to.mutable_policies())[name];
    for (const AccessOperation& one : rule.to) SetOperation(one, *out.add_permissions());
    if (rule.to.empty()) out.add_permissions()->set_any(true);
    for (const AccessSource& one : rule.from) SetSource(one, *out.add_principals());
    if (rule.from.empty()) out.add_principals()->set_any(true);
  }
}

void AddFilter(const char* name, const google::protobuf::Message& config,
               HttpConnectionManager& manager) {
  auto& filter = *manager.add_http_filters();
  filter.set_name(name);
  *filter.mutable_typed_config() = Pack(config);
}

// Refusals, or permissions: those in force, and what a dry run would make of them. Permissions
// under trial stand beside those in force; refusals under trial by themselves.
void AddAccess(const std::vector<const AccessPolicySpec*>& policies, bool deny,
               HttpConnectionManager& manager) {
  envoy::extensions::filters::http::rbac::v3::RBAC filter;
  for (const AccessPolicySpec* policy : policies) {
    if (policy->deny != deny || policy->dry_run) continue;
    AddPolicy(*policy, *filter.mutable_rules());
  }
  for (const AccessPolicySpec* policy : policies) {
    if (policy->deny != deny || !policy->dry_run) continue;
    if (!deny && !filter.has_shadow_rules()) *filter.mutable_shadow_rules() = filter.rules();
    AddPolicy(*policy, *filter.mutable_shadow_rules());
  }
  if (!filter.has_rules() && !filter.has_shadow_rules()) return;
  const auto action = deny ? rbac::RBAC::DENY : rbac::RBAC::ALLOW;
  if (filter.has_rules()) filter.mutable_rules()->set_action(action);
  if (filter.has_shadow_rules()) filter.mutable_shadow_rules()->set_action(action);
  AddFilter(deny ? "pinnace.access.deny" : "pinnace.access.allow", filter, manager);
}

void SetKey(const RateKey& key, const std::string& name,
            envoy::config::route::v3::RateLimit::Action& action) {
  const auto header = [&](const char* field) {
    action.mutable_request_headers()->set_header_name(field);
    action.mutable_request_headers()->set_descriptor_key(name);
  };
  switch (key.kind) {
    case RateKey::Kind::kHeader: return header(key.name.c_str());
    case RateKey::Kind::kPath: return header(":path");
    case RateKey::Kind::kMethod: return header(":method");
    case RateKey::Kind::kClientIp: action.mutable_remote_address(); return;
    case RateKey::Kind::kClaim: {
      auto& metadata = *action.mutable_metadata();
      metadata.set_descriptor_key(name);
      SetClaimPath(key.name, *metadata.mutable_metadata_key());
      return;
    }
  }
}

void SetBucket(const RateLimitSpec& limit, envoy::type::v3::TokenBucket& bucket) {
  bucket.set_max_tokens(limit.burst);
  bucket.mutable_tokens_per_fill()->set_value(limit.requests);
  *bucket.mutable_fill_interval() = ToProto(limit.per);
}

void AddRates(const RateLimitPolicySpec& policy, HttpConnectionManager& manager) {
  limits::LocalRateLimit filter;
  const std::string name = absl::StrCat(policy.meta.key.ns, "/", policy.meta.key.name);
  filter.set_stat_prefix(name);
  filter.mutable_filter_enabled()->mutable_default_value()->set_numerator(100);
  filter.mutable_filter_enforced()->mutable_default_value()->set_numerator(policy.dry_run ? 0
                                                                                          : 100);
  filter.set_enable_x_ratelimit_headers(envoy::extensions::common::ratelimit::v3::DRAFT_VERSION_03);
  filter.mutable_max_dynamic_descriptors()->set_value(policy.keys_max);
  filter.mutable_always_consume_default_token_bucket()->set_value(false);
  // Only the limits' own buckets count.
  SetBucket({.name = {}, .requests = UINT32_MAX, .burst = UINT32_MAX, .keys = {}},
            *filter.mutable_token_bucket());
  for (const RateLimitSpec& limit : policy.limits) {
    auto& recipe = *filter.add_rate_limits();
    auto& generic = *recipe.add_actions()->mutable_generic_key();
    generic.set_descriptor_key("limit");
    generic.set_descriptor_value(limit.name);
    auto& descriptor = *filter.add_descriptors();
    auto& first = *descriptor.add_entries();
    first.set_key("limit");
    first.set_value(limit.name);
    for (size_t i = 0; i < limit.keys.size(); ++i) {
      const bool address = limit.keys[i].kind == RateKey::Kind::kClientIp;
      const std::string key = address ? "remote_address" : absl::StrCat("key", i);
      SetKey(limit.keys[i], key, *recipe.add_actions());
      descriptor.add_entries()->set_key(key);  // Without a value: one bucket for each.
    }
    SetBucket(limit, *descriptor.mutable_token_bucket());
  }
  AddFilter("envoy.filters.http.local_ratelimit", filter, manager);
}

}  // namespace

void AddInboundFilters(const Mesh& mesh, const std::string& ns, const Labels& labels,
                       HttpConnectionManager& manager) {
  const auto router = manager.http_filters(manager.http_filters_size() - 1);
  manager.mutable_http_filters()->RemoveLast();
  AddTokenFilter(mesh, ns, labels, manager);
  std::vector<const AccessPolicySpec*> access;
  for (const AccessPolicySpec& policy : mesh.access_policies) {
    if (policy.scope.Concerns(ns, labels)) access.push_back(&policy);
  }
  if (!access.empty()) {
    // Rules on paths must see what the application will see.
    manager.mutable_normalize_path()->set_value(true);
    manager.set_merge_slashes(true);
  }
  AddAccess(access, true, manager);
  AddAccess(access, false, manager);
  for (const RateLimitPolicySpec& policy : mesh.rate_limit_policies) {
    if (policy.scope.Concerns(ns, labels)) AddRates(policy, manager);
  }
  *manager.add_http_filters() = router;
}

}  // namespace control
