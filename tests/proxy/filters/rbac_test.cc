#include <catch2/catch.hpp>

#include "proxy/http/metadata.h"
#include "tests/testing/proxy/filter_bench.h"

namespace proxy {
namespace {

// The permission in YAML, for anybody.
std::string Rules(const char* action, const std::string& permission,
                  const std::string& principal = "{any: true}") {
  return std::string("{action: ") + action + ", policies: {p 1: {permissions: [" + permission +
         "], principals: [" + principal + "]}}}";
}

bool Allows(FilterBench& bench, const std::string& permission,
            const std::string& principal = "{any: true}") {
  bench.entries.clear();
  REQUIRE(bench.Add(RbacFilter(), "rules: " + Rules("ALLOW", permission, principal)).ok());
  bench.Get();
  return !bench.reply;
}

// A connection with a client certificate.
class PeerTransport final : public Transport {
 public:
  Progress Handshake(IoHandle&) override { return Progress::kDone; }
  IoResult Read(IoHandle&, char*, size_t) override { return {}; }
  IoResult Write(IoHandle&, const iovec*, int) override { return {}; }
  IoResult::Status Flush(IoHandle&) override { return IoResult::kOk; }
  size_t pending() const override { return 0; }
  void Farewell(IoHandle&) override {}
  absl::string_view peer_identity() const override { return identity; }
  std::vector<std::string> peer_names() const override { return names; }
  std::string identity;
  std::vector<std::string> names;
};

}  // namespace

TEST_CASE("rbac: who is denied learns little, the log learns which policy it was") {
  FilterBench bench;
  REQUIRE(bench.Add(RbacFilter(), "rules: " + Rules("DENY", "{any: true}")).ok());
  bench.Get();
  REQUIRE(bench.reply);
  CHECK(bench.reply->status == 403);
  CHECK(bench.reply->body == "RBAC: access denied");
  CHECK(bench.details == "rbac_access_denied_matched_policy[p_1]");
  CHECK(bench.Stat("http.in.rbac.denied") == 1);
  bench.entries.clear();
  REQUIRE(bench.Add(RbacFilter(), "rules: {action: ALLOW}").ok());
  bench.Get();
  CHECK(bench.details == "rbac_access_denied_matched_policy[none]");
}

TEST_CASE("rbac: shadow rules refuse nobody and say what they would have done") {
  FilterBench bench;
  REQUIRE(bench.Add(RbacFilter(), "shadow_rules: " + Rules("DENY", "{any: true}")).ok());
  bench.Get();
  CHECK_FALSE(bench.reply);
  CHECK(bench.Stat("http.in.rbac.shadow_denied") == 1);
  const auto& fields = bench.info_.metadata->filters["envoy.filters.http.rbac"].fields();
  CHECK(fields.at("shadow_effective_policy_id").string_value() == "p 1");
  CHECK(fields.at("shadow_engine_result").string_value() == "denied");
}

TEST_CASE("rbac: identities of the peer's certificate") {
  FilterBench bench;
  const std::string web = "{authenticated: {principal_name: {exact: 'spiffe://a/ns/b/sa/web'}}}";
  CHECK_FALSE(Allows(bench, "{any: true}", web));
  CHECK_FALSE(Allows(bench, "{any: true}", "{authenticated: {}}"));
  PeerTransport transport;
  bench.peer = &transport;
  CHECK_FALSE(Allows(bench, "{any: true}", "{authenticated: {}}"));  // TLS without certificate.
  transport.identity = "spiffe://a/ns/b/sa/web";
  transport.names = {transport.identity, "web.example", "CN=web"};
  CHECK(Allows(bench, "{any: true}", web));
  CHECK(Allows(bench, "{any: true}", "{authenticated: {}}"));
  CHECK(Allows(bench, "{any: true}",
               "{authenticated: {principal_name: {safe_regex: {regex: 'spiffe://a/ns/b/.*'}}}}"));
  CHECK(Allows(bench, "{any: true}", "{authenticated: {principal_name: {exact: web.example}}}"));
  transport.identity = "spiffe://a/ns/b/sa/webb";
  transport.names = {transport.identity};
  CHECK_FALSE(Allows(bench, "{any: true}", web));
}

TEST_CASE("rbac: addresses, ports and server names of the connection") {
  FilterBench bench;
  bench.info_.downstream_direct = *Address::FromIp("10.0.0.1", 1);
  bench.info_.downstream_remote = *Address::FromIp("20.0.0.1", 1);
  bench.info_.downstream_local = *Address::FromIp("30.0.0.1", 8080);
  bench.info_.requested_server_name = "shop.example";
  const std::string any = "{any: true}";
  CHECK(Allows(bench, any, "{direct_remote_ip: {address_prefix: 10.0.0.0, prefix_len: 8}}"));
  CHECK(Allows(bench, any, "{source_ip: {address_prefix: 10.0.0.0, prefix_len: 8}}"));
  CHECK_FALSE(Allows(bench, any, "{remote_ip: {address_prefix: 10.0.0.0, prefix_len: 8}}"));
  CHECK(Allows(bench, any, "{remote_ip: {address_prefix: 20.0.0.0, prefix_len: 8}}"));
  CHECK(Allows(bench, "{destination_ip: {address_prefix: 30.0.0.0, prefix_len: 8}}"));
  CHECK(Allows(bench, "{destination_port: 8080}"));
  CHECK_FALSE(Allows(bench, "{destination_port: 8081}"));
  CHECK_FALSE(Allows(bench, "{destination_port_range: {start: 1, end: 8080}}"));
  CHECK(Allows(bench, "{requested_server_name: {suffix: .example}}"));
}

TEST_CASE("rbac: what an earlier filter found out can be asked for") {
  FilterBench bench;
  const std::string claim =
      "{metadata: {filter: jwt, path: [{key: payload}, {key: group}], value: {list_match: "
      "{one_of: {string_match: {exact: admin}}}}}}";
  CHECK_FALSE(Allows(bench, claim));
  bench.info_.metadata = std::make_shared<DynamicMetadata>();
  REQUIRE(
      ParseYaml("{payload: {group: [user, admin]}}", bench.info_.metadata->filters["jwt"]).ok());
  CHECK(Allows(bench, claim));
  CHECK_FALSE(Allows(bench, "{not_rule: " + claim + "}"));
}

TEST_CASE("rbac: settings without meaning are refused by policy and rule") {
  FilterBench bench;
  CHECK(bench.Add(RbacFilter(), "rules: " + Rules("ALLOW", "{and_rules: {}}")).message() ==
        "rules.policies['p 1']: permissions[0]: and_rules: at least one");
  CHECK(bench.Add(RbacFilter(), "rules: {policies: {q: {permissions: [{any: true}]}}}").message() ==
        "rules.policies['q']: needs permissions and principals");
  CHECK_FALSE(bench
                  .Add(RbacFilter(),
                       "rules: " + Rules("ALLOW", "{url_path: {path: {safe_regex: {regex: '('}}}}"))
                  .ok());
}

}  // namespace proxy
