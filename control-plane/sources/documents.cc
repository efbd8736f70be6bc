// Splits YAML files at document markers and parses within limits.
#include "control-plane/sources/documents.h"

#include <algorithm>
#include <sstream>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <yaml-cpp/eventhandler.h>

#include "control-plane/sources/load.h"

namespace control {
namespace {

// Counts what could make a small text costly, before nodes are built of it.
class Limits final : public YAML::EventHandler {
 public:
  int depth_max() const { return depth_max_; }
  int aliases() const { return aliases_; }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override { ++aliases_; }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    Enter();
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    Enter();
  }
  void OnMapEnd() override { --depth_; }

 private:
  void Enter() { depth_max_ = std::max(depth_max_, ++depth_); }

  int depth_ = 0;
  int depth_max_ = 0;
  int aliases_ = 0;
};

bool IsMarker(absl::string_view line) {
  if (!absl::StartsWith(line, "---") && !absl::StartsWith(line, "...")) return false;
  return line.size() == 3 || absl::ascii_isspace(line[3]);
}

bool IsBlank(absl::string_view line) {
  line = absl::StripAsciiWhitespace(line);
  return line.empty() || line.front() == '#';
}

}  // namespace

std::vector<DocumentText> SplitDocuments(absl::string_view file) {
  std::vector<DocumentText> documents;
  size_t begin = 0;  // Of the current document's text.
  int begin_line = 0;
  bool has_content = false;
  const auto finish = [&](size_t end) {
    if (has_content) documents.push_back({file.substr(begin, end - begin), begin_line});
    has_content = false;
  };
  int line_number = 0;
  for (size_t at = 0; at < file.size(); ++line_number) {
    const size_t newline = std::min(file.find('\n', at), file.size());
    const absl::string_view line = file.substr(at, newline - at);
    if (IsMarker(line)) {
      finish(at);
      // "--- {a: 1}": the document begins on the marker's line.
      begin = std::min(at + 3, file.size());
      begin_line = line_number;
      has_content = line.front() == '-' && !IsBlank(line.substr(3));
      if (line.front() == '.') begin = std::min(newline + 1, file.size()), ++begin_line;
    } else if (!IsBlank(line)) {
      has_content = true;
    }
    at = newline + 1;
  }
  finish(file.size());
  return documents;
}

ParsedDocument ParseDocument(const DocumentText& document) {
  ParsedDocument out;
  const std::string text(document.text);
  // yaml-cpp tells errors by exceptions; they end here.
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Limits limits;
    parser.HandleNextDocument(limits);
    if (limits.depth_max() > kDepthMax || limits.aliases() > kAliasesMax) {
      out.rule = "TooMany";
      out.error = limits.depth_max() > kDepthMax
                      ? absl::StrCat("is nested deeper than ", kDepthMax)
                      : absl::StrCat("has more than ", kAliasesMax, " aliases");
      out.line = document.line_offset + 1;
      return out;
    }
    out.root = YAML::Load(text);
    const YAML::Mark mark = out.root.Mark();
    out.line = document.line_offset + (mark.is_null() ? 1 : mark.line + 1);
  } catch (const YAML::Exception& error) {
    out.rule = "Syntax";
    out.error = error.msg;
    out.line = document.line_offset + (error.mark.is_null() ? 1 : error.mark.line + 1);
  }
  return out;
}

}  // namespace control
