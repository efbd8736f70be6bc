// Turns ordered matches into Envoy routes.
#include "control-plane/translate/routes.h"

#include <algorithm>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>

#include "control-plane/translate/pack.h"
#include "control-plane/translate/route_order.h"

namespace control {
namespace {

namespace pb = envoy::config::route::v3;
using envoy::config::core::v3::HeaderValueOption;

constexpr absl::Duration kTimeoutDefault = absl::Seconds(15);
constexpr uint32_t kRetriesDefault = 2;
// What is safe for every request: none of it has reached the application.
constexpr char kRetryOnDefault[] = "connect-failure,refused-stream";
constexpr absl::string_view kGrpcRetryOn[] = {"cancelled", "deadline-exceeded", "internal",
                                              "resource-exhausted", "unavailable"};

// What is common to all routes of one port.
struct Scene {
  const Mesh& mesh;
  const Service& service;
  const ServicePort& port;
  bool grpc_client;
};

void AddHeaders(const HeaderEdits& edits,
                google::protobuf::RepeatedPtrField<HeaderValueOption>& to_add,
                google::protobuf::RepeatedPtrField<std::string>& to_remove) {
  const auto add = [&to_add](const auto& pairs, HeaderValueOption::HeaderAppendAction action) {
    for (const auto& [name, value] : pairs) {
      HeaderValueOption& option = *to_add.Add();
      option.mutable_header()->set_key(name);
      // '%' begins a command in Envoy's header values.
      option.mutable_header()->set_value(absl::StrReplaceAll(value, {{"%", "%%"}}));
      option.set_append_action(action);
      option.set_keep_empty_value(value.empty());
    }
  };
  add(edits.set, HeaderValueOption::OVERWRITE_IF_EXISTS_OR_ADD);
  add(edits.add, HeaderValueOption::APPEND_IF_EXISTS_OR_ADD);
  for (const std::string& name : edits.remove) *to_remove.Add() = name;
}

// Older gRPC clients refuse `string_match`, and newer ones still know what it replaced.
void SetHeader(const KeyMatch& wanted, bool grpc_client, pb::HeaderMatcher& header) {
  header.set_name(wanted.name);
  if (grpc_client && wanted.regex) {
    header.mutable_safe_regex_match()->set_regex(wanted.value);
  } else if (grpc_client) {
    header.set_exact_match(wanted.value);
  } else if (wanted.regex) {
    header.mutable_string_match()->mutable_safe_regex()->set_regex(wanted.value);
  } else {
    header.mutable_string_match()->set_exact(wanted.value);
  }
}

void SetConditions(const RouteMatch& match, bool grpc_client, pb::RouteMatch& out) {
  if (!match.method.empty()) {
    SetHeader({.name = ":method", .value = match.method}, grpc_client, *out.add_headers());
  }
  for (const KeyMatch& wanted : match.headers) SetHeader(wanted, grpc_client, *out.add_headers());
  for (const KeyMatch& wanted : match.query) {
    pb::QueryParameterMatcher& parameter = *out.add_query_parameters();
    parameter.set_name(wanted.name);
    if (wanted.regex) {
      parameter.mutable_string_match()->mutable_safe_regex()->set_regex(wanted.value);
    } else {
      parameter.mutable_string_match()->set_exact(wanted.value);
    }
  }
}

std::string WithoutLastSlash(const std::string& path) {
  return path.empty() || path.back() != '/' ? path : path.substr(0, path.size() - 1);
}

// The cluster of a backend; the black hole where there is none.
std::string ClusterOf(const Scene& scene, const Backend& backend) {
  const Service* service = scene.mesh.FindService(backend.service);
  if (service == nullptr || service->FindPort(backend.port) == nullptr) return kBlackHoleCluster;
  return OutboundCluster(scene.mesh, backend.service, backend.port);
}

void SetClusters(const Scene& scene, const std::vector<Backend>& backends, pb::RouteAction& out) {
  std::vector<const Backend*> used;
  for (const Backend& backend : backends) {
    if (backend.weight > 0) used.push_back(&backend);
  }
  const auto plain = [](const HeaderEdits& edits) {
    return edits.set.empty() && edits.add.empty() && edits.remove.empty();
  };
  if (used.size() == 1 && plain(used[0]->request_headers)) {
    out.set_cluster(ClusterOf(scene, *used[0]));
    return;
  }
  uint32_t total = 0;
  for (const Backend* backend : used) {
    total += backend->weight;
    auto& weighted = *out.mutable_weighted_clusters()->add_clusters();
    weighted.set_name(ClusterOf(scene, *backend));
    weighted.mutable_weight()->set_value(backend->weight);
    AddHeaders(backend->request_headers, *weighted.mutable_request_headers_to_add(),
               *weighted.mutable_request_headers_to_remove());
  }
  // Older gRPC clients take the sum to be 100 unless told.
  if (scene.grpc_client) out.mutable_weighted_clusters()->mutable_total_weight()->set_value(total);
}

std::string RetryOn(const Scene& scene, const RouteRule& rule) {
  std::vector<std::string> words =
      scene.service.traffic.retry_on.value_or(std::vector<std::string>{kRetryOnDefault});
  if (rule.retry && !rule.retry->codes.empty()) words.push_back("retriable-status-codes");
  if (scene.grpc_client) {
    std::erase_if(words, [](const std::string& word) {
      return std::find(std::begin(kGrpcRetryOn), std::end(kGrpcRetryOn), word) ==
             std::end(kGrpcRetryOn);
    });
  }
  return absl::StrJoin(words, ",");
}

void SetRetries(const Scene& scene, const RouteRule& rule, pb::RouteAction& out) {
  const TrafficSettings& traffic = scene.service.traffic;
  uint32_t attempts = traffic.retry_attempts.value_or(kRetriesDefault);
  if (rule.retry && rule.retry->attempts) attempts = *rule.retry->attempts;
  const std::string on = RetryOn(scene, rule);
  if (attempts == 0 || on.empty()) return;
  pb::RetryPolicy& retry = *out.mutable_retry_policy();
  retry.set_retry_on(on);
  retry.mutable_num_retries()->set_value(attempts);
  const std::optional<absl::Duration> per_try =
      rule.backend_timeout ? rule.backend_timeout : traffic.per_try_timeout;
  if (per_try && *per_try > absl::ZeroDuration() && !scene.grpc_client) {
    *retry.mutable_per_try_timeout() = ToProto(*per_try);
  }
  if (!rule.retry) return;
  for (const uint32_t code : rule.retry->codes) retry.add_retriable_status_codes(code);
  if (rule.retry->backoff) {
    auto& backoff = *retry.mutable_retry_back_off();
    *backoff.mutable_base_interval() = ToProto(*rule.retry->backoff);
    *backoff.mutable_max_interval() = ToProto(*rule.retry->backoff * 10);
  }
}

void SetTimeout(const Scene& scene, const RouteRule& rule, pb::RouteAction& out) {
  // Streams are the rule in gRPC, and a limit of the whole answer would cut them.
  const bool streams = scene.grpc_client || IsHttp2(scene.port.protocol);
  absl::Duration timeout = scene.service.traffic.request_timeout.value_or(
      streams ? absl::ZeroDuration() : kTimeoutDefault);
  if (rule.request_timeout) timeout = *rule.request_timeout;
  if (rule.backend_timeout && !out.has_retry_policy()) timeout = *rule.backend_timeout;
  if (!scene.grpc_client) {
    *out.mutable_timeout() = ToProto(timeout);  // Zero: none.
  } else if (timeout > absl::ZeroDuration()) {
    *out.mutable_max_stream_duration()->mutable_max_stream_duration() = ToProto(timeout);
  }
}

void SetRewrite(const RouteRule& rule, bool element, pb::RouteAction& out) {
  if (!rule.rewrite_host.empty()) out.set_host_rewrite_literal(rule.rewrite_host);
  if (rule.rewrite_path.full) {
    auto& rewrite = *out.mutable_regex_rewrite();
    rewrite.mutable_pattern()->set_regex("^/.*$");
    rewrite.set_substitution(absl::StrReplaceAll(
        rule.rewrite_path.full->empty() ? "/" : *rule.rewrite_path.full, {{"\\", "\\\\"}}));
  } else if (rule.rewrite_path.prefix) {
    const std::string base = WithoutLastSlash(*rule.rewrite_path.prefix);
    out.set_prefix_rewrite(element || base.empty() ? absl::StrCat(base, "/") : base);
  }
}

void SetRedirect(const Redirect& redirect, bool element, pb::RedirectAction& out) {
  if (!redirect.scheme.empty()) out.set_scheme_redirect(redirect.scheme);
  if (!redirect.hostname.empty()) out.set_host_redirect(redirect.hostname);
  if (redirect.port != 0) out.set_port_redirect(redirect.port);
  if (redirect.path.full) {
    out.set_path_redirect(redirect.path.full->empty() ? "/" : *redirect.path.full);
  } else if (redirect.path.prefix) {
    const std::string base = WithoutLastSlash(*redirect.path.prefix);
    out.set_prefix_rewrite(element || base.empty() ? absl::StrCat(base, "/") : base);
  }
  switch (redirect.status) {
    case 301: return out.set_response_code(pb::RedirectAction::MOVED_PERMANENTLY);
    case 303: return out.set_response_code(pb::RedirectAction::SEE_OTHER);
    case 307: return out.set_response_code(pb::RedirectAction::TEMPORARY_REDIRECT);
    case 308: return out.set_response_code(pb::RedirectAction::PERMANENT_REDIRECT);
    default: return out.set_response_code(pb::RedirectAction::FOUND);
  }
}

bool HasBackend(const Scene& scene, const RouteRule& rule) {
  return std::any_of(rule.backends.begin(), rule.backends.end(), [&](const Backend& backend) {
    return backend.weight > 0 && ClusterOf(scene, backend) != kBlackHoleCluster;
  });
}

// `element`: the route stands for what is below the prefix, so that its path ends with '/'.
void SetAction(const Scene& scene, const RouteRule& rule, bool element, pb::Route& out) {
  AddHeaders(rule.request_headers, *out.mutable_request_headers_to_add(),
             *out.mutable_request_headers_to_remove());
  AddHeaders(rule.response_headers, *out.mutable_response_headers_to_add(),
             *out.mutable_response_headers_to_remove());
  if (rule.redirect) {
    SetRedirect(*rule.redirect, element, *out.mutable_redirect());
    return;
  }
  if (!HasBackend(scene, rule)) {
    out.mutable_direct_response()->set_status(500);  // Gateway API, HTTPRouteRule.backendRefs.
    return;
  }
  pb::RouteAction& action = *out.mutable_route();
  SetClusters(scene, rule.backends, action);
  SetRewrite(rule, element, action);
  SetRetries(scene, rule, action);
  SetTimeout(scene, rule, action);
}

// A prefix of whole path elements is an exact path and a prefix that ends with '/', which every
// client understands (gRPC has no path_separated_prefix).
void AddMatch(const Scene& scene, const OrderedMatch& ordered, pb::VirtualHost& host) {
  const RouteMatch& match = ordered.Match();
  const std::string name =
      absl::StrCat(ordered.route->meta.key.kind, "/", ordered.route->meta.key.ns, "/",
                   ordered.route->meta.key.name, "/",
                   ordered.Rule().name.empty() ? absl::StrCat(ordered.rule) : ordered.Rule().name);
  const auto add = [&](bool element) -> pb::RouteMatch& {
    pb::Route& route = *host.add_routes();
    route.set_name(name);
    SetConditions(match, scene.grpc_client, *route.mutable_match());
    SetAction(scene, ordered.Rule(), element, route);
    return *route.mutable_match();
  };
  switch (match.path.kind) {
    case PathMatch::Kind::kExact: add(false).set_path(match.path.value); return;
    case PathMatch::Kind::kRegex:
      add(false).mutable_safe_regex()->set_regex(match.path.value);
      return;
    case PathMatch::Kind::kPrefix: break;
  }
  const std::string base = WithoutLastSlash(match.path.value);
  if (!base.empty()) add(false).set_path(base);
  add(true).set_prefix(absl::StrCat(base, "/"));
}

}  // namespace

pb::RouteConfiguration BuildRoutes(const Mesh& mesh, const ProxyNode& node, const Service& service,
                                   const ServicePort& port) {
  const Scene scene{mesh, service, port, node.kind == ProxyNode::Kind::kGrpc};
  pb::RouteConfiguration config;
  config.set_name(RouteName(mesh, service.key, port.port));
  pb::VirtualHost& host = *config.add_virtual_hosts();
  host.set_name(config.name());
  host.add_domains("*");  // The listener stands for this one service.
  const std::vector<OrderedMatch> matches = OrderMatches(service, port.port, node.pod_namespace);
  for (const OrderedMatch& match : matches) AddMatch(scene, match, host);
  if (!matches.empty()) return config;
  RouteRule rule;
  rule.backends.push_back({.service = service.key, .port = port.port, .request_headers = {}});
  pb::Route& route = *host.add_routes();
  route.set_name("default");
  route.mutable_match()->set_prefix("/");
  SetAction(scene, rule, true, route);
  return config;
}

pb::RouteConfiguration RouteAll(const std::string& name, const std::string& cluster) {
  pb::RouteConfiguration config;
  config.set_name(name);
  pb::VirtualHost& host = *config.add_virtual_hosts();
  host.set_name(name);
  host.add_domains("*");
  pb::Route& route = *host.add_routes();
  route.set_name("default");
  route.mutable_match()->set_prefix("/");
  route.mutable_route()->set_cluster(cluster);
  route.mutable_route()->mutable_timeout();  // Zero: none.
  return config;
}

void AddRoutes(const Mesh& mesh, const ProxyNode& node, ResourceSet& resources) {
  for (const auto& [key, service] : mesh.services) {
    for (const ServicePort& port : service.ports) {
      if (IsHttp(port.protocol)) Add(resources, kRouteType, BuildRoutes(mesh, node, service, port));
    }
  }
}

}  // namespace control
