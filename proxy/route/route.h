// Route tables as values: immutable once shared.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>
#include <absl/time/time.h>
#include <re2/re2.h>

#include "proxy/http/filter.h"
#include "proxy/http/format.h"
#include "proxy/http/headers.h"

namespace proxy {

// One way to compare text.
struct TextMatch {
  enum class Kind : uint8_t { kExact, kPrefix, kSuffix, kContains, kRegex, kPresent };
  Kind kind = Kind::kPresent;
  std::string text;
  bool ignore_case = false;
  std::shared_ptr<const RE2> regex;  // kRegex: the whole text must match.
  bool Matches(absl::string_view value) const;
};

struct HeaderMatch {
  std::string name;  // Lower case; ":method", ":path", ":authority" and ":scheme" too.
  TextMatch text;
  bool invert = false;
  bool missing_is_empty = false;
  std::optional<std::pair<int64_t, int64_t>> range;  // [first, second), instead of `text`.
  bool present = true;  // With TextMatch::kPresent: false asks for absence.
};

struct QueryMatch {
  std::string name;
  TextMatch text;
};

// Whether the request's fields (of several of one name any) and query satisfy the match.
bool HeaderMatches(const HeaderMatch& match, const RequestHead& head);
bool QueryMatches(const QueryMatch& match, absl::string_view path);

struct RouteMatch {
  enum class Path : uint8_t { kPrefix, kExact, kRegex, kSegmentPrefix, kConnect };
  Path kind = Path::kPrefix;
  std::string path;
  bool ignore_case = false;
  std::shared_ptr<const RE2> regex;
  std::vector<HeaderMatch> headers;  // All must match.
  std::vector<QueryMatch> query;     // All must match.
  bool grpc_only = false;
};

bool RouteMatches(const RouteMatch& match, const RequestHead& head);

// What Envoy's `retry_on` names, as bits.
enum RetryOn : uint32_t {
  kRetry5xx = 1,
  kRetryGatewayError = 2,
  kRetryReset = 4,
  kRetryConnectFailure = 8,
  kRetryRefusedStream = 16,
  kRetryRetriable4xx = 32,
  kRetryStatusCodes = 64,
  kRetryGrpcCancelled = 128,
  kRetryGrpcDeadline = 256,
  kRetryGrpcInternal = 512,
  kRetryGrpcExhausted = 1024,
  kRetryGrpcUnavailable = 2048,
  kRetryResetBeforeRequest = 4096,
};

struct RetryPolicy {
  uint32_t on = 0;                                        // RetryOn bits.
  uint32_t attempts_max = 1;                              // Retries beyond the first attempt.
  absl::Duration per_try_timeout = absl::ZeroDuration();  // Zero: none.
  std::vector<uint32_t> status_codes;
  absl::Duration backoff_base = absl::Milliseconds(25);
  absl::Duration backoff_max = absl::Milliseconds(250);
};

// Add, set or remove of fields; applied in that order: removals first.
struct HeaderEdits {
  struct Edit {
    std::string name;
    std::string value;
    enum class Action : uint8_t { kAppend, kAddIfAbsent, kOverwrite, kOverwriteIfPresent } action;
    std::shared_ptr<const Format> format = nullptr;  // Instead of `value`; empty adds nothing.
    void Apply(const StreamInfo& info, Headers& headers) const;
  };
  std::vector<std::string> remove;
  std::vector<Edit> edits;
  bool empty() const { return remove.empty() && edits.empty(); }
  void Apply(const StreamInfo& info, Headers& headers) const;
};

// typed_per_filter_config: what a route says to one filter, by the name that the filter has in the
// connection manager.
struct RouteFilter {
  std::string name;
  std::shared_ptr<const RouteFilterConfig> config;  // Null: only `disabled`.
  bool disabled = false;
};

struct WeightedCluster {
  std::string cluster;
  uint32_t weight = 1;
  HeaderEdits request_edits;
  HeaderEdits response_edits;
  std::vector<RouteFilter> filters = {};
};

// Whether requests to switch to `type` ("websocket", "CONNECT") may pass.
struct UpgradeRule {
  std::string type;
  bool enabled = true;
};
// A route's rule wins over the listener's; what neither names may not pass. Case-insensitive.
bool UpgradeAllowed(absl::string_view type, const std::vector<UpgradeRule>& route,
                    const std::vector<UpgradeRule>& listener);

struct RateLimitEntries;  // rate_limits.h
struct HashPolicies;      // hash_policy.h

struct ForwardAction {
  std::vector<WeightedCluster> clusters;  // One or more; `total_weight` >= 1.
  uint32_t total_weight = 1;
  absl::Duration timeout = absl::Seconds(15);  // Zero: none.
  std::optional<absl::Duration> idle_timeout;
  std::optional<absl::Duration> grpc_timeout_max;  // Set: grpc-timeout is obeyed; zero: no cap.
  std::optional<RetryPolicy> retry;
  std::string prefix_rewrite;
  std::shared_ptr<const RE2> regex_rewrite;
  std::string regex_substitution;
  std::string host_rewrite;
  std::optional<absl::Duration> stream_duration_max;  // Zero: none, whatever the listener says.
  std::optional<absl::Duration> grpc_duration_max;  // Set: grpc-timeout bounds the stream's length.
  absl::Duration grpc_timeout_offset = absl::ZeroDuration();  // Taken off it, so that we are first.
  std::vector<UpgradeRule> upgrades;
  int cluster_not_found_status = 503;
  std::shared_ptr<const RateLimitEntries> rate_limits;  // Null: none.
  std::shared_ptr<const HashPolicies> hash;             // Null: none.
  bool split_by_hash = false;  // The cluster is chosen by `hash` where it finds something.
};

struct RedirectAction {
  bool https = false;
  std::string scheme, host, path, prefix_rewrite;
  std::shared_ptr<const RE2> regex_rewrite;  // Of the path without its query.
  std::string regex_substitution;
  uint32_t port = 0;
  int status = 301;
  bool strip_query = false;
};

struct DirectAction {
  int status = 200;
  std::string body;
};

struct Route {
  std::string name;
  RouteMatch match;
  std::optional<ForwardAction> forward;  // Exactly one of the three is set.
  std::optional<RedirectAction> redirect;
  std::optional<DirectAction> direct;
  HeaderEdits request_edits;
  HeaderEdits response_edits;
  std::vector<RouteFilter> filters;
  std::optional<size_t> request_buffer_max;  // per_request_buffer_limit_bytes
};

struct VirtualHost {
  std::string name;
  std::vector<std::string> domains;
  std::vector<Route> routes;
  std::optional<RetryPolicy> retry;
  HeaderEdits request_edits;
  HeaderEdits response_edits;
  std::vector<RouteFilter> filters;
  std::optional<size_t> request_buffer_max;
  std::shared_ptr<const RateLimitEntries> rate_limits;  // Null: none.
};

// All virtual hosts of one RouteConfiguration, with their domains indexed.
class RouteTable {
 public:
  // Domains as in Envoy: exact, "*.suffix", "prefix.*" or "*"; each in one virtual host only
  // (the caller has checked). `ignore_port`: compare hosts without their port.
  RouteTable(std::string name, std::vector<VirtualHost> hosts, bool ignore_port,
             HeaderEdits request_edits, HeaderEdits response_edits,
             std::vector<RouteFilter> filters = {});

  // The virtual host of `authority`, in Envoy's order: exact, longest suffix wildcard, longest
  // prefix wildcard, "*"; null if none. Case-insensitive.
  const VirtualHost* FindHost(absl::string_view authority) const;
  // The first route of that host that matches; null if none. O(routes of the host).
  static const Route* FindRoute(const VirtualHost& host, const RequestHead& head);

  const std::string& name() const { return name_; }
  const HeaderEdits& request_edits() const { return request_edits_; }
  const HeaderEdits& response_edits() const { return response_edits_; }
  const std::vector<RouteFilter>& filters() const { return filters_; }
  const std::vector<VirtualHost>& hosts() const { return hosts_; }

 private:
  std::string name_;
  std::vector<VirtualHost> hosts_;
  bool ignore_port_;
  HeaderEdits request_edits_, response_edits_;
  std::vector<RouteFilter> filters_;
  absl::flat_hash_map<std::string, size_t> exact_;
  std::vector<std::pair<std::string, size_t>> suffixes_;  // Longest first.
  std::vector<std::pair<std::string, size_t>> prefixes_;
  std::optional<size_t> any_;
};

// What routes say to the filter `name`, the most specific first, put into `found` (any argument may
// be null). The answer: whether the filter runs; `disabled` is its own default.
bool FindRouteFilters(absl::string_view name, bool disabled, const WeightedCluster* cluster,
                      const Route* route, const VirtualHost* host, const RouteTable* table,
                      std::vector<const RouteFilterConfig*>& found);

// Every cluster that a route of the table names; may hold duplicates.
std::vector<std::string> ClustersOf(const RouteTable& table);
// The cluster on which `hash` falls, the same for the same hash: as long as the sum of the weights
// stays, a cluster that stands first and grows keeps all that it had. O(clusters).
const WeightedCluster& SplitByHash(const ForwardAction& action, uint64_t hash);
// The cluster that `draw` (uniform over all uint64_t) falls on, by weights. O(clusters).
const WeightedCluster& PickCluster(const ForwardAction& action, uint64_t draw);

}  // namespace proxy
