#include <catch2/catch.hpp>

#include "tests/control-plane/policy/loading.h"

namespace control {
namespace {

std::string MeshTls(const std::string& name, const std::string& ns, const std::string& spec) {
  return "apiVersion: pinnace.mesh/v1alpha1\nkind: MeshTLS\nmetadata: {name: " + name +
         ", namespace: " + ns + "}\nspec: " + spec + "\n---\n";
}

TlsMode ModeOfWeb(const std::string& policies) {
  const Loaded loaded = LoadYaml(kWeb + policies);
  return loaded.mesh->FindWorkload({"shop", "web-1"})->tls_mode;
}

TEST_CASE("MeshTLS: without any, a workload is permissive") {
  CHECK(ModeOfWeb("") == TlsMode::kPermissive);
}

TEST_CASE("MeshTLS: pods over namespace over mesh, in any order of documents") {
  const std::string mesh = MeshTls("a", "mesh-system", "{mode: Strict}");
  const std::string ns = MeshTls("b", "shop", "{mode: Disable}");
  const std::string pods =
      MeshTls("c", "shop",
              "{mode: Permissive, targetRefs: [{kind: Pod, selector: {matchLabels: {app: web}}}]}");
  CHECK(ModeOfWeb(mesh) == TlsMode::kStrict);
  CHECK(ModeOfWeb(mesh + ns) == TlsMode::kDisable);
  CHECK(ModeOfWeb(ns + mesh) == TlsMode::kDisable);
  CHECK(ModeOfWeb(pods + ns + mesh) == TlsMode::kPermissive);
  CHECK(ModeOfWeb(MeshTls("d", "other", "{mode: Strict}")) == TlsMode::kPermissive);
}

TEST_CASE("MeshTLS: the same target twice: the older wins, the other is Conflicted") {
  const std::string first = MeshTls("b", "shop", "{mode: Strict}");
  const std::string second = MeshTls("a", "shop", "{mode: Disable}");
  CHECK(ModeOfWeb(first + second) == TlsMode::kStrict);
  CHECK(Problems(kWeb + first + second) == std::vector<std::string>{"spec.targetRefs Conflicted"});
}

TEST_CASE("MeshTLS: a disabled workload gets plaintext from the mesh") {
  const Loaded loaded = LoadYaml(kWeb + MeshTls("a", "shop", "{mode: Disable}"));
  CHECK_FALSE(loaded.mesh->FindService({"shop", "web"})->ports[0].endpoints[0].mutual_tls);
}

TEST_CASE("MeshTLS: a wrong mode or target is refused with the words that are right") {
  const Loaded loaded = LoadYaml(MeshTls("a", "shop", "{mode: strict}"));
  REQUIRE(loaded.problems.size() == 1);
  CHECK(loaded.problems[0].rule == "UnknownValue");
  CHECK(loaded.problems[0].hint == "did you mean \"Strict\"?");
  CHECK(Problems(MeshTls("a", "shop", "{}")) == std::vector<std::string>{"spec.mode Missing"});
  CHECK(Problems(
            MeshTls("a", "shop", "{mode: Strict, targetRefs: [{kind: Namespace, name: other}]}")) ==
        std::vector<std::string>{"spec.targetRefs[0].name OutOfRange"});
}

}  // namespace
}  // namespace control
