#include <catch2/catch.hpp>

#include "tests/control-plane/policy/loading.h"

namespace control {
namespace {

std::string Policy(const std::string& kind, const std::string& spec,
                   const std::string& ns = "shop") {
  return "apiVersion: pinnace.mesh/v1alpha1\nkind: " + kind +
         "\nmetadata: {name: p, namespace: " + ns + "}\nspec: " + spec + "\n---\n";
}

}  // namespace

TEST_CASE("AccessPolicy: accounts and namespaces become identities of the trust domain") {
  const Loaded loaded = LoadYaml(
      kWeb + Policy("AccessPolicy",
                    "{rules: [{from: [{serviceAccounts: [web, other/api], namespaces: [ops], "
                    "identities: ['spiffe://x/*']}]}]}"));
  REQUIRE(loaded.mesh->access_policies.size() == 1);
  CHECK(loaded.mesh->access_policies[0].rules[0].from[0].identities ==
        std::vector<std::string>{"spiffe://x/*", "spiffe://cluster.local/ns/shop/sa/web",
                                 "spiffe://cluster.local/ns/other/sa/api",
                                 "spiffe://cluster.local/ns/ops/sa/*"});
}

TEST_CASE("AccessPolicy: whom it concerns") {
  const auto concerns = [](const std::string& spec, const std::string& ns) {
    const Loaded loaded = LoadYaml(kWeb + Policy("AccessPolicy", spec, ns));
    REQUIRE(loaded.mesh->access_policies.size() == 1);
    return loaded.mesh->access_policies[0].scope.Concerns("shop", {{"app", "web"}});
  };
  CHECK(concerns("{}", "shop"));
  CHECK_FALSE(concerns("{}", "other"));
  CHECK(concerns("{}", "mesh-system"));
  const std::string pods = "{targetRefs: [{kind: Pod, selector: {matchLabels: {app: ";
  CHECK(concerns(pods + "web}}}]}", "shop"));
  CHECK_FALSE(concerns(pods + "api}}}]}", "shop"));
  CHECK_FALSE(concerns(pods + "web}}}]}", "mesh-system"));
}

TEST_CASE("AccessPolicy: what would not mean what it says is refused") {
  CHECK(Problems(Policy("AccessPolicy", "{action: Deny}")) ==
        std::vector<std::string>{"spec.rules Missing"});
  CHECK(Problems(Policy("AccessPolicy", "{action: Deny, rules: []}")) ==
        std::vector<std::string>{"spec.rules OutOfRange"});
  CHECK(Problems(Policy("AccessPolicy", "{rules: [{to: [{paths: ['/a/*/b']}]}]}")) ==
        std::vector<std::string>{"spec.rules[0].to[0].paths[0] OutOfRange"});
  CHECK(Problems(Policy("AccessPolicy", "{rules: [{to: [{paths: [a]}]}]}")) ==
        std::vector<std::string>{"spec.rules[0].to[0].paths OutOfRange"});
  CHECK(Problems(Policy("AccessPolicy", "{rules: [{from: [{ips: ['10.0.0.0/33']}]}]}")) ==
        std::vector<std::string>{"spec.rules[0].from[0].ips[0] OutOfRange"});
  CHECK(Problems(Policy("AccessPolicy", "{rules: [{from: [{identities: []}]}]}")) ==
        std::vector<std::string>{"spec.rules[0].from[0].identities OutOfRange"});
  CHECK(Problems(Policy("AccessPolicy", "{rule: []}")) ==
        std::vector<std::string>{"spec.rule UnknownField"});
}

TEST_CASE("AccessPolicy: a port where it cannot be enforced is named") {
  const std::string tcp = R"(
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: web}, clusterIP: 10.96.0.11, ports: [{name: tcp, port: 5432}]}
---
)";
  CHECK(Problems(kWeb + tcp + Policy("AccessPolicy", "{}")) ==
        std::vector<std::string>{"spec.targetRefs NotEnforced"});
}

TEST_CASE("RequestAuthentication: keys are given or served by a service that exists") {
  CHECK(Problems(Policy("RequestAuthentication", "{issuers: [{issuer: i}]}")) ==
        std::vector<std::string>{"spec.issuers[0] Missing"});
  CHECK(Problems(Policy("RequestAuthentication", "{issuers: []}")) ==
        std::vector<std::string>{"spec.issuers OutOfRange"});
  const std::string from =
      "{issuers: [{issuer: i, jwksFrom: {path: /k, service: {name: web, port: ";
  CHECK(Problems(kWeb + Policy("RequestAuthentication", from + "80}}}]}")).empty());
  CHECK(Problems(kWeb + Policy("RequestAuthentication", from + "81}}}]}")) ==
        std::vector<std::string>{"spec.issuers MissingTarget"});
}

TEST_CASE("RateLimitPolicy: defaults, and what is refused") {
  const Loaded loaded = LoadYaml(kWeb + Policy("RateLimitPolicy", "{limits: [{requests: 5}]}"));
  REQUIRE(loaded.mesh->rate_limit_policies.size() == 1);
  const RateLimitSpec& limit = loaded.mesh->rate_limit_policies[0].limits[0];
  CHECK(limit.burst == 5);
  CHECK(limit.per == absl::Seconds(1));
  CHECK(Problems(Policy("RateLimitPolicy", "{limits: [{requests: 0}]}")) ==
        std::vector<std::string>{"spec.limits[0].requests OutOfRange"});
  CHECK(Problems(Policy("RateLimitPolicy", "{limits: [{requests: 1, per: 1ms}]}")) ==
        std::vector<std::string>{"spec.limits[0].per OutOfRange"});
  CHECK(Problems(Policy("RateLimitPolicy", "{limits: [{requests: 1, keys: [{from: Header}]}]}")) ==
        std::vector<std::string>{"spec.limits[0].keys[0].name Missing"});
}

}  // namespace control
