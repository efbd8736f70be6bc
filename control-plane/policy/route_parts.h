// What HTTPRoute and GRPCRoute have in common: parents, filters, backends, attachment.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "control-plane/policy/kind.h"

namespace control {

struct ParentRef {
  NamespacedName service;
  uint16_t port = 0;  // 0: every port.
  bool mesh = true;   // False: a Gateway or another kind; has no effect here.
  std::string field;  // Its path, for problems.
};

// A parsed HTTPRoute or GRPCRoute.
struct RouteObject final : Object {
  std::vector<ParentRef> parents;
  std::shared_ptr<const Route> route;
};

std::vector<ParentRef> ReadParents(const Reader& reader, const ObjectMeta& meta);

// Reads `filters` into the rule. `redirects`: RequestRedirect and URLRewrite are legal here.
void ReadFilters(const Reader& reader, bool redirects, RouteRule& rule);

std::vector<Backend> ReadBackends(const Reader& reader, const ObjectMeta& meta);

// Reads a list of {type: Exact|RegularExpression, name, value}; lower-cases header names.
std::vector<KeyMatch> ReadKeyMatches(const Reader& reader, bool headers);

// Reads an RE2 regular expression and reports if it does not compile.
std::string ReadRegex(const Reader& reader);

// Reads a name of a header field (RFC 9110 §5.1).
std::string ReadHeaderName(const Reader& reader);

// Attaches each route to the services that are its parents; warns of what is missing.
void AttachRoutes(std::span<const ObjectPtr> objects, Building& building);

}  // namespace control
