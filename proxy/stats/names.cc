// The names behind the enums, in their order.
#include "proxy/stats/names.h"

namespace proxy {
namespace {

constexpr StatName kClusterNames[] = {
    {"upstream_cx_total"},
    {"upstream_cx_active", true},
    {"upstream_cx_connect_fail"},
    {"upstream_cx_connect_timeout"},
    {"upstream_cx_overflow"},
    {"upstream_cx_destroy_with_active_rq"},
    {"upstream_cx_http1_total"},
    {"upstream_cx_http2_total"},
    {"upstream_rq_total"},
    {"upstream_rq_active", true},
    {"upstream_rq_pending_total"},
    {"upstream_rq_pending_active", true},
    {"upstream_rq_pending_overflow"},
    {"upstream_rq_pending_failure_eject"},
    {"upstream_rq_cancelled"},
    {"upstream_rq_timeout"},
    {"upstream_rq_per_try_timeout"},
    {"upstream_rq_retry"},
    {"upstream_rq_retry_success"},
    {"upstream_rq_retry_overflow"},
    {"upstream_rq_retry_limit_exceeded"},
    {"upstream_rq_rx_reset"},
    {"upstream_rq_tx_reset"},
    {"upstream_rq_completed"},
    {"upstream_rq_1xx"},
    {"upstream_rq_2xx"},
    {"upstream_rq_3xx"},
    {"upstream_rq_4xx"},
    {"upstream_rq_5xx"},
    {"upstream_cx_none_healthy"},
    {"upstream_cx_rx_bytes_total"},
    {"upstream_cx_tx_bytes_total"},
    {"membership_total", true},
    {"membership_healthy", true},
    {"update_success"},
    {"update_rejected"},
    {"ssl.connection_error"},
    {"ssl.handshake"},
    {"ssl.session_reused"},
    {"ssl.no_certificate"},
    {"ssl.fail_verify_no_cert"},
    {"ssl.fail_verify_error"},
    {"ssl.fail_verify_san"},
    {"ssl.fail_verify_cert_hash"},
    {"ssl.versions.TLSv1.2"},
    {"ssl.versions.TLSv1.3"},
    {"ssl.handshake_timeout"},
    {"upstream_cx_max_duration_reached"},
    {"upstream_cx_max_requests"},
    {"upstream_cx_idle_timeout"},
    {"upstream_rq_resent_undelivered"},
    {"http2.goaway_sent"},
    {"http2.header_overflow"},
    {"http2.inbound_empty_frames_flood"},
    {"http2.inbound_priority_frames_flood"},
    {"http2.inbound_window_update_frames_flood"},
    {"http2.inbound_control_frames_flood"},
    {"http2.continuation_flood"},
    {"http2.reset_flood"},
    {"http2.outbound_control_flood"},
    {"http2.outbound_flood"},
    {"http2.keepalive_timeout"},
    {"http2.rx_messaging_error"},
    {"http2.rx_reset"},
    {"http2.tx_reset"},
    {"http2.stream_refused_errors"},
    {"http2.tx_flush_timeout"},
    {"http2.streams_active", true},
    {"outlier_detection.ejections_active", true},
    {"outlier_detection.ejections_overflow"},
    {"outlier_detection.ejections_enforced_total"},
    {"outlier_detection.ejections_detected_consecutive_5xx"},
    {"outlier_detection.ejections_detected_consecutive_gateway_failure"},
    {"outlier_detection.ejections_detected_success_rate"},
    {"outlier_detection.ejections_detected_consecutive_local_origin_failure"},
    {"outlier_detection.ejections_detected_local_origin_success_rate"},
    {"outlier_detection.ejections_detected_failure_percentage"},
    {"outlier_detection.ejections_detected_local_origin_failure_percentage"},
    {"outlier_detection.ejections_enforced_consecutive_5xx"},
    {"outlier_detection.ejections_enforced_consecutive_gateway_failure"},
    {"outlier_detection.ejections_enforced_success_rate"},
    {"outlier_detection.ejections_enforced_consecutive_local_origin_failure"},
    {"outlier_detection.ejections_enforced_local_origin_success_rate"},
    {"outlier_detection.ejections_enforced_failure_percentage"},
    {"outlier_detection.ejections_enforced_local_origin_failure_percentage"},
};
static_assert(std::size(kClusterNames) == kClusterStatCount);

constexpr StatName kHttp2Names[] = {
    {"goaway_sent"},
    {"header_overflow"},
    {"inbound_empty_frames_flood"},
    {"inbound_priority_frames_flood"},
    {"inbound_window_update_frames_flood"},
    {"inbound_control_frames_flood"},
    {"continuation_flood"},
    {"reset_flood"},
    {"outbound_control_flood"},
    {"outbound_flood"},
    {"keepalive_timeout"},
    {"rx_messaging_error"},
    {"rx_reset"},
    {"tx_reset"},
    {"stream_refused_errors"},
    {"tx_flush_timeout"},
    {"streams_active", true},
};
static_assert(std::size(kHttp2Names) == kHttp2StatCount);

constexpr StatName kHttpNames[] = {
    {"downstream_cx_total"},
    {"downstream_cx_active", true},
    {"downstream_rq_total"},
    {"downstream_rq_active", true},
    {"downstream_rq_1xx"},
    {"downstream_rq_2xx"},
    {"downstream_rq_3xx"},
    {"downstream_rq_4xx"},
    {"downstream_rq_5xx"},
    {"downstream_rq_rx_reset"},
    {"downstream_rq_tx_reset"},
    {"downstream_rq_timeout"},
    {"downstream_rq_idle_timeout"},
    {"downstream_rq_header_timeout"},
    {"downstream_rq_max_duration_reached"},
    {"downstream_cx_protocol_error"},
    {"downstream_cx_destroy_remote"},
    {"downstream_cx_idle_timeout"},
    {"no_route"},
    {"no_cluster"},
    {"rq_direct_response"},
    {"rq_redirect"},
    {"downstream_rq_too_large"},
    {"rs_too_large"},
    {"http1.dropped_headers_with_underscores"},
    {"http1.requests_rejected_with_underscores_in_headers"},
    {"downstream_rq_too_many_premature_resets"},
    {"downstream_cx_max_duration_reached"},
    {"downstream_cx_max_requests_reached"},
    {"downstream_rq_failed_path_normalization"},
    {"downstream_rq_redirected_with_normalized_path"},
    {"downstream_cx_upgrades_total"},
    {"downstream_cx_upgrades_active", true},
};
static_assert(std::size(kHttpNames) == kHttpStatCount);

constexpr StatName kListenerNames[] = {
    {"downstream_cx_total"},
    {"downstream_cx_active", true},
    {"no_filter_chain_match"},
    {"ssl.connection_error"},
    {"ssl.handshake"},
    {"ssl.session_reused"},
    {"ssl.no_certificate"},
    {"ssl.fail_verify_no_cert"},
    {"ssl.fail_verify_error"},
    {"ssl.fail_verify_san"},
    {"ssl.fail_verify_cert_hash"},
    {"ssl.versions.TLSv1.2"},
    {"ssl.versions.TLSv1.3"},
    {"downstream_cx_transport_socket_connect_timeout"},
    {"downstream_pre_cx_timeout"},
    {"downstream_listener_filter_remote_close"},
    {"downstream_cx_overflow"},
    {"proxy_proto.versions.v1.found"},
    {"proxy_proto.versions.v1.error"},
    {"proxy_proto.versions.v2.found"},
    {"proxy_proto.versions.v2.error"},
    {"proxy_proto.not_found_allowed"},
    {"proxy_proto.not_found_disallowed"},
};
static_assert(std::size(kListenerNames) == kListenerStatCount);

constexpr StatName kTcpNames[] = {
    {"downstream_cx_total"},          {"downstream_cx_active", true},   {"downstream_cx_no_route"},
    {"downstream_cx_rx_bytes_total"}, {"downstream_cx_tx_bytes_total"}, {"idle_timeout"},
};
static_assert(std::size(kTcpNames) == kTcpStatCount);

constexpr StatName kClusterManagerNames[] = {
    {"cds.update_success"},     {"cds.update_rejected"}, {"cluster_added"},
    {"cluster_modified"},       {"cluster_removed"},     {"active_clusters", true},
    {"warming_clusters", true},
};
static_assert(std::size(kClusterManagerNames) == kClusterManagerStatCount);

constexpr StatName kListenerManagerNames[] = {
    {"lds.update_success"},
    {"lds.update_rejected"},
    {"listener_added"},
    {"listener_modified"},
    {"listener_removed"},
    {"total_listeners_active", true},
    {"total_listeners_warming", true},
};
static_assert(std::size(kListenerManagerNames) == kListenerManagerStatCount);

constexpr StatName kControlPlaneNames[] = {{"connected_state", true}};
static_assert(std::size(kControlPlaneNames) == kControlPlaneStatCount);

constexpr StatName kSourceNames[] = {{"update_success"}, {"update_rejected"}};
static_assert(std::size(kSourceNames) == kSourceStatCount);

constexpr StatName kServerNames[] = {
    {"access_log_dropped"},
    {"xds_update_success"},
    {"xds_update_rejected"},
    {"xds_init_fetch_timeout"},
    {"downstream_global_cx_overflow"},
    {"certificates_issued"},
    {"certificate_failures"},
};
static_assert(std::size(kServerNames) == kServerStatCount);

}  // namespace

const ScopeKind kClusterScope = {"cluster", "envoy_cluster_name", kClusterNames};
const ScopeKind kHttp2Scope = {"http2", "", kHttp2Names};
const ScopeKind kHttpScope = {"http", "envoy_http_conn_manager_prefix", kHttpNames};
const ScopeKind kListenerScope = {"listener", "envoy_listener_address", kListenerNames};
const ScopeKind kTcpScope = {"tcp", "envoy_tcp_prefix", kTcpNames};
const ScopeKind kClusterManagerScope = {"cluster_manager", "", kClusterManagerNames};
const ScopeKind kListenerManagerScope = {"listener_manager", "", kListenerManagerNames};
const ScopeKind kControlPlaneScope = {"control_plane", "", kControlPlaneNames};
const ScopeKind kRdsScope = {"http", "envoy_rds_route_config", kSourceNames};
const ScopeKind kSdsScope = {"sds", "envoy_sds_secret", kSourceNames};
const ScopeKind kServerScope = {"server", "", kServerNames};

}  // namespace proxy
