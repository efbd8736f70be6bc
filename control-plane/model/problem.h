// What is wrong with a configuration document, where, and what to do about it.
#pragma once

#include <span>
#include <string>

namespace control {

enum class Severity {
  kError,    // The document is not taken; its last good version stays in force.
  kWarning,  // The document is taken; part of it has no effect yet (a missing service, a conflict).
};

// One finding about one document. Every field but `message` may be empty (0) where unknown.
struct ConfigProblem {
  Severity severity = Severity::kError;
  std::string file;
  int document = 0;  // 1-based position in the file.
  int line = 0;      // 1-based line in the file.
  std::string kind;
  std::string ns;
  std::string name;
  std::string field;    // As the user writes it: "spec.rules[0].backendRefs[1].port".
  std::string rule;     // A stable word for programs: "UnknownField", "OutOfRange", "Conflicted".
  std::string message;  // What is wrong.
  std::string hint;     // What to do; empty where the message says it all.

  bool operator==(const ConfigProblem&) const = default;
};

// One line: "FILE:LINE: error: document N, KIND NS/NAME, FIELD: MESSAGE (RULE); HINT".
std::string ToString(const ConfigProblem& problem);

// True if one of `problems` is an error.
bool HasErrors(std::span<const ConfigProblem> problems);

}  // namespace control
