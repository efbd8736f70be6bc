// Splits a file into YAML documents and parses each by itself.
#pragma once

#include <string>
#include <vector>

#include <absl/strings/string_view.h>
#include <yaml-cpp/yaml.h>

namespace control {

// One document's text, without its "---" line.
struct DocumentText {
  absl::string_view text;  // Within the file's text.
  int line_offset = 0;     // Lines of the file before `text`.
};

// The documents that hold more than comments and blank lines. A line that begins with "---" or
// "..." ends a document wherever it stands (YAML 1.2 §9.1.2), so one broken document never hides
// the next.
std::vector<DocumentText> SplitDocuments(absl::string_view file);

// A parsed document, or why there is none.
struct ParsedDocument {
  YAML::Node root;
  std::string error;  // Empty: parsed.
  std::string rule;   // "Syntax" or "TooMany".
  int line = 0;       // 1-based, in the file, of the first key or of the error.
};

ParsedDocument ParseDocument(const DocumentText& document);

}  // namespace control
