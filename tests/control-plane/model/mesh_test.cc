// Names and look-ups of the mesh model.
#include "control-plane/model/mesh.h"

#include <catch2/catch.hpp>

#include "control-plane/model/problem.h"

namespace control {

TEST_CASE("protocol: appProtocol wins over the port's name, and unknown words are TCP") {
  CHECK(DeclaredProtocol("", "http") == Protocol::kHttp);
  CHECK(DeclaredProtocol("", "http-metrics") == Protocol::kHttp);
  CHECK(DeclaredProtocol("", "GRPC-api") == Protocol::kGrpc);
  CHECK(DeclaredProtocol("kubernetes.io/h2c", "http") == Protocol::kHttp2);
  CHECK(DeclaredProtocol("redis", "http") == Protocol::kTcp);
  CHECK(DeclaredProtocol("", "httpish") == Protocol::kTcp);
  CHECK(DeclaredProtocol("", "") == Protocol::kTcp);
  CHECK(DeclaredProtocol("", "https") == Protocol::kTls);
  CHECK_FALSE(IsHttp(Protocol::kTls));
}

TEST_CASE("labels: an empty selector selects nothing") {
  CHECK_FALSE(Selects({}, {{"app", "web"}}));
  CHECK(Selects({{"app", "web"}}, {{"app", "web"}, {"version", "v1"}}));
  CHECK_FALSE(Selects({{"app", "web"}, {"version", "v2"}}, {{"app", "web"}, {"version", "v1"}}));
}

TEST_CASE("age: creation time, then file, then position; no time is newest") {
  ObjectMeta dated;
  dated.created = absl::FromUnixSeconds(100);
  dated.origin = {"z.yaml", 9, 1};
  ObjectMeta undated;
  undated.origin = {"a.yaml", 1, 1};
  ObjectMeta later = undated;
  later.origin.document = 2;
  CHECK(IsOlder(dated, undated));
  CHECK(IsOlder(undated, later));
  CHECK_FALSE(IsOlder(undated, undated));
}

TEST_CASE("identity: a pod without an account is the default account") {
  Mesh mesh;
  mesh.settings.trust_domain = "corp";
  CHECK(SpiffeId(mesh, "shop", "") == "spiffe://corp/ns/shop/sa/default");
  CHECK(Fqdn(mesh, {"shop", "web"}) == "web.shop.svc.cluster.local");
}

TEST_CASE("problem: one line names file, line, document, object, field, rule and remedy") {
  const ConfigProblem problem{.severity = Severity::kError,
                              .file = "a.yaml",
                              .document = 2,
                              .line = 7,
                              .kind = "TrafficPolicy",
                              .ns = "shop",
                              .name = "web",
                              .field = "spec.x",
                              .rule = "UnknownField",
                              .message = "is unknown",
                              .hint = "remove it"};
  CHECK(ToString(problem) ==
        "a.yaml:7: error: document 2, TrafficPolicy shop/web, spec.x: is unknown (UnknownField); "
        "remove it");
  CHECK(HasErrors(std::span(&problem, 1)));
}

}  // namespace control
