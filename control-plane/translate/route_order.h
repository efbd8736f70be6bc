// Which of the attached routes concern a client, and which match is tried first.
#pragma once

#include <vector>

#include "control-plane/model/mesh.h"

namespace control {

// One match of one rule, on its own.
struct OrderedMatch {
  const Route* route;
  size_t rule;   // Index in the route.
  size_t match;  // Index in the rule.

  const RouteRule& Rule() const { return route->rules[rule]; }
  const RouteMatch& Match() const { return Rule().matches[match]; }
};

// All matches that concern clients of `client_namespace` at this port, in Gateway API's order:
// exact path, then regular expression, then prefix; longer path; with a method; more headers; more
// query parameters; older route; earlier rule.
std::vector<OrderedMatch> OrderMatches(const Service& service, uint16_t port,
                                       const std::string& client_namespace);

}  // namespace control
