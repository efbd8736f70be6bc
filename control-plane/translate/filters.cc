// Builds HTTP connection managers and TCP proxies.
#include "control-plane/translate/filters.h"

#include "control-plane/translate/pack.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace control {
namespace {

using envoy::config::listener::v3::Filter;

// A stream without a byte either way for so long is given up; Envoy's own default of five minutes
// ends streams of long-lived watches.
constexpr absl::Duration kStreamIdle = absl::Hours(1);

// Fields of the JSON access log: what a person asks first about a request.
constexpr const char* kHttpLog[][2] = {
    {"method", "%REQ(:METHOD)%"},
    {"path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"},
    {"protocol", "%PROTOCOL%"},
    {"authority", "%REQ(:AUTHORITY)%"},
    {"x_request_id", "%REQ(X-REQUEST-ID)%"},
    {"response_code", "%RESPONSE_CODE%"},
    {"response_code_details", "%RESPONSE_CODE_DETAILS%"},
    {"route_name", "%ROUTE_NAME%"},
};
constexpr const char* kCommonLog[][2] = {
    {"start_time", "%START_TIME%"},
    {"response_flags", "%RESPONSE_FLAGS%"},
    {"bytes_received", "%BYTES_RECEIVED%"},
    {"bytes_sent", "%BYTES_SENT%"},
    {"duration", "%DURATION%"},
    {"upstream_host", "%UPSTREAM_HOST%"},
    {"upstream_cluster", "%UPSTREAM_CLUSTER%"},
    {"downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"},
    {"downstream_peer_uri_san", "%DOWNSTREAM_PEER_URI_SAN%"},
};

template <typename Config>
void SetAccessLog(const Mesh& mesh, bool http, Config& config) {
  if (mesh.settings.access_log_path.empty()) return;
  envoy::extensions::access_loggers::file::v3::FileAccessLog file;
  file.set_path(mesh.settings.access_log_path);
  auto& fields = *file.mutable_log_format()->mutable_json_format()->mutable_fields();
  if (http) {
    for (const auto& [name, value] : kHttpLog) fields[name].set_string_value(value);
  }
  for (const auto& [name, value] : kCommonLog) fields[name].set_string_value(value);
  auto& log = *config.add_access_log();
  log.set_name("envoy.access_loggers.file");
  *log.mutable_typed_config() = Pack(file);
}

void AddRouter(HttpConnectionManager& manager) {
  auto& router = *manager.add_http_filters();
  router.set_name("envoy.filters.http.router");
  *router.mutable_typed_config() = Pack(envoy::extensions::filters::http::router::v3::Router());
}

Filter FilterOf(const char* name, const google::protobuf::Message& config) {
  Filter filter;
  filter.set_name(name);
  *filter.mutable_typed_config() = Pack(config);
  return filter;
}

}  // namespace

HttpConnectionManager SidecarHttp(const Mesh& mesh, const std::string& stat_prefix) {
  HttpConnectionManager manager;
  manager.set_stat_prefix(stat_prefix);
  manager.set_codec_type(HttpConnectionManager::AUTO);
  manager.mutable_use_remote_address()->set_value(false);
  manager.mutable_generate_request_id()->set_value(true);
  *manager.mutable_stream_idle_timeout() = ToProto(kStreamIdle);
  manager.add_upgrade_configs()->set_upgrade_type("websocket");
  SetAccessLog(mesh, true, manager);
  AddRouter(manager);
  return manager;
}

HttpConnectionManager GrpcHttp(const std::string& route_name) {
  HttpConnectionManager manager;
  SetRds(route_name, manager);
  AddRouter(manager);
  return manager;
}

void SetRds(const std::string& route_name, HttpConnectionManager& manager) {
  manager.mutable_rds()->set_route_config_name(route_name);
  *manager.mutable_rds()->mutable_config_source() = AdsSource();
}

Filter HttpFilterOf(const HttpConnectionManager& manager) {
  return FilterOf("envoy.filters.network.http_connection_manager", manager);
}

Filter TcpFilter(const Mesh& mesh, const std::string& stat_prefix, const std::string& cluster,
                 std::optional<absl::Duration> idle) {
  envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy proxy;
  proxy.set_stat_prefix(stat_prefix);
  proxy.set_cluster(cluster);
  if (idle) *proxy.mutable_idle_timeout() = ToProto(*idle);
  SetAccessLog(mesh, false, proxy);
  return FilterOf("envoy.filters.network.tcp_proxy", proxy);
}

}  // namespace control
