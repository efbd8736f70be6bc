// Strict reading of one YAML document: every field is known, typed and in range, or is reported.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <absl/strings/string_view.h>
#include <absl/time/time.h>
#include <yaml-cpp/yaml.h>

#include "control-plane/model/object.h"
#include "control-plane/model/problem.h"

namespace control {

// Where problems of one document go, with what all of them have in common.
struct DocumentContext {
  ObjectMeta meta;  // As far as it is read; its origin holds file and document.
  std::vector<ConfigProblem>* problems = nullptr;
  int line_offset = 0;  // Lines of the file before the document's text.
};

// One value of a document. Readers share the context, which must outlive them. Each method that
// reads reports what is wrong and then returns nothing, so that one pass finds every error; an
// absent value reads as nothing without a report.
class Reader {
 public:
  Reader(DocumentContext& context, YAML::Node node, std::string path, int line);

  bool present() const { return node_.IsDefined() && !node_.IsNull(); }
  const std::string& path() const { return path_; }
  int line() const { return line_; }

  std::optional<std::string> String() const;
  // As String(); also reports a text that is empty.
  std::optional<std::string> Text() const;
  std::optional<int64_t> Integer(int64_t least, int64_t most) const;
  std::optional<bool> Boolean() const;
  // "1h30m", "250ms": Go's durations, as in Gateway API (GEP-2257), within [least, most].
  std::optional<absl::Duration> Duration(absl::Duration least, absl::Duration most) const;
  std::optional<absl::Time> Timestamp() const;
  // A port number or its name, as targetPort; returns the text. Only the type is checked.
  std::optional<std::string> NumberOrName() const;
  // The index in `words` of the text.
  std::optional<size_t> OneOf(std::span<const absl::string_view> words) const;
  // The items of a sequence, `items_max` at most.
  std::vector<Reader> Items(size_t items_max) const;
  // A mapping of texts to texts.
  Labels Texts() const;

  // Reports `message` at this value. `rule` is one of the stable words in docs/policies/README.md.
  void Report(absl::string_view rule, absl::string_view message, absl::string_view hint = "",
              Severity severity = Severity::kError) const;

 private:
  friend class Fields;
  bool IsScalar(absl::string_view wanted) const;

  DocumentContext* context_;
  YAML::Node node_;
  std::string path_;
  int line_;
};

// The fields of a mapping. Ask for each field that exists, then call Finish().
class Fields {
 public:
  // Reports if `reader` is present but no mapping, and duplicate keys.
  explicit Fields(const Reader& reader);

  // The field's value; absent if there is none.
  Reader Get(absl::string_view name);
  // As Get(), and reports absence.
  Reader Require(absl::string_view name);
  // Fields that exist, are legal and have no meaning here.
  void Ignore(std::initializer_list<absl::string_view> names);
  // Reports every field that was never asked for, with the nearest known name as a hint.
  void Finish() const;

 private:
  Reader reader_;
  std::vector<std::pair<std::string, Reader>> fields_;
  std::set<std::string> known_;
  bool mapping_ = false;
};

// The one of `known` that `word` is likely a misspelling of (edit distance 2 at most); "" if none.
std::string Nearest(absl::string_view word, const std::set<std::string>& known);

// A problem about a whole object, found when it is put together with others.
ConfigProblem ProblemAt(const ObjectMeta& meta, absl::string_view field, absl::string_view rule,
                        absl::string_view message, absl::string_view hint = "",
                        Severity severity = Severity::kWarning);

}  // namespace control
