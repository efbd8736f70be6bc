// Reads YAML values strictly and reports each problem with its place.
#include "control-plane/policy/reader.h"

#include <algorithm>
#include <cctype>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

namespace control {
namespace {

int LineOf(const YAML::Node& node, const DocumentContext& context, int otherwise) {
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? otherwise : mark.line + 1 + context.line_offset;
}

absl::string_view TypeName(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  return "a scalar";
}

bool IsPlain(const YAML::Node& node) { return node.Tag() != "!"; }

// What a plain scalar is in YAML 1.2's core schema; empty for a string.
absl::string_view PlainType(const std::string& text) {
  const std::string lower = absl::AsciiStrToLower(text);
  if (lower == "true" || lower == "false") return "a boolean";
  if (lower == "null" || lower == "~" || text.empty()) return "null";
  double number = 0;
  if (!std::isalpha(static_cast<unsigned char>(text.back())) && absl::SimpleAtod(text, &number)) {
    return "a number";
  }
  return "";
}

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      const bool same = absl::ascii_tolower(a[i - 1]) == absl::ascii_tolower(b[j - 1]);
      row[j] = std::min({row[j - 1] + 1, above + 1, diagonal + (same ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

Reader::Reader(DocumentContext& context, YAML::Node node, std::string path, int line)
    : context_(&context), node_(std::move(node)), path_(std::move(path)), line_(line) {}

bool Reader::IsScalar(absl::string_view wanted) const {
  if (!present()) return false;
  if (node_.IsScalar()) return true;
  Report("WrongType", absl::StrCat("is ", TypeName(node_), ", must be ", wanted));
  return false;
}

std::optional<std::string> Reader::String() const {
  if (!IsScalar("a string")) return std::nullopt;
  const std::string& text = node_.Scalar();
  if (IsPlain(node_)) {
    const absl::string_view type = PlainType(text);
    if (!type.empty()) {
      Report("WrongType", absl::StrCat("is ", type, ", must be a string"),
             absl::StrCat("put it in quotes: \"", text, "\""));
      return std::nullopt;
    }
  }
  return text;
}

std::optional<std::string> Reader::Text() const {
  std::optional<std::string> text = String();
  if (text && text->empty()) {
    Report("OutOfRange", "must not be empty");
    return std::nullopt;
  }
  return text;
}

std::optional<int64_t> Reader::Integer(int64_t least, int64_t most) const {
  if (!IsScalar("a whole number")) return std::nullopt;
  int64_t value = 0;
  if (!IsPlain(node_) || !absl::SimpleAtoi(node_.Scalar(), &value)) {
    Report("WrongType", absl::StrCat("must be a whole number, not \"", node_.Scalar(), "\""),
           IsPlain(node_) ? "" : "write it without quotes");
    return std::nullopt;
  }
  if (value < least || value > most) {
    Report("OutOfRange", absl::StrCat("is ", value, ", must be in ", least, "..", most));
    return std::nullopt;
  }
  return value;
}

std::optional<bool> Reader::Boolean() const {
  if (!IsScalar("true or false")) return std::nullopt;
  const std::string& text = node_.Scalar();
  if (IsPlain(node_) && (text == "true" || text == "false")) return text == "true";
  Report("WrongType", absl::StrCat("must be true or false, not \"", text, "\""));
  return std::nullopt;
}

std::optional<absl::Duration> Reader::Duration(absl::Duration least, absl::Duration most) const {
  if (!IsScalar("a duration such as 250ms or 1m30s")) return std::nullopt;
  absl::Duration value;
  if (!absl::ParseDuration(node_.Scalar(), &value)) {
    Report("WrongType", absl::StrCat("is no duration: \"", node_.Scalar(), "\""),
           "write a number and a unit: 250ms, 15s, 1m30s");
    return std::nullopt;
  }
  if (value < least || value > most) {
    Report("OutOfRange",
           absl::StrCat("is ", absl::FormatDuration(value), ", must be in ",
                        absl::FormatDuration(least), "..", absl::FormatDuration(most)));
    return std::nullopt;
  }
  return value;
}

std::optional<absl::Time> Reader::Timestamp() const {
  if (!IsScalar("a time")) return std::nullopt;
  absl::Time value;
  if (absl::ParseTime(absl::RFC3339_full, node_.Scalar(), &value, nullptr)) return value;
  Report("WrongType", absl::StrCat("is no RFC 3339 time: \"", node_.Scalar(), "\""),
         "write it as 2026-01-31T12:00:00Z");
  return std::nullopt;
}

std::optional<std::string> Reader::NumberOrName() const {
  if (!IsScalar("a port number or name")) return std::nullopt;
  return node_.Scalar();
}

std::optional<size_t> Reader::OneOf(std::span<const absl::string_view> words) const {
  const std::optional<std::string> text = String();
  if (!text) return std::nullopt;
  const auto it = std::find(words.begin(), words.end(), absl::string_view(*text));
  if (it != words.end()) return it - words.begin();
  std::set<std::string> known;
  for (const absl::string_view word : words) known.insert(std::string(word));
  const std::string nearest = Nearest(*text, known);
  Report("UnknownValue",
         absl::StrCat("is \"", *text, "\", must be one of ", absl::StrJoin(words, ", ")),
         nearest.empty() ? "" : absl::StrCat("did you mean \"", nearest, "\"?"));
  return std::nullopt;
}

std::vector<Reader> Reader::Items(size_t items_max) const {
  std::vector<Reader> items;
  if (!present()) return items;
  if (!node_.IsSequence()) {
    Report("WrongType", absl::StrCat("is ", TypeName(node_), ", must be a list"));
    return items;
  }
  if (node_.size() > items_max) {
    Report("TooMany", absl::StrCat("has ", node_.size(), " items, may have ", items_max));
    return items;
  }
  for (size_t i = 0; i < node_.size(); ++i) {
    YAML::Node item = node_[i];
    const int at = LineOf(item, *context_, line_);
    items.emplace_back(*context_, std::move(item), absl::StrCat(path_, "[", i, "]"), at);
    if (!items.back().present()) items.back().Report("WrongType", "must not be null");
  }
  return items;
}

Labels Reader::Texts() const {
  Labels out;
  if (!present()) return out;
  Fields fields(*this);
  if (!node_.IsMap()) return out;
  for (const auto& pair : node_) {
    const std::string name = pair.first.IsScalar() ? pair.first.Scalar() : "";
    const std::optional<std::string> value = fields.Get(name).String();
    if (value) out[name] = *value;
  }
  return out;
}

void Reader::Report(absl::string_view rule, absl::string_view message, absl::string_view hint,
                    Severity severity) const {
  ConfigProblem problem = ProblemAt(context_->meta, path_, rule, message, hint, severity);
  problem.line = line_;
  context_->problems->push_back(std::move(problem));
}

Fields::Fields(const Reader& reader) : reader_(reader) {
  if (!reader.present()) return;
  if (!reader.node_.IsMap()) {
    reader.Report("WrongType", absl::StrCat("is ", TypeName(reader.node_), ", must be a mapping"));
    return;
  }
  mapping_ = true;
  std::set<std::string> seen;
  for (const auto& pair : reader.node_) {
    const int line = LineOf(pair.first, *reader.context_, reader.line_);
    const std::string name = pair.first.IsScalar() ? pair.first.Scalar() : "?";
    Reader field(*reader.context_, pair.second,
                 reader.path_.empty() ? name : absl::StrCat(reader.path_, ".", name), line);
    if (!seen.insert(name).second) {
      field.Report("Duplicate", "is set twice", "keep one of them");
      continue;
    }
    fields_.emplace_back(name, std::move(field));
  }
}

Reader Fields::Get(absl::string_view name) {
  known_.insert(std::string(name));
  for (const auto& [field, reader] : fields_) {
    if (field == name) return reader;
  }
  return Reader(*reader_.context_, YAML::Node(YAML::NodeType::Null),
                reader_.path_.empty() ? std::string(name) : absl::StrCat(reader_.path_, ".", name),
                reader_.line_);
}

Reader Fields::Require(absl::string_view name) {
  Reader reader = Get(name);
  if (mapping_ && !reader.present()) reader.Report("Missing", "is required");
  return reader;
}

void Fields::Ignore(std::initializer_list<absl::string_view> names) {
  for (const absl::string_view name : names) known_.insert(std::string(name));
}

void Fields::Finish() const {
  for (const auto& [name, reader] : fields_) {
    if (known_.count(name) != 0) continue;
    const std::string nearest = Nearest(name, known_);
    reader.Report("UnknownField", "is no field here",
                  nearest.empty() ? absl::StrCat("fields here: ", absl::StrJoin(known_, ", "))
                                  : absl::StrCat("did you mean \"", nearest, "\"?"));
  }
}

std::string Nearest(absl::string_view word, const std::set<std::string>& known) {
  std::string best;
  size_t best_distance = std::min<size_t>(2, word.size() / 2) + 1;
  for (const std::string& candidate : known) {
    const size_t distance = EditDistance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

ConfigProblem ProblemAt(const ObjectMeta& meta, absl::string_view field, absl::string_view rule,
                        absl::string_view message, absl::string_view hint, Severity severity) {
  return {.severity = severity,
          .file = meta.origin.file,
          .document = meta.origin.document,
          .line = meta.origin.line,
          .kind = meta.key.kind,
          .ns = meta.key.ns,
          .name = meta.key.name,
          .field = std::string(field),
          .rule = std::string(rule),
          .message = std::string(message),
          .hint = std::string(hint)};
}

}  // namespace control
