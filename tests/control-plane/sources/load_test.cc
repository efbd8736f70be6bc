#include "control-plane/sources/load.h"

#include <catch2/catch.hpp>

#include <algorithm>

namespace control {
namespace {

constexpr char kService[] = R"(apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.10
  ports: [{name: http, port: 80, targetPort: 8080}]
  selector: {app: web}
)";
constexpr char kPolicy[] = R"(apiVersion: pinnace.mesh/v1alpha1
kind: TrafficPolicy
metadata: {name: web, namespace: shop}
spec:
  targetRefs: [{kind: Service, name: web}]
  circuitBreaker: {maxRequests: 7}
)";

SourceFile File(std::string name, std::string text) {
  return {.name = std::move(name), .text = std::move(text), .error = {}};
}

Loaded Load(std::vector<SourceFile> files, const Loaded* previous = nullptr) {
  return LoadDocuments(files, previous, MeshSettings());
}

const Service& Web(const Loaded& loaded) {
  const Service* service = loaded.mesh->FindService({"shop", "web"});
  REQUIRE(service != nullptr);
  return *service;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

TEST_CASE("load: valid documents make a mesh and no problems") {
  const Loaded loaded = Load({File("a.yaml", std::string(kService) + "---\n" + kPolicy)});
  CHECK(loaded.problems.empty());
  CHECK(Web(loaded).cluster_ips == std::vector<std::string>{"10.96.0.10"});
  CHECK(Web(loaded).traffic.max_requests == 7u);
  CHECK(Web(loaded).ports.at(0).protocol == Protocol::kHttp);
}

TEST_CASE("load: an unknown field is an error with file, document, line, path, rule and hint") {
  const std::string bad = Replaced(kPolicy, "maxRequests", "maxRequest");
  const Loaded loaded = Load({File("a.yaml", std::string(kService) + "---\n" + bad)});
  REQUIRE(loaded.problems.size() == 1);
  const ConfigProblem& problem = loaded.problems[0];
  CHECK(problem.severity == Severity::kError);
  CHECK(problem.file == "a.yaml");
  CHECK(problem.document == 2);
  CHECK(problem.line == 14);
  CHECK(problem.kind == "TrafficPolicy");
  CHECK(problem.ns == "shop");
  CHECK(problem.name == "web");
  CHECK(problem.field == "spec.circuitBreaker.maxRequest");
  CHECK(problem.rule == "UnknownField");
  CHECK(problem.hint == "did you mean \"maxRequests\"?");
  CHECK(ToString(problem) ==
        "a.yaml:14: error: document 2, TrafficPolicy shop/web, spec.circuitBreaker.maxRequest: is "
        "no field here (UnknownField); did you mean \"maxRequests\"?");
}

TEST_CASE("load: the last good version of an invalid document stays, the others change") {
  const Loaded first = Load({File("a.yaml", std::string(kService) + "---\n" + kPolicy)});
  const std::string text =
      Replaced(kService, "10.96.0.10", "10.96.0.99") + "---\n" + Replaced(kPolicy, "7", "seven");
  const Loaded second = Load({File("a.yaml", text)}, &first);
  CHECK(HasErrors(second.problems));
  CHECK(Web(second).cluster_ips.at(0) == "10.96.0.99");
  CHECK(Web(second).traffic.max_requests == 7u);
  const Loaded third = Load({File("a.yaml", Replaced(text, "seven", "8"))}, &second);
  CHECK(third.problems.empty());
  CHECK(Web(third).traffic.max_requests == 8u);
}

TEST_CASE("load: a syntax error costs one document, by its position, not the file") {
  const Loaded first = Load({File("a.yaml", std::string(kService) + "---\n" + kPolicy)});
  const std::string text = Replaced(kService, "10.96.0.10", "10.96.0.99") + "---\n" +
                           Replaced(kPolicy, "{maxRequests: 7}", "{maxRequests: 7");
  const Loaded second = Load({File("a.yaml", text)}, &first);
  REQUIRE(second.problems.size() == 1);
  CHECK(second.problems[0].rule == "Syntax");
  CHECK(second.problems[0].document == 2);
  CHECK(second.problems[0].line >= 14);
  CHECK(Web(second).cluster_ips.at(0) == "10.96.0.99");
  CHECK(Web(second).traffic.max_requests == 7u);
}

TEST_CASE("load: what is deleted is gone, and so is a file's last good version") {
  const Loaded first = Load({File("a.yaml", kService), File("b.yaml", kPolicy)});
  const Loaded second = Load({File("a.yaml", kService)}, &first);
  CHECK_FALSE(Web(second).traffic.max_requests.has_value());
  const Loaded third = Load({}, &second);
  CHECK(third.mesh->services.empty());
}

TEST_CASE("load: a file that cannot be read keeps all of its documents") {
  const Loaded first = Load({File("a.yaml", kService)});
  SourceFile unreadable = File("a.yaml", "");
  unreadable.error = "cannot be read: Permission denied";
  const Loaded second = Load({unreadable}, &first);
  REQUIRE(second.problems.size() == 1);
  CHECK(second.problems[0].rule == "Unreadable");
  CHECK(Web(second).ports.size() == 1);
}

TEST_CASE("load: a broken document that moves to another file keeps its last good version") {
  const Loaded first = Load({File("a.yaml", std::string(kService) + "---\n" + kPolicy)});
  const Loaded second =
      Load({File("a.yaml", kService), File("b.yaml", Replaced(kPolicy, "7", "-1"))}, &first);
  CHECK(second.problems.at(0).rule == "OutOfRange");
  CHECK(Web(second).traffic.max_requests == 7u);
}

TEST_CASE("load: the same object twice: the first file's is in force, the other is reported") {
  const Loaded loaded = Load(
      {File("a.yaml", kService), File("b.yaml", Replaced(kService, "10.96.0.10", "10.96.0.99"))});
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].file == "b.yaml");
  CHECK(loaded.problems[0].rule == "Conflicted");
  CHECK(loaded.problems[0].severity == Severity::kWarning);
  CHECK(Web(loaded).cluster_ips.at(0) == "10.96.0.10");
}

TEST_CASE("load: depth and aliases are limited") {
  std::string deep(kDepthMax + 1, '[');
  deep.append(kDepthMax + 1, ']');
  std::string aliases = "a: &a x\nb: [";
  for (int i = 0; i <= kAliasesMax; ++i) aliases += "*a, ";
  aliases += "x]\n";
  for (const std::string& text : {deep, aliases}) {
    const Loaded loaded = Load({File("a.yaml", text)});
    REQUIRE(loaded.problems.size() == 1);
    CHECK(loaded.problems[0].rule == "TooMany");
  }
}

TEST_CASE("load: garbage of every sort is reported and nothing else happens") {
  for (const char* text : {"x", "[1, 2]", "a: b: c", "kind: Service", "- - - -", "&a [*a]",
                           "apiVersion: v1\nkind: [Pod]\nmetadata: 3", "!!binary x", "? ? ?",
                           "{a: 1, a: 2}", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}"}) {
    INFO(text);
    const Loaded loaded = Load({File("a.yaml", text)});
    CHECK(HasErrors(loaded.problems));
    CHECK(loaded.mesh->services.empty());
  }
}

TEST_CASE("load: equal text gives an equal mesh whether or not it was parsed again") {
  const std::vector<SourceFile> files = {File("a.yaml", kService), File("b.yaml", kPolicy)};
  const Loaded first = Load(files);
  const Loaded second = Load(files, &first);
  CHECK(second.objects.files.at("a.yaml").objects == first.objects.files.at("a.yaml").objects);
  CHECK(Web(second).traffic.max_requests == Web(first).traffic.max_requests);
  CHECK(second.mesh->revision == first.mesh->revision + 1);
}

}  // namespace
}  // namespace control
