// Loads every YAML block of docs/policies, so that what the pages show is what is accepted.
#include <filesystem>

#include <absl/strings/str_split.h>
#include <catch2/catch.hpp>

#include "tests/control-plane/translate/golden.h"

namespace control {
namespace {

std::string YamlBlocks(const std::string& page) {
  std::string out;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    if (!inside && line == "```yaml") {
      inside = true;
      out += "---\n";
    } else if (line == "```") {
      inside = false;
    } else if (inside) {
      out.append(line.data(), line.size());
      out += '\n';
    }
  }
  return out;
}

}  // namespace

TEST_CASE("docs: the documents in docs/policies are valid and warn only of missing targets") {
  int pages = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(PINNACE_SOURCE_DIR "/docs/policies")) {
    const std::string blocks = YamlBlocks(ReadText(entry.path().string()));
    if (blocks.empty()) continue;
    ++pages;
    INFO(entry.path().string());
    for (const ConfigProblem& problem : LoadText(blocks).problems) {
      INFO(ToString(problem));
      CHECK(problem.rule == "MissingTarget");
    }
  }
  CHECK(pages >= 5);
}

}  // namespace control
