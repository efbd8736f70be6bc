// Prints configuration problems for people.
#include "control-plane/model/problem.h"

#include <algorithm>

#include <absl/strings/str_cat.h>

namespace control {

std::string ToString(const ConfigProblem& problem) {
  std::string out;
  if (!problem.file.empty()) {
    absl::StrAppend(&out, problem.file, ":");
    if (problem.line > 0) absl::StrAppend(&out, problem.line, ":");
    out += ' ';
  }
  absl::StrAppend(&out, problem.severity == Severity::kError ? "error: " : "warning: ");
  if (problem.document > 0) absl::StrAppend(&out, "document ", problem.document, ", ");
  if (!problem.kind.empty()) {
    absl::StrAppend(&out, problem.kind, " ");
    if (!problem.ns.empty()) absl::StrAppend(&out, problem.ns, "/");
    absl::StrAppend(&out, problem.name.empty() ? "(unnamed)" : problem.name, ", ");
  }
  if (!problem.field.empty()) absl::StrAppend(&out, problem.field, ": ");
  absl::StrAppend(&out, problem.message);
  if (!problem.rule.empty()) absl::StrAppend(&out, " (", problem.rule, ")");
  if (!problem.hint.empty()) absl::StrAppend(&out, "; ", problem.hint);
  return out;
}

bool HasErrors(std::span<const ConfigProblem> problems) {
  return std::any_of(problems.begin(), problems.end(),
                     [](const ConfigProblem& p) { return p.severity == Severity::kError; });
}

}  // namespace control
