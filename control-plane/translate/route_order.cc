// Puts the matches of several routes into one order of precedence.
#include "control-plane/translate/route_order.h"

#include <algorithm>
#include <tuple>

namespace control {
namespace {

int PathRank(PathMatch::Kind kind) {
  switch (kind) {
    case PathMatch::Kind::kExact: return 0;
    case PathMatch::Kind::kRegex: return 1;
    case PathMatch::Kind::kPrefix: break;
  }
  return 2;
}

// Smaller is tried first.
auto Rank(const RouteMatch& match) {
  const auto less = [](size_t count) { return -static_cast<int64_t>(count); };
  return std::tuple(PathRank(match.path.kind), less(match.path.value.size()),
                    match.method.empty() ? 1 : 0, less(match.headers.size()),
                    less(match.query.size()));
}

// The routes at this port: consumer routes if there are any, else producer routes.
std::vector<const Route*> Concerning(const Service& service, uint16_t port,
                                     const std::string& client_namespace) {
  std::vector<const Route*> producers;
  std::vector<const Route*> consumers;
  for (const AttachedRoute& attached : service.routes) {
    if (attached.port != 0 && attached.port != port) continue;
    const std::string& ns = attached.route->meta.key.ns;
    auto& group = ns == service.key.ns ? producers : consumers;
    if (&group == &consumers && ns != client_namespace) continue;
    // A route may name the service twice, once with and once without a port.
    if (std::find(group.begin(), group.end(), attached.route.get()) == group.end()) {
      group.push_back(attached.route.get());
    }
  }
  return consumers.empty() ? producers : consumers;
}

}  // namespace

std::vector<OrderedMatch> OrderMatches(const Service& service, uint16_t port,
                                       const std::string& client_namespace) {
  std::vector<OrderedMatch> out;
  for (const Route* route : Concerning(service, port, client_namespace)) {
    for (size_t rule = 0; rule < route->rules.size(); ++rule) {
      for (size_t match = 0; match < route->rules[rule].matches.size(); ++match) {
        out.push_back({route, rule, match});
      }
    }
  }
  // Routes of two kinds were attached one kind after the other: age decides between them too.
  std::stable_sort(out.begin(), out.end(), [](const OrderedMatch& a, const OrderedMatch& b) {
    const auto rank_a = Rank(a.Match());
    const auto rank_b = Rank(b.Match());
    if (rank_a != rank_b) return rank_a < rank_b;
    return a.route != b.route && IsOlder(a.route->meta, b.route->meta);
  });
  return out;
}

}  // namespace control
