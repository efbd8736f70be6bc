// Which of the stored objects are in force.
#include "control-plane/store/objects.h"

#include <catch2/catch.hpp>

namespace control {
namespace {

ObjectPtr ObjectIn(const std::string& file, int document, const std::string& name) {
  auto object = std::make_shared<Object>();
  object->meta.key = {"Service", "shop", name};
  object->meta.origin = {file, document, 1};
  return object;
}

StoredFile FileOf(std::vector<ObjectPtr> objects) {
  StoredFile file;
  file.objects = std::move(objects);
  return file;
}

}  // namespace

TEST_CASE("store: of two objects with one key the older is in force and the other is reported") {
  StoredObjects stored;
  const ObjectPtr first = ObjectIn("a.yaml", 1, "web");
  const ObjectPtr second = ObjectIn("b.yaml", 1, "web");
  stored.files["b.yaml"] = FileOf({second});
  stored.files["a.yaml"] = FileOf({first, ObjectIn("a.yaml", 2, "api")});
  std::vector<ConfigProblem> problems;
  const std::vector<ObjectPtr> in_force = InForce(stored, problems);
  REQUIRE(in_force.size() == 2);
  CHECK(stored.Find({"Service", "shop", "web"}) == first);
  CHECK(std::count(in_force.begin(), in_force.end(), first) == 1);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].rule == "Conflicted");
  CHECK(problems[0].file == "b.yaml");
  CHECK(problems[0].severity == Severity::kWarning);
}

TEST_CASE("store: a creation time is older than none, whatever the file") {
  StoredObjects stored;
  auto dated = std::make_shared<Object>(*ObjectIn("z.yaml", 1, "web"));
  dated->meta.created = absl::FromUnixSeconds(1);
  stored.files["a.yaml"] = FileOf({ObjectIn("a.yaml", 1, "web")});
  stored.files["z.yaml"] = FileOf({dated});
  CHECK(stored.Find({"Service", "shop", "web"}) == dated);
  std::vector<ConfigProblem> problems;
  CHECK(InForce(stored, problems) == std::vector<ObjectPtr>{dated});
}

TEST_CASE("store: what is not there is null") {
  CHECK(StoredObjects().Find({"Service", "shop", "web"}) == nullptr);
}

}  // namespace control
