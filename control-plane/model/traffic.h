// How requests to a service travel: routes, and the effective settings of TrafficPolicy.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/time/time.h>

#include "control-plane/model/object.h"

namespace control {

enum class LoadBalancing { kRoundRobin, kLeastRequest, kRandom };

// The settings of one TrafficPolicy, or the merge of all that concern a service. An unset field
// says nothing; translation then takes the default that docs/policies/traffic-policy.md names.
struct TrafficSettings {
  std::optional<LoadBalancing> load_balancing;
  std::optional<uint32_t> max_connections;
  std::optional<uint32_t> max_pending;
  std::optional<uint32_t> max_requests;
  std::optional<uint32_t> max_retries;
  std::optional<uint32_t> consecutive_5xx;  // 0: consecutive errors eject nothing.
  std::optional<absl::Duration> base_ejection;
  std::optional<absl::Duration> ejection_interval;
  std::optional<uint32_t> max_ejection_percent;      // 0..100.
  std::optional<uint32_t> retry_attempts;            // Retries after the first try; 0: never retry.
  std::optional<std::vector<std::string>> retry_on;  // Envoy's retry_on words.
  std::optional<absl::Duration> per_try_timeout;
  std::optional<absl::Duration> request_timeout;  // Zero: none.
  std::optional<absl::Duration> idle_timeout;
  std::optional<absl::Duration> connect_timeout;

  // Which document each set field came from, by field path ("circuitBreaker.maxRequests").
  std::map<std::string, Origin> from;
};

struct PathMatch {
  enum class Kind { kExact, kPrefix, kRegex };
  Kind kind = Kind::kPrefix;  // kPrefix matches whole path elements (Gateway API).
  std::string value = "/";
};

// A header or query parameter that must have a value. Header names are lower case.
struct KeyMatch {
  std::string name;
  std::string value;
  bool regex = false;  // RE2, the whole value.
};

// All parts must hold.
struct RouteMatch {
  PathMatch path;
  std::string method;  // Empty: any.
  std::vector<KeyMatch> headers;
  std::vector<KeyMatch> query;
};

struct HeaderEdits {
  std::vector<std::pair<std::string, std::string>> set;
  std::vector<std::pair<std::string, std::string>> add;
  std::vector<std::string> remove;
};

// A new path: the whole of it, or what stands in place of the matched prefix.
struct PathEdit {
  std::optional<std::string> full;
  std::optional<std::string> prefix;
};

struct Redirect {
  std::string scheme;
  std::string hostname;
  uint16_t port = 0;  // 0: unchanged.
  int status = 302;
  PathEdit path;
};

// One destination of a rule. `port` is a port of the service, not of its endpoints.
struct Backend {
  NamespacedName service;
  uint16_t port = 0;
  uint32_t weight = 1;  // A share without unit; 0: none.
  HeaderEdits request_headers;
};

struct RouteRetry {
  std::vector<uint32_t> codes;  // HTTP status codes to retry on; empty: the service's own rule.
  std::optional<uint32_t> attempts;
  std::optional<absl::Duration> backoff;
};

// A match and what becomes of it. Exactly one of `backends` and `redirect` is meant to be set; a
// rule with neither answers 500 (Gateway API).
struct RouteRule {
  std::string name;
  std::vector<RouteMatch> matches;  // Any of them; never empty (default: prefix "/").
  HeaderEdits request_headers;
  HeaderEdits response_headers;
  PathEdit rewrite_path;
  std::string rewrite_host;
  std::optional<Redirect> redirect;
  std::vector<Backend> backends;
  std::optional<absl::Duration> request_timeout;
  std::optional<absl::Duration> backend_timeout;
  std::optional<RouteRetry> retry;
};

// An HTTPRoute or GRPCRoute, without its attachments.
struct Route {
  ObjectMeta meta;
  std::vector<RouteRule> rules;
};

// A route at one service. In the service's namespace it concerns every client (producer route);
// elsewhere only the clients of its own namespace (consumer route, GAMMA).
struct AttachedRoute {
  uint16_t port = 0;  // 0: every port of the service.
  std::shared_ptr<const Route> route;
};

}  // namespace control
