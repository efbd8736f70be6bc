// Clusters and endpoints.
#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <xxhash.h>

#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "proxy/snapshot/native.h"
#include "proxy/snapshot/parse.h"
#include "proxy/snapshot/supported.h"

namespace proxy {
namespace {

namespace cluster = envoy::config::cluster::v3;
namespace endpoint = envoy::config::endpoint::v3;
using HttpOptions = envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

using ProxiedTransport =
    envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;

constexpr double kRetryBudgetPercent = 20;  // Envoy's default, of a budget that is given.
constexpr char kMatchKey[] = "envoy.transport_socket_match";

absl::Status Bad(const std::string& name, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("cluster '", name, "': ", what));
}

MatchLabels LabelsOf(const google::protobuf::Struct& proto) {
  MatchLabels labels;
  for (const auto& [key, value] : proto.fields()) labels.emplace_back(key, value.string_value());
  std::sort(labels.begin(), labels.end());
  return labels;
}

absl::StatusOr<EndpointConfig> ParseEndpoint(const endpoint::LbEndpoint& proto, uint32_t priority,
                                             bool names_allowed) {
  EndpointConfig config;
  config.priority = priority;
  if (proto.has_load_balancing_weight()) config.weight = proto.load_balancing_weight().value();
  if (config.weight == 0)
    return absl::InvalidArgumentError("load_balancing_weight: must be at least 1");
  switch (proto.health_status()) {
    case envoy::config::core::v3::UNHEALTHY:
    case envoy::config::core::v3::TIMEOUT: config.health = EndpointHealth::kUnhealthy; break;
    case envoy::config::core::v3::DRAINING: config.health = EndpointHealth::kDraining; break;
    case envoy::config::core::v3::DEGRADED: config.health = EndpointHealth::kDegraded; break;
    default: break;
  }
  const auto& labels = proto.metadata().filter_metadata();
  if (const auto found = labels.find(kMatchKey); found != labels.end()) {
    config.labels = LabelsOf(found->second);
  }
  config.name = proto.endpoint().hostname();
  auto address = ParseAddress(proto.endpoint().address());
  if (address.ok()) {
    config.address = *address;
  } else if (names_allowed) {
    config.hostname = proto.endpoint().address().socket_address().address();
    if (config.name.empty()) config.name = config.hostname;
    config.port = static_cast<uint16_t>(proto.endpoint().address().socket_address().port_value());
  } else {
    return address.status();
  }
  return config;
}

absl::StatusOr<EndpointList> ParseList(const endpoint::ClusterLoadAssignment& proto,
                                       bool names_allowed) {
  EndpointList list;
  for (const auto& locality : proto.endpoints()) {
    for (const auto& one : locality.lb_endpoints()) {
      auto parsed = ParseEndpoint(one, locality.priority(), names_allowed);
      if (!parsed.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("endpoints of '", proto.cluster_name(), "': ", parsed.status().message()));
      }
      list.push_back(*std::move(parsed));
    }
  }
  return list;
}

absl::Status ReadLimits(const cluster::Cluster& proto, ClusterConfig& config) {
  for (const auto& threshold : proto.circuit_breakers().thresholds()) {
    if (threshold.priority() != envoy::config::core::v3::DEFAULT) continue;
    if (threshold.has_max_connections())
      config.limits.connections = threshold.max_connections().value();
    if (threshold.has_max_pending_requests())
      config.limits.pending = threshold.max_pending_requests().value();
    if (threshold.has_max_requests()) config.limits.requests = threshold.max_requests().value();
    if (threshold.has_max_retries()) config.limits.retries = threshold.max_retries().value();
    if (!threshold.has_retry_budget()) continue;
    const auto& budget = threshold.retry_budget();
    double& percent = config.limits.retry_budget_percent;
    percent = budget.has_budget_percent() ? budget.budget_percent().value() : kRetryBudgetPercent;
    if (!(percent >= 0 && percent <= 100)) {
      return Bad(config.name,
                 "circuit_breakers.thresholds.retry_budget.budget_percent: must be "
                 "from 0 to 100");
    }
    if (budget.has_min_retry_concurrency()) {
      config.limits.retries_min = budget.min_retry_concurrency().value();
    }
  }
  return absl::OkStatus();
}

absl::Status ReadProtocol(const cluster::Cluster& proto, ClusterConfig& config) {
  if (proto.has_http2_protocol_options()) config.http2 = true;
  if (absl::Status s = ReadHttp2Options(proto.http2_protocol_options(), config.codec); !s.ok()) {
    return Bad(config.name, s.message());
  }
  for (const auto& [name, any] : proto.typed_extension_protocol_options()) {
    HttpOptions options;
    if (!any.UnpackTo(&options)) {
      return Bad(config.name,
                 absl::StrCat("typed_extension_protocol_options: '", name, "' is not supported"));
    }
    config.http2 = options.explicit_http_config().has_http2_protocol_options();
    config.match_downstream_protocol = options.has_use_downstream_protocol_config();
    const auto& http2 = config.http2
                            ? options.explicit_http_config().http2_protocol_options()
                            : options.use_downstream_protocol_config().http2_protocol_options();
    if (absl::Status s = ReadHttp2Options(http2, config.codec); !s.ok()) {
      return Bad(config.name, s.message());
    }
    config.auto_protocol = options.has_auto_config();
    const auto& upstream = options.upstream_http_protocol_options();
    config.auto_sni = upstream.auto_sni();
    config.auto_sni_header = absl::AsciiStrToLower(upstream.override_auto_sni_header());
    config.auto_san_validation = upstream.auto_san_validation();
    const auto& common = options.common_http_protocol_options();
    if (common.has_max_stream_duration() || common.headers_with_underscores_action() != 0) {
      return Bad(config.name,
                 "common_http_protocol_options: max_stream_duration and "
                 "headers_with_underscores_action are not supported for clusters");
    }
    if (common.has_max_connection_duration())
      config.connection_duration_max = ToDuration(common.max_connection_duration());
    if (common.has_idle_timeout()) config.idle_timeout = ToDuration(common.idle_timeout());
    if (common.has_max_connection_duration()) {
      config.connection_duration_max = ToDuration(common.max_connection_duration());
    }
    if (common.has_max_requests_per_connection()) {
      config.requests_per_connection_max = common.max_requests_per_connection().value();
    }
  }
  return absl::OkStatus();
}

absl::Status ReadTransports(const cluster::Cluster& proto, ClusterConfig& config,
                            ParseContext& context) {
  for (const auto& match : proto.transport_socket_matches()) {
    auto slot = ParseTransportSocket(match.transport_socket(), false, context);
    if (!slot.ok()) return Bad(config.name, slot.status().message());
    config.transports.push_back({match.name(), LabelsOf(match.match()), *slot});
  }
  if (!proto.has_transport_socket()) return absl::OkStatus();
  const auto* socket = &proto.transport_socket();
  ProxiedTransport proxied;
  if (socket->typed_config().UnpackTo(&proxied)) {
    config.proxy_protocol =
        proxied.config().version() == envoy::config::core::v3::ProxyProtocolConfig::V1 ? 1 : 2;
    socket = &proxied.transport_socket();
  }
  auto slot = ParseTransportSocket(*socket, false, context);
  if (!slot.ok()) return Bad(config.name, slot.status().message());
  config.tls = *slot;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EndpointList> ParseEndpoints(const endpoint::ClusterLoadAssignment& proto) {
  const auto unsupported = UnsupportedFields(proto);
  if (!unsupported.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("endpoints of '", proto.cluster_name(),
                     "': not supported: ", absl::StrJoin(unsupported, ", ")));
  }
  return ParseList(proto, false);
}

absl::StatusOr<std::shared_ptr<const ClusterConfig>> ParseCluster(const cluster::Cluster& proto,
                                                                  ParseContext& context) {
  auto config = std::make_shared<ClusterConfig>();
  config->name = proto.name();
  if (proto.name().empty()) return Bad("", "name: must not be empty");
  const auto unsupported = UnsupportedFields(proto);
  if (!unsupported.empty())
    return Bad(proto.name(), absl::StrCat("not supported: ", absl::StrJoin(unsupported, ", ")));
  switch (proto.type()) {
    case cluster::Cluster::STATIC: config->kind = ClusterConfig::Kind::kStatic; break;
    case cluster::Cluster::STRICT_DNS: config->kind = ClusterConfig::Kind::kStrictDns; break;
    case cluster::Cluster::EDS: config->kind = ClusterConfig::Kind::kEds; break;
    case cluster::Cluster::ORIGINAL_DST: config->kind = ClusterConfig::Kind::kOriginalDst; break;
    default:
      return Bad(proto.name(), "type: only STATIC, STRICT_DNS, EDS and ORIGINAL_DST are supported");
  }
  switch (proto.lb_policy()) {
    case cluster::Cluster::ROUND_ROBIN:
      config->balancer = ClusterConfig::Balancer::kRoundRobin;
      break;
    case cluster::Cluster::LEAST_REQUEST:
      config->balancer = ClusterConfig::Balancer::kLeastRequest;
      break;
    case cluster::Cluster::RANDOM: config->balancer = ClusterConfig::Balancer::kRandom; break;
    case cluster::Cluster::CLUSTER_PROVIDED: break;
    default:
      return Bad(proto.name(),
                 "lb_policy: only ROUND_ROBIN, LEAST_REQUEST, RANDOM and CLUSTER_PROVIDED are "
                 "supported");
  }
  if (proto.least_request_lb_config().has_choice_count()) {
    config->choice_count = proto.least_request_lb_config().choice_count().value();
    if (config->choice_count < 2)
      return Bad(proto.name(), "least_request_lb_config.choice_count: must be at least 2");
  }
  if (proto.has_connect_timeout()) config->connect_timeout = ToDuration(proto.connect_timeout());
  if (proto.has_dns_refresh_rate()) config->dns_refresh = ToDuration(proto.dns_refresh_rate());
  config->eds_name = proto.eds_cluster_config().service_name().empty()
                         ? proto.name()
                         : proto.eds_cluster_config().service_name();
  if (config->kind == ClusterConfig::Kind::kEds) {
    auto from = ParseConfigFrom(proto.eds_cluster_config().eds_config(), context);
    if (!from.ok()) return Bad(proto.name(), absl::StrCat("eds_config: ", from.status().message()));
    config->eds_from = *std::move(from);
  }
  if (absl::Status s = ReadLimits(proto, *config); !s.ok()) return s;
  if (proto.has_outlier_detection()) {
    absl::Status s = ReadOutlier(proto.outlier_detection(), config->outlier.emplace());
    if (!s.ok()) return Bad(proto.name(), absl::StrCat("outlier_detection: ", s.message()));
  }
  if (absl::Status s = ReadProtocol(proto, *config); !s.ok()) return s;
  if (absl::Status s = ReadTransports(proto, *config, context); !s.ok()) return s;
  for (const auto& filter : proto.filters()) {
    if (!DoneNatively(filter.typed_config()))
      return Bad(proto.name(), absl::StrCat("filters['", filter.name(), "']: not supported"));
  }
  auto list = ParseList(proto.load_assignment(), config->kind == ClusterConfig::Kind::kStrictDns);
  if (!list.ok()) return Bad(proto.name(), list.status().message());
  config->endpoints = *std::move(list);
  const std::string bytes = proto.SerializeAsString();
  config->hash = XXH64(bytes.data(), bytes.size(), 0);
  return std::shared_ptr<const ClusterConfig>(std::move(config));
}

}  // namespace proxy
