#include "control-plane/sources/documents.h"

#include <catch2/catch.hpp>

namespace control {
namespace {

TEST_CASE("documents: comments and blank pieces are no documents, and lines count in the file") {
  const auto documents = SplitDocuments("# head\n---\n# only a comment\n---\na: 1\n---\n\nb: 2\n");
  REQUIRE(documents.size() == 2);
  CHECK(ParseDocument(documents[0]).line == 5);
  CHECK(ParseDocument(documents[1]).line == 8);
  CHECK(ParseDocument(documents[1]).root["b"].as<int>() == 2);
}

TEST_CASE("documents: content may stand on the marker's line, and ... ends a document") {
  const auto documents = SplitDocuments("--- {a: 1}\n...\nb: 2\n");
  REQUIRE(documents.size() == 2);
  CHECK(ParseDocument(documents[0]).root["a"].as<int>() == 1);
  CHECK(ParseDocument(documents[0]).line == 1);
  CHECK(ParseDocument(documents[1]).line == 3);
}

TEST_CASE("documents: dashes within a line or indented are text") {
  CHECK(SplitDocuments("a: |\n  ---\n  x\nb: ----\n").size() == 1);
  CHECK(SplitDocuments("----\n").size() == 1);
  CHECK(SplitDocuments("").empty());
  CHECK(SplitDocuments("---").empty());
}

TEST_CASE("documents: Windows line ends split as others do") {
  CHECK(SplitDocuments("a: 1\r\n---\r\nb: 2\r\n").size() == 2);
}

}  // namespace
}  // namespace control
