// Route configurations.
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <set>

#include "proxy/filters/filters.h"
#include "proxy/route/hash_policy.h"
#include "proxy/route/rate_limits.h"
#include "proxy/route/read_match.h"
#include "proxy/snapshot/parse.h"
#include "proxy/snapshot/supported.h"

namespace proxy {
namespace {

namespace route = envoy::config::route::v3;
namespace core = envoy::config::core::v3;

absl::Status Bad(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

// Works on every message that carries the four lists of header edits.
template <typename Add, typename Remove>
absl::Status ReadEdits(const Add& add, const Remove& remove, HeaderEdits& edits) {
  for (const std::string& name : remove) edits.remove.push_back(absl::AsciiStrToLower(name));
  for (const core::HeaderValueOption& option : add) {
    auto edit = ReadEdit(option);
    if (!edit.ok()) return edit.status();
    edits.edits.push_back(*std::move(edit));
  }
  return absl::OkStatus();
}

// Reads the four lists of header edits that `proto` carries.
template <typename Proto>
absl::Status ReadAllEdits(const Proto& proto, HeaderEdits& request, HeaderEdits& response) {
  absl::Status s =
      ReadEdits(proto.request_headers_to_add(), proto.request_headers_to_remove(), request);
  if (!s.ok()) return s;
  return ReadEdits(proto.response_headers_to_add(), proto.response_headers_to_remove(), response);
}

absl::Status ReadRetry(const route::RetryPolicy& proto, RetryPolicy& policy) {
  static const std::pair<const char*, uint32_t> kNames[] = {
      {"5xx", kRetry5xx},
      {"gateway-error", kRetryGatewayError},
      {"reset", kRetryReset},
      {"connect-failure", kRetryConnectFailure},
      {"refused-stream", kRetryRefusedStream},
      {"retriable-4xx", kRetryRetriable4xx},
      {"retriable-status-codes", kRetryStatusCodes},
      {"reset-before-request", kRetryResetBeforeRequest},
      {"cancelled", kRetryGrpcCancelled},
      {"deadline-exceeded", kRetryGrpcDeadline},
      {"internal", kRetryGrpcInternal},
      {"resource-exhausted", kRetryGrpcExhausted},
      {"unavailable", kRetryGrpcUnavailable}};
  for (absl::string_view name : absl::StrSplit(proto.retry_on(), ',', absl::SkipWhitespace())) {
    name = absl::StripAsciiWhitespace(name);
    const auto* found = std::find_if(std::begin(kNames), std::end(kNames),
                                     [&](const auto& one) { return name == one.first; });
    if (found == std::end(kNames))
      return Bad("retry_policy.retry_on", absl::StrCat("'", name, "' is not supported"));
    policy.on |= found->second;
  }
  if (proto.has_num_retries()) policy.attempts_max = proto.num_retries().value();
  if (proto.has_per_try_timeout()) policy.per_try_timeout = ToDuration(proto.per_try_timeout());
  policy.status_codes.assign(proto.retriable_status_codes().begin(),
                             proto.retriable_status_codes().end());
  if (proto.has_retry_back_off()) {
    policy.backoff_base = ToDuration(proto.retry_back_off().base_interval());
    policy.backoff_max = proto.retry_back_off().has_max_interval()
                             ? ToDuration(proto.retry_back_off().max_interval())
                             : policy.backoff_base * 10;
    if (policy.backoff_base <= absl::ZeroDuration() || policy.backoff_max < policy.backoff_base) {
      return Bad("retry_policy.retry_back_off", "needs 0 < base_interval <= max_interval");
    }
  }
  return absl::OkStatus();
}

// Of a route or a virtual host.
template <typename Level>
void ReadBufferMax(const Level& proto, std::optional<size_t>& bytes) {
  if (proto.has_per_request_buffer_limit_bytes()) {
    bytes = proto.per_request_buffer_limit_bytes().value();
  }
  if (proto.has_request_body_buffer_limit()) bytes = proto.request_body_buffer_limit().value();
}

// typed_per_filter_config of any level.
template <typename Map>
absl::Status ReadFilters(const Map& map, ParseContext& parse, std::vector<RouteFilter>& to) {
  for (const auto& [name, any] : map) {
    RouteFilter& one = to.emplace_back();
    one.name = name;
    google::protobuf::Any config = any;
    bool optional = false;
    if (route::FilterConfig wrapper; any.UnpackTo(&wrapper)) {
      one.disabled = wrapper.disabled();
      optional = wrapper.is_optional();
      config = wrapper.config();
      if (!wrapper.has_config()) continue;
    }
    const std::string type = config.type_url().substr(config.type_url().rfind('/') + 1);
    const FilterType* filter = FindFilter(type);
    if (filter == nullptr && optional) {
      to.pop_back();
      continue;
    }
    const auto where = absl::StrCat("typed_per_filter_config['", name, "']");
    if (filter == nullptr || filter->route_config == nullptr ||
        filter->route_config->GetDescriptor()->full_name() != type) {
      return Bad(where, absl::StrCat("'", type, "' configures no filter here"));
    }
    std::unique_ptr<google::protobuf::Message> message(filter->route_config->New());
    if (!message->ParseFromString(config.value())) return Bad(where, "not well-formed");
    FilterContext context{.stats = parse.stats};
    auto parsed = filter->parse_route(*message, context);
    if (!parsed.ok()) return Bad(where, parsed.status().message());
    one.config = *std::move(parsed);
  }
  return absl::OkStatus();
}

absl::Status ReadClusters(const route::RouteAction& proto, ParseContext& parse,
                          ForwardAction& action) {
  if (proto.has_cluster()) {
    action.clusters.push_back(
        {.cluster = proto.cluster(), .weight = 1, .request_edits = {}, .response_edits = {}});
    return absl::OkStatus();
  }
  if (!proto.has_weighted_clusters()) return Bad("route", "needs cluster or weighted_clusters");
  uint64_t total = 0;
  for (const auto& one : proto.weighted_clusters().clusters()) {
    WeightedCluster& to = action.clusters.emplace_back();
    to.cluster = one.name();
    to.weight = one.weight().value();
    if (absl::Status s = ReadAllEdits(one, to.request_edits, to.response_edits); !s.ok()) return s;
    if (absl::Status s = ReadFilters(one.typed_per_filter_config(), parse, to.filters); !s.ok()) {
      return s;
    }
    total += to.weight;
  }
  if (total == 0 || total > UINT32_MAX)
    return Bad("weighted_clusters", "the weights' sum must be in 1..4294967295");
  action.total_weight = static_cast<uint32_t>(total);
  return absl::OkStatus();
}

absl::Status ReadHashes(const route::RouteAction& proto, ForwardAction& action) {
  auto hashes = std::make_shared<HashPolicies>();
  for (const auto& one : proto.hash_policy()) {
    if (absl::Status s = ReadHashPolicy(one, hashes->list.emplace_back()); !s.ok()) return s;
  }
  if (!hashes->list.empty()) action.hash = std::move(hashes);
  action.split_by_hash = proto.weighted_clusters().use_hash_policy().value();
  if (action.split_by_hash && action.hash == nullptr) {
    return Bad("weighted_clusters.use_hash_policy", "needs a hash_policy");
  }
  return absl::OkStatus();
}

template <typename List>
absl::Status ReadRateLimits(const List& list, std::shared_ptr<const RateLimitEntries>& to) {
  if (list.empty()) return absl::OkStatus();
  auto entries = std::make_shared<RateLimitEntries>();
  for (int i = 0; i < list.size(); ++i) {
    if (absl::Status s = ReadRateLimit(list.Get(i), entries->entries.emplace_back()); !s.ok()) {
      return Bad(absl::StrCat("rate_limits[", i, "]"), s.message());
    }
  }
  to = std::move(entries);
  return absl::OkStatus();
}

absl::Status ReadForward(const route::RouteAction& proto, ParseContext& parse,
                         ForwardAction& action) {
  if (absl::Status s = ReadClusters(proto, parse, action); !s.ok()) return s;
  if (absl::Status s = ReadHashes(proto, action); !s.ok()) return s;
  if (absl::Status s = ReadRateLimits(proto.rate_limits(), action.rate_limits); !s.ok()) return s;
  if (proto.has_timeout()) action.timeout = ToDuration(proto.timeout());
  if (proto.has_idle_timeout()) action.idle_timeout = ToDuration(proto.idle_timeout());
  if (proto.has_max_stream_duration()) {
    const auto& duration = proto.max_stream_duration();
    if (duration.has_max_stream_duration())
      action.stream_duration_max = ToDuration(duration.max_stream_duration());
    if (duration.has_grpc_timeout_header_max())
      action.grpc_duration_max = ToDuration(duration.grpc_timeout_header_max());
    action.grpc_timeout_offset = ToDuration(duration.grpc_timeout_header_offset());
  }
  if (proto.has_max_grpc_timeout()) action.grpc_timeout_max = ToDuration(proto.max_grpc_timeout());
  if (proto.has_retry_policy()) {
    if (absl::Status s = ReadRetry(proto.retry_policy(), action.retry.emplace()); !s.ok()) return s;
  }
  action.prefix_rewrite = proto.prefix_rewrite();
  action.host_rewrite = proto.host_rewrite_literal();
  if (proto.has_regex_rewrite()) {
    auto regex = CompileRegex(proto.regex_rewrite().pattern().regex());
    if (!regex.ok()) return regex.status();
    action.regex_rewrite = *regex;
    action.regex_substitution = proto.regex_rewrite().substitution();
  }
  for (const auto& upgrade : proto.upgrade_configs()) {
    action.upgrades.push_back({.type = upgrade.upgrade_type(),
                               .enabled = !upgrade.has_enabled() || upgrade.enabled().value()});
  }
  if (proto.cluster_not_found_response_code() == route::RouteAction::NOT_FOUND)
    action.cluster_not_found_status = 404;
  if (proto.cluster_not_found_response_code() == route::RouteAction::INTERNAL_SERVER_ERROR) {
    action.cluster_not_found_status = 500;
  }
  return absl::OkStatus();
}

absl::Status ReadRedirect(const route::RedirectAction& proto, RedirectAction& action) {
  action.https = proto.https_redirect();
  action.scheme = proto.scheme_redirect();
  action.host = proto.host_redirect();
  action.port = proto.port_redirect();
  action.path = proto.path_redirect();
  action.prefix_rewrite = proto.prefix_rewrite();
  action.strip_query = proto.strip_query();
  static constexpr int kStatuses[] = {301, 302, 303, 307, 308};
  action.status = kStatuses[std::min<int>(proto.response_code(), 4)];
  if (!proto.has_regex_rewrite()) return absl::OkStatus();
  auto regex = CompileRegex(proto.regex_rewrite().pattern().regex());
  if (!regex.ok()) return regex.status();
  action.regex_rewrite = *std::move(regex);
  action.regex_substitution = proto.regex_rewrite().substitution();
  return absl::OkStatus();
}

absl::Status ReadRoute(const route::Route& proto, ParseContext& parse, Route& to) {
  to.name = proto.name();
  if (absl::Status s = ReadRouteMatch(proto.match(), to.match); !s.ok()) return s;
  if (absl::Status s = ReadAllEdits(proto, to.request_edits, to.response_edits); !s.ok()) return s;
  if (absl::Status s = ReadFilters(proto.typed_per_filter_config(), parse, to.filters); !s.ok()) {
    return s;
  }
  ReadBufferMax(proto, to.request_buffer_max);
  switch (proto.action_case()) {
    case route::Route::kRoute: return ReadForward(proto.route(), parse, to.forward.emplace());
    case route::Route::kRedirect: return ReadRedirect(proto.redirect(), to.redirect.emplace());
    case route::Route::kDirectResponse: {
      DirectAction& direct = to.direct.emplace();
      direct.status = static_cast<int>(proto.direct_response().status());
      if (direct.status < 200 || direct.status > 599)
        return Bad("direct_response.status", "not in 200..599");
      direct.body = proto.direct_response().body().inline_string() +
                    proto.direct_response().body().inline_bytes();
      return absl::OkStatus();
    }
    default: return Bad("route", "needs one of route, redirect, direct_response");
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const RouteTable>> ParseRoutes(
    const route::RouteConfiguration& proto, ParseContext& context) {
  const std::string where = absl::StrCat("route configuration '", proto.name(), "'");
  const auto unsupported = UnsupportedFields(proto);
  if (!unsupported.empty())
    return Bad(where, absl::StrCat("not supported: ", absl::StrJoin(unsupported, ", ")));
  std::vector<VirtualHost> hosts;
  std::set<std::string> domains;
  for (int i = 0; i < proto.virtual_hosts_size(); ++i) {
    const auto& host = proto.virtual_hosts(i);
    VirtualHost& to = hosts.emplace_back();
    to.name = host.name();
    to.domains.assign(host.domains().begin(), host.domains().end());
    if (to.domains.empty())
      return Bad(where, absl::StrCat("virtual_hosts[", i, "].domains: at least one"));
    for (const std::string& domain : to.domains) {
      if (domain.empty() || !domains.insert(absl::AsciiStrToLower(domain)).second) {
        return Bad(where, absl::StrCat("virtual_hosts[", i, "].domains: '", domain,
                                       "' is empty or stands twice"));
      }
    }
    if (absl::Status s = ReadAllEdits(host, to.request_edits, to.response_edits); !s.ok()) {
      return Bad(absl::StrCat(where, ": virtual_hosts[", i, "]"), s.message());
    }
    if (host.has_retry_policy()) {
      if (absl::Status s = ReadRetry(host.retry_policy(), to.retry.emplace()); !s.ok()) return s;
    }
    if (absl::Status s = ReadFilters(host.typed_per_filter_config(), context, to.filters); !s.ok())
      return Bad(absl::StrCat(where, ": virtual_hosts[", i, "]"), s.message());
    ReadBufferMax(host, to.request_buffer_max);
    if (absl::Status s = ReadRateLimits(host.rate_limits(), to.rate_limits); !s.ok())
      return Bad(absl::StrCat(where, ": virtual_hosts[", i, "]"), s.message());
    for (int k = 0; k < host.routes_size(); ++k) {
      if (absl::Status s = ReadRoute(host.routes(k), context, to.routes.emplace_back()); !s.ok()) {
        return Bad(absl::StrCat(where, ": virtual_hosts[", i, "].routes[", k, "]"), s.message());
      }
    }
  }
  std::vector<RouteFilter> filters;
  if (absl::Status s = ReadFilters(proto.typed_per_filter_config(), context, filters); !s.ok())
    return Bad(where, s.message());
  HeaderEdits request_edits, response_edits;
  if (absl::Status s = ReadAllEdits(proto, request_edits, response_edits); !s.ok()) {
    return Bad(where, s.message());
  }
  return std::make_shared<const RouteTable>(
      proto.name(), std::move(hosts), proto.ignore_port_in_host_matching(),
      std::move(request_edits), std::move(response_edits), std::move(filters));
}

}  // namespace proxy
