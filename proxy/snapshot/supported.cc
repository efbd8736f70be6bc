// The table of supported fields and the walk that checks a message against it.
#include "proxy/snapshot/supported.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include <memory>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "envoy/config/route/v3/route_components.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "proxy/snapshot/extensions.h"
#include "proxy/snapshot/native.h"

namespace proxy {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;

// For each message the fields that are obeyed, or whose being ignored changes nothing that a
// request can see (statistics flushing, hints). A message that is not listed is obeyed whole.
struct Row {
  const char* message;
  const char* fields;  // Each between spaces.
};
constexpr Row kRows[] = {
    {"envoy.config.bootstrap.v3.Bootstrap",
     " node static_resources dynamic_resources admin stats_flush_interval bootstrap_extensions "
     "node_context_params cluster_manager default_regex_engine stats_config overload_manager "
     "layered_runtime "},
    {"envoy.config.bootstrap.v3.Bootstrap.StaticResources", " listeners clusters secrets "},
    {"envoy.config.bootstrap.v3.Bootstrap.DynamicResources", " lds_config cds_config ads_config "},
    {"envoy.config.bootstrap.v3.RuntimeLayer", " name static_layer admin_layer "},
    {"envoy.config.overload.v3.OverloadManager", " refresh_interval resource_monitors "},
    {"envoy.config.bootstrap.v3.Admin",
     " access_log_path access_log address profile_path ignore_global_conn_limit "},
    {"envoy.config.core.v3.ConfigSource",
     " ads self path path_config_source api_config_source resource_api_version "
     "initial_fetch_timeout "},
    {"envoy.config.core.v3.ApiConfigSource",
     " api_type transport_api_version grpc_services set_node_on_first_message_only "},
    {"envoy.config.core.v3.GrpcService", " envoy_grpc initial_metadata timeout "},
    {"envoy.config.core.v3.GrpcService.EnvoyGrpc", " cluster_name authority "},
    {"envoy.config.core.v3.DataSource", " filename inline_bytes inline_string "},
    {"envoy.config.core.v3.SocketAddress", " protocol address port_value "},
    {"envoy.config.core.v3.HttpProtocolOptions",
     " idle_timeout max_connection_duration max_stream_duration max_requests_per_connection "
     "max_headers_count headers_with_underscores_action "},
    {"envoy.config.core.v3.Http1ProtocolOptions", " accept_http_10 "},
    {"envoy.config.core.v3.Http2ProtocolOptions",
     " hpack_table_size max_concurrent_streams initial_stream_window_size "
     "initial_connection_window_size allow_connect max_outbound_frames "
     "max_outbound_control_frames max_consecutive_inbound_frames_with_empty_payload "
     "max_inbound_priority_frames_per_stream max_inbound_window_update_frames_per_data_frame_sent "
     "stream_error_on_invalid_http_messaging override_stream_error_on_invalid_http_message "
     "connection_keepalive use_oghttp2_codec "},
    {"envoy.config.listener.v3.Listener",
     " name address filter_chains default_filter_chain use_original_dst listener_filters "
     "listener_filters_timeout continue_on_listener_filters_timeout bind_to_port enable_reuse_port "
     "traffic_direction metadata stat_prefix per_connection_buffer_limit_bytes tcp_backlog_size "},
    {"envoy.config.listener.v3.FilterChain",
     " filter_chain_match filters transport_socket transport_socket_connect_timeout name "
     "metadata "},
    {"envoy.config.listener.v3.FilterChainMatch",
     " destination_port server_names transport_protocol application_protocols "},
    {"envoy.config.listener.v3.Filter", " name typed_config "},
    {"envoy.config.listener.v3.ListenerFilter", " name typed_config filter_disabled "},
    {"envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
     " allow_requests_without_proxy_protocol disallowed_versions "},
    {"envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
     " config transport_socket "},
    {"envoy.config.core.v3.ProxyProtocolConfig", " version "},
    {"envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector",
     " initial_read_buffer_size "},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
     " codec_type stat_prefix rds route_config http_filters common_http_protocol_options "
     "http_protocol_options http2_protocol_options server_name stream_idle_timeout drain_timeout "
     "request_headers_timeout access_log use_remote_address generate_request_id "
     "preserve_external_request_id always_set_request_id_in_response upgrade_configs "
     "normalize_path path_with_escaped_slashes_action proxy_100_continue request_timeout "
     "merge_slashes max_request_headers_kb server_header_transformation xff_num_trusted_hops "
     "forward_client_cert_details set_current_client_cert_details tracing request_id_extension "},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
     " name typed_config is_optional disabled "},
    {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager."
     "UpgradeConfig",
     " upgrade_type enabled "},
    {"envoy.extensions.filters.http.router.v3.Router", " dynamic_stats suppress_envoy_headers "},
    {"envoy.extensions.filters.http.fault.v3.HTTPFault",
     " delay abort upstream_cluster headers max_active_faults "},
    {"envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
     " stat_prefix status token_bucket filter_enabled filter_enforced "
     "request_headers_to_add_when_not_enforced response_headers_to_add descriptors stage "
     "enable_x_ratelimit_headers vh_rate_limits always_consume_default_token_bucket "
     "rate_limited_as_resource_exhausted rate_limits max_dynamic_descriptors "},
    {"envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
     " providers rules requirement_map bypass_cors_preflight strip_failure_response stat_prefix "},
    {"envoy.extensions.filters.http.jwt_authn.v3.JwtProvider",
     " issuer audiences subjects require_expiration max_lifetime remote_jwks local_jwks forward "
     "from_headers from_params from_cookies forward_payload_header pad_forward_payload_header "
     "payload_in_metadata header_in_metadata clock_skew_seconds jwt_cache_config claim_to_headers "
     "clear_route_cache "},
    {"envoy.extensions.filters.http.jwt_authn.v3.RemoteJwks",
     " http_uri cache_duration async_fetch "},
    {"envoy.extensions.common.ratelimit.v3.RateLimitDescriptor", " entries "},
    {"envoy.config.rbac.v3.RBAC", " action policies "},
    {"envoy.config.rbac.v3.Permission",
     " and_rules or_rules any header url_path destination_ip destination_port "
     "destination_port_range metadata not_rule requested_server_name "},
    {"envoy.config.rbac.v3.Principal",
     " and_ids or_ids any authenticated source_ip direct_remote_ip remote_ip header url_path "
     "metadata not_id "},
    {"envoy.extensions.filters.http.rbac.v3.RBAC",
     " rules rules_stat_prefix shadow_rules shadow_rules_stat_prefix "},
    {"envoy.extensions.filters.http.header_mutation.v3.Mutations",
     " request_mutations response_mutations response_trailers_mutations "
     "request_trailers_mutations "},
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
     " stat_prefix cluster weighted_clusters idle_timeout access_log max_connect_attempts "},
    {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight",
     " name weight "},
    {"envoy.config.accesslog.v3.AccessLog", " name typed_config "},
    {"envoy.extensions.access_loggers.file.v3.FileAccessLog",
     " path format json_format log_format "},
    {"envoy.config.core.v3.SubstitutionFormatString",
     " text_format json_format text_format_source "},
    {"envoy.config.route.v3.RouteConfiguration",
     " name virtual_hosts request_headers_to_add request_headers_to_remove response_headers_to_add "
     "response_headers_to_remove ignore_port_in_host_matching validate_clusters metadata "
     "max_direct_response_body_size_bytes typed_per_filter_config "},
    {"envoy.config.route.v3.VirtualHost",
     " name domains routes request_headers_to_add request_headers_to_remove "
     "response_headers_to_add "
     "response_headers_to_remove retry_policy metadata typed_per_filter_config "
     "per_request_buffer_limit_bytes request_body_buffer_limit rate_limits "},
    {"envoy.config.route.v3.Route",
     " name match route redirect direct_response request_headers_to_add request_headers_to_remove "
     "response_headers_to_add response_headers_to_remove metadata decorator "
     "typed_per_filter_config per_request_buffer_limit_bytes request_body_buffer_limit "},
    {"envoy.config.route.v3.RouteMatch",
     " prefix path safe_regex connect_matcher path_separated_prefix case_sensitive headers "
     "query_parameters grpc "},
    {"envoy.config.route.v3.RouteAction",
     " cluster weighted_clusters prefix_rewrite regex_rewrite host_rewrite_literal timeout "
     "idle_timeout retry_policy upgrade_configs max_stream_duration "
     "cluster_not_found_response_code "
     "max_grpc_timeout priority rate_limits hash_policy "},
    {"envoy.config.route.v3.RateLimit", " stage actions "},
    {"envoy.config.route.v3.RouteAction.HashPolicy.Cookie", " name "},
    {"envoy.config.route.v3.RouteAction.MaxStreamDuration",
     " max_stream_duration grpc_timeout_header_max grpc_timeout_header_offset "},
    {"envoy.config.route.v3.RouteAction.UpgradeConfig", " upgrade_type enabled "},
    {"envoy.config.route.v3.RetryPolicy",
     " retry_on num_retries per_try_timeout retriable_status_codes retry_back_off "},
    {"envoy.config.route.v3.WeightedCluster", " clusters total_weight use_hash_policy "},
    {"envoy.config.route.v3.WeightedCluster.ClusterWeight",
     " name weight request_headers_to_add request_headers_to_remove response_headers_to_add "
     "response_headers_to_remove typed_per_filter_config "},
    {"envoy.config.route.v3.DirectResponseAction", " status body "},
    {"envoy.config.cluster.v3.Cluster",
     " name alt_stat_name type eds_cluster_config connect_timeout lb_policy load_assignment "
     "circuit_breakers outlier_detection typed_extension_protocol_options transport_socket "
     "transport_socket_matches dns_refresh_rate dns_lookup_family metadata least_request_lb_config "
     "common_lb_config respect_dns_ttl per_connection_buffer_limit_bytes "
     "http2_protocol_options upstream_connection_options filters "},
    {"envoy.config.cluster.v3.Filter", " name typed_config "},
    {"envoy.config.cluster.v3.Cluster.CommonLbConfig", " healthy_panic_threshold "},
    {"envoy.config.cluster.v3.Cluster.LeastRequestLbConfig", " choice_count "},
    {"envoy.config.cluster.v3.Cluster.TransportSocketMatch", " name match transport_socket "},
    {"envoy.config.cluster.v3.CircuitBreakers", " thresholds "},
    {"envoy.config.cluster.v3.CircuitBreakers.Thresholds",
     " priority max_connections max_pending_requests max_requests max_retries track_remaining "
     "retry_budget "},
    {"envoy.config.cluster.v3.OutlierDetection",
     " consecutive_5xx interval base_ejection_time max_ejection_percent enforcing_consecutive_5xx "
     "enforcing_success_rate success_rate_minimum_hosts success_rate_request_volume "
     "success_rate_stdev_factor consecutive_gateway_failure enforcing_consecutive_gateway_failure "
     "split_external_local_origin_errors consecutive_local_origin_failure "
     "enforcing_consecutive_local_origin_failure enforcing_local_origin_success_rate "
     "failure_percentage_threshold enforcing_failure_percentage "
     "enforcing_failure_percentage_local_origin failure_percentage_minimum_hosts "
     "failure_percentage_request_volume max_ejection_time max_ejection_time_jitter "
     "always_eject_one_host "},
    {"envoy.config.endpoint.v3.ClusterLoadAssignment", " cluster_name endpoints "},
    {"envoy.config.endpoint.v3.LocalityLbEndpoints",
     " locality lb_endpoints load_balancing_weight priority metadata "},
    {"envoy.config.endpoint.v3.LbEndpoint",
     " endpoint health_status metadata load_balancing_weight "},
    {"envoy.config.endpoint.v3.Endpoint", " address hostname "},
    {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
     " common_http_protocol_options explicit_http_config use_downstream_protocol_config "
     "auto_config "
     "upstream_http_protocol_options "},
    {"envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
     " common_tls_context require_client_certificate require_sni session_ticket_keys "
     "session_ticket_keys_sds_secret_config disable_stateless_session_resumption "
     "disable_stateful_session_resumption session_timeout ocsp_staple_policy "
     "full_scan_certs_on_sni_mismatch prefer_client_ciphers "},
    {"envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
     " common_tls_context sni auto_host_sni auto_sni_san_validation allow_renegotiation "
     "max_session_keys enforce_rsa_key_usage "},
    {"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext",
     " tls_params tls_certificates tls_certificate_sds_secret_configs validation_context "
     "validation_context_sds_secret_config combined_validation_context alpn_protocols "},
    {"envoy.extensions.transport_sockets.tls.v3.CommonTlsContext."
     "CombinedCertificateValidationContext",
     " default_validation_context validation_context_sds_secret_config "},
    {"envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher", " san_type matcher "},
    {"envoy.extensions.transport_sockets.tls.v3.TlsParameters",
     " tls_minimum_protocol_version tls_maximum_protocol_version cipher_suites ecdh_curves "
     "signature_algorithms "},
    {"envoy.extensions.transport_sockets.tls.v3.TlsCertificate",
     " certificate_chain private_key password ocsp_staple watched_directory "},
    {"envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext",
     " trusted_ca match_typed_subject_alt_names match_subject_alt_names verify_certificate_spki "
     "verify_certificate_hash crl only_verify_leaf_cert_crl allow_expired_certificate "
     "trust_chain_verification max_verify_depth watched_directory "},
    {"envoy.extensions.transport_sockets.tls.v3.Secret",
     " name tls_certificate validation_context session_ticket_keys "},
};

// An extension that may be left out, and is.
bool IsOptionalUnknown(const Message& message, const std::string& type) {
  const auto unknown = [](const google::protobuf::Any& any) {
    return FindExtension(any.type_url().substr(any.type_url().rfind('/') + 1)) == nullptr;
  };
  if (type == hcm::HttpFilter::descriptor()->full_name()) {
    const auto& filter = static_cast<const hcm::HttpFilter&>(message);
    return filter.is_optional() && filter.has_typed_config() && unknown(filter.typed_config());
  }
  if (type == envoy::config::route::v3::FilterConfig::descriptor()->full_name()) {
    const auto& config = static_cast<const envoy::config::route::v3::FilterConfig&>(message);
    return config.is_optional() && config.has_config() && unknown(config.config());
  }
  return false;
}

class Walk {
 public:
  std::vector<std::string> found;

  void Check(const Message& message, const std::string& path) {
    const std::string& type = message.GetDescriptor()->full_name();
    if (type == "google.protobuf.Any") {
      return CheckAny(static_cast<const google::protobuf::Any&>(message), path);
    }
    if (absl::StartsWith(type, "google.protobuf.") || type == "envoy.config.core.v3.Node") return;
    if (IsOptionalUnknown(message, type)) return;
    const auto* reflection = message.GetReflection();
    const auto& unknown = reflection->GetUnknownFields(message);
    for (int i = 0; i < unknown.field_count(); ++i) {
      found.push_back(
          absl::StrCat(path, ": field number ", unknown.field(i).number(), " of ", type));
    }
    const char* supported = nullptr;
    for (const Row& row : kRows) {
      if (type == row.message) supported = row.fields;
    }
    std::vector<const FieldDescriptor*> fields;
    reflection->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      const std::string inner =
          path.empty() ? field->name() : absl::StrCat(path, ".", field->name());
      if (supported != nullptr &&
          !absl::StrContains(supported, absl::StrCat(" ", field->name(), " "))) {
        found.push_back(inner);
        continue;
      }
      if (field->message_type() == nullptr) continue;
      if (!field->is_repeated()) {
        Check(reflection->GetMessage(message, field), inner);
        continue;
      }
      for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
        Check(reflection->GetRepeatedMessage(message, field, i), absl::StrCat(inner, "[", i, "]"));
      }
    }
  }

 private:
  void CheckAny(const google::protobuf::Any& any, const std::string& path) {
    if (DoneNatively(any)) return;
    const std::string name = TypeOf(any);
    const Message* type = FindExtension(name);
    if (type == nullptr) {
      found.push_back(absl::StrCat(path, ": extension ", name));
      return;
    }
    std::unique_ptr<Message> inner(type->New());
    if (!inner->ParseFromString(any.value())) {
      found.push_back(absl::StrCat(path, ": not a ", name));
      return;
    }
    Check(*inner, path);
  }
};

}  // namespace

std::vector<std::string> UnsupportedFields(const Message& message) {
  Walk walk;
  walk.Check(message, "");
  return walk.found;
}

}  // namespace proxy
