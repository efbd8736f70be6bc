// The list of extension messages: a new one is a line here.
#include "proxy/snapshot/extensions.h"

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "istio/envoy/config/filter/http/alpn/v2alpha1/config.pb.h"
#include "mesh/v1/identity.pb.h"
#include "proxy/filters/filters.h"
#include "udpa/type/v1/typed_struct.pb.h"
#include "xds/type/v3/typed_struct.pb.h"

namespace proxy {

const google::protobuf::Message* FindExtension(absl::string_view full_name) {
  namespace extensions = envoy::extensions;
  const google::protobuf::Message* const all[] = {
      &envoy::config::cluster::v3::Cluster::default_instance(),
      &envoy::config::endpoint::v3::ClusterLoadAssignment::default_instance(),
      &envoy::config::listener::v3::Listener::default_instance(),
      &envoy::config::route::v3::RouteConfiguration::default_instance(),
      &envoy::config::route::v3::FilterConfig::default_instance(),
      &extensions::access_loggers::file::v3::FileAccessLog::default_instance(),
      &extensions::filters::http::router::v3::Router::default_instance(),
      &extensions::filters::listener::http_inspector::v3::HttpInspector::default_instance(),
      &extensions::filters::listener::original_dst::v3::OriginalDst::default_instance(),
      &extensions::filters::listener::proxy_protocol::v3::ProxyProtocol::default_instance(),
      &extensions::filters::listener::tls_inspector::v3::TlsInspector::default_instance(),
      &extensions::filters::network::http_connection_manager::v3::HttpConnectionManager::
          default_instance(),
      &extensions::filters::network::tcp_proxy::v3::TcpProxy::default_instance(),
      &extensions::request_id::uuid::v3::UuidRequestIdConfig::default_instance(),
      &extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport::
          default_instance(),
      &extensions::resource_monitors::downstream_connections::v3::DownstreamConnectionsConfig::
          default_instance(),
      &extensions::transport_sockets::raw_buffer::v3::RawBuffer::default_instance(),
      &extensions::transport_sockets::tls::v3::DownstreamTlsContext::default_instance(),
      &extensions::transport_sockets::tls::v3::UpstreamTlsContext::default_instance(),
      &extensions::transport_sockets::tls::v3::Secret::default_instance(),
      &extensions::upstreams::http::v3::HttpProtocolOptions::default_instance(),
      &mesh::v1::WorkloadIdentity::default_instance(),
      &istio::envoy::config::filter::http::alpn::v2alpha1::FilterConfig::default_instance(),
      &udpa::type::v1::TypedStruct::default_instance(),
      &xds::type::v3::TypedStruct::default_instance(),
  };
  for (const google::protobuf::Message* one : all) {
    if (one->GetDescriptor()->full_name() == full_name) return one;
  }
  if (const FilterType* filter = FindFilter(full_name)) {
    return filter->config->GetDescriptor()->full_name() == full_name ? filter->config
                                                                     : filter->route_config;
  }
  return nullptr;
}

}  // namespace proxy
