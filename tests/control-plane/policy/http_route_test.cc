#include <catch2/catch.hpp>

#include "tests/control-plane/policy/loading.h"

namespace control {
namespace {

std::string RouteTo(const std::string& rules, const std::string& parent = "name: web") {
  return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
         "metadata: {name: web, namespace: shop}\nspec:\n  parentRefs: [{group: \"\", kind: "
         "Service, " +
         parent + "}]\n  rules: " + rules + "\n";
}

TEST_CASE("HTTPRoute: matches, weights and timeouts are read") {
  const Loaded loaded = LoadYaml(kWeb + RouteTo(R"([{
    matches: [{path: {type: Exact, value: /a}, method: GET, headers: [{name: X-A, value: b}]}],
    backendRefs: [{name: web, port: 80, weight: 90}, {name: web, port: 80, weight: 10}],
    timeouts: {request: 2s, backendRequest: 1s}}])"));
  CHECK(loaded.problems.empty());
  const Service* web = loaded.mesh->FindService({"shop", "web"});
  REQUIRE(web->routes.size() == 1);
  const RouteRule& rule = web->routes[0].route->rules.at(0);
  CHECK(rule.matches.at(0).path.kind == PathMatch::Kind::kExact);
  CHECK(rule.matches.at(0).headers.at(0).name == "x-a");
  CHECK(rule.backends.at(0).weight == 90);
  CHECK(rule.request_timeout == absl::Seconds(2));
  CHECK(rule.backend_timeout == absl::Seconds(1));
}

TEST_CASE("HTTPRoute: a rule without matches matches every path") {
  const Loaded loaded = LoadYaml(kWeb + RouteTo("[{backendRefs: [{name: web, port: 80}]}]"));
  const RouteRule& rule =
      loaded.mesh->FindService({"shop", "web"})->routes.at(0).route->rules.at(0);
  REQUIRE(rule.matches.size() == 1);
  CHECK(rule.matches[0].path.value == "/");
}

TEST_CASE("HTTPRoute: what is wrong in a rule is refused") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[{matches: [{path: {value: a}}]}]", "spec.rules[0].matches[0].path.value OutOfRange"},
      {"[{matches: [{path: {type: RegularExpression, value: \"(\"}}]}]",
       "spec.rules[0].matches[0].path.value OutOfRange"},
      {"[{matches: [{method: get}]}]", "spec.rules[0].matches[0].method UnknownValue"},
      {"[{matches: [{headers: [{name: \"a b\", value: c}]}]}]",
       "spec.rules[0].matches[0].headers[0].name OutOfRange"},
      {"[{backendRefs: [{name: web}]}]", "spec.rules[0].backendRefs[0].port Missing"},
      {"[{backendRefs: [{name: web, port: 80, weight: -1}]}]",
       "spec.rules[0].backendRefs[0].weight OutOfRange"},
      {"[{filters: [{type: RequestMirror}]}]", "spec.rules[0].filters[0].type UnknownValue"},
      {"[{filters: [{type: RequestRedirect, requestRedirect: {statusCode: 305}}]}]",
       "spec.rules[0].filters[0].requestRedirect.statusCode OutOfRange"},
      {"[{timeouts: {request: 1s, backendRequest: 2s}}]",
       "spec.rules[0].timeouts.backendRequest OutOfRange"},
      {"{}", "spec.rules WrongType"},
  };
  for (const auto& [rules, problem] : cases) {
    INFO(rules);
    const std::vector<std::string> problems = Problems(kWeb + RouteTo(rules));
    REQUIRE(!problems.empty());
    CHECK(problems[0] == problem);
  }
}

TEST_CASE("HTTPRoute: missing services and ports are warnings, and the rest of the route works") {
  const std::string rules =
      "[{backendRefs: [{name: web, port: 80}, {name: gone, port: 80}, {name: web, port: 81}]}]";
  const Loaded loaded = LoadYaml(kWeb + RouteTo(rules));
  CHECK_FALSE(HasErrors(loaded.problems));
  CHECK(loaded.mesh->FindService({"shop", "web"})->routes.size() == 1);
  CHECK(Problems(kWeb + RouteTo(rules)) ==
        std::vector<std::string>{"spec.rules[0].backendRefs[1] MissingTarget",
                                 "spec.rules[0].backendRefs[2].port MissingTarget"});
  CHECK(Problems(kWeb + RouteTo("[]", "name: gone")) ==
        std::vector<std::string>{"spec.parentRefs[0] MissingTarget"});
  CHECK(Problems(kWeb + RouteTo("[]", "name: web, port: 81")) ==
        std::vector<std::string>{"spec.parentRefs[0].port MissingTarget"});
}

TEST_CASE("HTTPRoute: a Gateway as a parent is a warning") {
  const std::string text =
      "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
      "metadata: {name: web, namespace: shop}\nspec:\n  parentRefs: [{name: edge}]\n  rules: []\n";
  CHECK(Problems(text) == std::vector<std::string>{"spec.parentRefs[0] UnsupportedTarget"});
}

TEST_CASE("GRPCRoute: a method is a path") {
  const Loaded loaded = LoadYaml(std::string(kWeb) + R"(
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: web, namespace: shop}
spec:
  parentRefs: [{group: "", kind: Service, name: web}]
  rules:
  - matches:
    - {method: {service: a.B, method: C}}
    - {method: {service: a.B}}
    - {method: {method: C}}
    backendRefs: [{name: web, port: 80}]
)");
  CHECK(loaded.problems.empty());
  const auto& matches =
      loaded.mesh->FindService({"shop", "web"})->routes.at(0).route->rules.at(0).matches;
  CHECK(matches.at(0).path.kind == PathMatch::Kind::kExact);
  CHECK(matches.at(0).path.value == "/a.B/C");
  CHECK(matches.at(1).path.kind == PathMatch::Kind::kPrefix);
  CHECK(matches.at(1).path.value == "/a.B");
  CHECK(matches.at(2).path.kind == PathMatch::Kind::kRegex);
}

}  // namespace
}  // namespace control
