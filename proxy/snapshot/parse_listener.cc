// Listeners with their filter chains, HTTP connection managers and TCP proxies.
#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <xxhash.h>

#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb.h"
#include "proxy/filters/filters.h"
#include "proxy/snapshot/native.h"
#include "proxy/snapshot/parse.h"
#include "proxy/snapshot/supported.h"
#include "proxy/stats/names.h"

namespace proxy {
namespace {

namespace core = envoy::config::core::v3;
namespace listener = envoy::config::listener::v3;
namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
namespace tcp = envoy::extensions::filters::network::tcp_proxy::v3;
namespace inspectors = envoy::extensions::filters::listener;
using envoy::extensions::access_loggers::file::v3::FileAccessLog;
using envoy::extensions::request_id::uuid::v3::UuidRequestIdConfig;

absl::Status Bad(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

absl::Status AddFormat(absl::string_view text, std::shared_ptr<const Format>& to) {
  auto format = Format::Parse(text);
  if (!format.ok()) return format.status();
  to = std::make_shared<const Format>(*std::move(format));
  return absl::OkStatus();
}

absl::Status ReadJson(const google::protobuf::Struct& json, AccessLog& log) {
  for (const auto& [key, value] :
       std::map<std::string, google::protobuf::Value>(json.fields().begin(), json.fields().end())) {
    if (value.kind_case() != google::protobuf::Value::kStringValue) {
      return Bad("json_format", absl::StrCat("'", key, "': only strings are supported"));
    }
    std::shared_ptr<const Format> format;
    if (absl::Status s = AddFormat(value.string_value(), format); !s.ok()) return s;
    log.json.emplace_back(key, std::move(format));
  }
  return absl::OkStatus();
}

absl::Status ReadAccessLog(const envoy::config::accesslog::v3::AccessLog& proto,
                           ParseContext& context, std::vector<AccessLog>& logs) {
  FileAccessLog file;
  if (!proto.typed_config().UnpackTo(&file)) {
    return Bad("access_log", absl::StrCat("'", proto.name(), "': only FileAccessLog is supported"));
  }
  AccessLog log;
  std::shared_ptr<LogSink>& sink = context.sinks[file.path()];
  if (sink == nullptr) {
    auto opened = OpenFileSink(file.path());
    if (!opened.ok()) return opened.status();
    sink = *std::move(opened);
  }
  log.sink = sink;
  absl::Status read;
  if (file.has_json_format()) {
    read = ReadJson(file.json_format(), log);
  } else if (file.log_format().has_json_format()) {
    read = ReadJson(file.log_format().json_format(), log);
  } else {
    std::string text = file.format();
    if (file.log_format().has_text_format_source())
      text = file.log_format().text_format_source().inline_string();
    if (!file.log_format().text_format().empty()) text = file.log_format().text_format();
    read = AddFormat(text.empty() ? kDefaultLogFormat : text, log.text);
  }
  logs.push_back(std::move(log));
  return read;
}

absl::Status ReadUpgrades(const hcm::HttpConnectionManager& proto, HttpConfig& config) {
  for (const auto& upgrade : proto.upgrade_configs()) {
    if (upgrade.upgrade_type().empty()) return Bad("upgrade_configs", "upgrade_type: empty");
    config.upgrades.push_back({.type = upgrade.upgrade_type(),
                               .enabled = !upgrade.has_enabled() || upgrade.enabled().value()});
  }
  return absl::OkStatus();
}

// Limits in time and number, and what becomes of odd names and paths.
absl::Status ReadLimits(const hcm::HttpConnectionManager& proto, HttpConfig& config) {
  const auto& common = proto.common_http_protocol_options();
  if (common.has_idle_timeout()) config.idle_timeout = ToDuration(common.idle_timeout());
  if (common.has_max_connection_duration())
    config.connection_duration_max = ToDuration(common.max_connection_duration());
  if (common.has_max_stream_duration())
    config.stream_duration_max = ToDuration(common.max_stream_duration());
  if (common.has_max_headers_count())
    config.limits.header_count_max = common.max_headers_count().value();
  config.requests_per_connection_max = common.max_requests_per_connection().value();
  config.limits.requests_max = config.requests_per_connection_max;
  using Underscores = CodecLimits::Underscores;
  static constexpr Underscores kActions[] = {Underscores::kAllow, Underscores::kReject,
                                             Underscores::kDrop};
  const int action = common.headers_with_underscores_action();
  if (action < 0 || action > 2) return Bad("headers_with_underscores_action", "is unknown");
  config.limits.underscores = kActions[action];
  if (proto.has_stream_idle_timeout())
    config.stream_idle_timeout = ToDuration(proto.stream_idle_timeout());
  if (proto.has_request_timeout()) config.request_timeout = ToDuration(proto.request_timeout());
  if (proto.has_request_headers_timeout())
    config.request_headers_timeout = ToDuration(proto.request_headers_timeout());
  if (proto.has_drain_timeout()) config.drain_timeout = ToDuration(proto.drain_timeout());
  if (proto.has_max_request_headers_kb()) {
    const uint32_t kilobytes = proto.max_request_headers_kb().value();
    if (kilobytes == 0 || kilobytes > 8192) return Bad("max_request_headers_kb", "not in 1..8192");
    config.limits.head_bytes_max = kilobytes * 1024;
  }
  return absl::OkStatus();
}

absl::Status ReadPathRules(const hcm::HttpConnectionManager& proto, PathRules& rules) {
  using Slashes = PathRules::EscapedSlashes;
  rules.normalize = proto.normalize_path().value();
  rules.merge_slashes = proto.merge_slashes();
  switch (proto.path_with_escaped_slashes_action()) {
    case hcm::HttpConnectionManager::IMPLEMENTATION_SPECIFIC_DEFAULT:
    case hcm::HttpConnectionManager::KEEP_UNCHANGED: rules.escaped_slashes = Slashes::kKeep; break;
    case hcm::HttpConnectionManager::REJECT_REQUEST:
      rules.escaped_slashes = Slashes::kReject;
      break;
    case hcm::HttpConnectionManager::UNESCAPE_AND_REDIRECT:
      rules.escaped_slashes = Slashes::kRedirect;
      break;
    case hcm::HttpConnectionManager::UNESCAPE_AND_FORWARD:
      rules.escaped_slashes = Slashes::kForward;
      break;
    default: return Bad("path_with_escaped_slashes_action", "is unknown");
  }
  return absl::OkStatus();
}

absl::Status ReadHttpFilters(const hcm::HttpConnectionManager& proto, ParseContext& parse,
                             HttpConfig& config) {
  FilterContext context{.stats = parse.stats, .stat_prefix = proto.stat_prefix()};
  bool router = false;
  for (const auto& filter : proto.http_filters()) {
    if (router) return Bad("http_filters", "the router must be the last filter");
    envoy::extensions::filters::http::router::v3::Router options;
    router = filter.typed_config().UnpackTo(&options);
    config.suppress_envoy_headers = options.suppress_envoy_headers();
    if (router || DoneNatively(filter.typed_config())) continue;
    const auto alpn = ReadAlpnOverride(filter.typed_config(), config);
    if (!alpn.ok()) return alpn.status();
    if (*alpn) continue;
    const std::string& url = filter.typed_config().type_url();
    const std::string name = url.substr(url.rfind('/') + 1);
    const FilterType* type = FindFilter(name);
    if (type == nullptr && filter.is_optional()) continue;
    const std::string where = absl::StrCat("http_filters['", filter.name(), "']");
    if (type == nullptr || type->config->GetDescriptor()->full_name() != name) {
      return Bad(where, absl::StrCat("'", name, "' is not supported"));
    }
    std::unique_ptr<google::protobuf::Message> message(type->config->New());
    if (!message->ParseFromString(filter.typed_config().value())) {
      return Bad(where, "not well-formed");
    }
    auto made = type->parse(*message, context);
    if (!made.ok()) return Bad(where, made.status().message());
    config.filters.push_back({filter.name(), *std::move(made), filter.disabled()});
  }
  return router ? absl::OkStatus() : Bad("http_filters", "the last filter must be the router");
}

absl::Status ReadClientCert(const hcm::HttpConnectionManager& proto, HttpConfig& config) {
  using Mode = ClientCertConfig::Mode;
  switch (proto.forward_client_cert_details()) {
    case hcm::HttpConnectionManager::SANITIZE: break;
    case hcm::HttpConnectionManager::FORWARD_ONLY: config.client_cert.mode = Mode::kForward; break;
    case hcm::HttpConnectionManager::APPEND_FORWARD: config.client_cert.mode = Mode::kAppend; break;
    case hcm::HttpConnectionManager::SANITIZE_SET: config.client_cert.mode = Mode::kSet; break;
    case hcm::HttpConnectionManager::ALWAYS_FORWARD_ONLY:
      config.client_cert.mode = Mode::kAlwaysForward;
      break;
    default: return Bad("forward_client_cert_details", "unknown value");
  }
  const auto& set = proto.set_current_client_cert_details();
  config.client_cert.subject = set.subject().value();
  config.client_cert.cert = set.cert();
  config.client_cert.chain = set.chain();
  config.client_cert.dns = set.dns();
  config.client_cert.uri = set.uri();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const HttpConfig>> ParseHttp(const hcm::HttpConnectionManager& proto,
                                                            const listener::Listener& of,
                                                            ParseContext& context) {
  auto config = std::make_shared<HttpConfig>();
  config->stat_prefix = proto.stat_prefix();
  config->stats = context.stats.Get(kHttpScope, proto.stat_prefix());
  switch (proto.codec_type()) {
    case hcm::HttpConnectionManager::AUTO: break;
    case hcm::HttpConnectionManager::HTTP1: config->codec = HttpConfig::Codec::kHttp1; break;
    case hcm::HttpConnectionManager::HTTP2: config->codec = HttpConfig::Codec::kHttp2; break;
    default: return Bad("codec_type", "only AUTO, HTTP1 and HTTP2 are supported");
  }
  if (proto.has_route_config()) {
    auto routes = ParseRoutes(proto.route_config(), context);
    if (!routes.ok()) return routes.status();
    config->routes = *std::move(routes);
  } else if (proto.has_rds()) {
    config->rds_name = proto.rds().route_config_name();
    auto from = ParseConfigFrom(proto.rds().config_source(), context);
    if (!from.ok()) return Bad("rds.config_source", from.status().message());
    config->rds_from = *std::move(from);
  } else {
    return Bad("route_specifier", "needs rds or route_config");
  }
  if (absl::Status s = ReadHttpFilters(proto, context, *config); !s.ok()) return s;
  if (of.has_per_connection_buffer_limit_bytes()) {
    config->filter_buffer_max = of.per_connection_buffer_limit_bytes().value();
  }
  if (absl::Status s = ReadUpgrades(proto, *config); !s.ok()) return s;
  if (absl::Status s = ReadClientCert(proto, *config); !s.ok()) return s;
  // Without a provider nothing is traced, whatever the shares are.
  if (proto.tracing().has_provider()) return Bad("tracing.provider", "not supported");
  if (proto.has_request_id_extension() &&
      !proto.request_id_extension().typed_config().Is<UuidRequestIdConfig>())
    return Bad("request_id_extension", "only UuidRequestIdConfig is supported");
  for (const auto& log : proto.access_log()) {
    if (absl::Status s = ReadAccessLog(log, context, config->access_logs); !s.ok()) return s;
  }
  if (!proto.server_name().empty()) config->server_name = proto.server_name();
  if (proto.has_generate_request_id())
    config->generate_request_id = proto.generate_request_id().value();
  config->keep_request_id = proto.preserve_external_request_id();
  config->always_set_request_id_in_response = proto.always_set_request_id_in_response();
  config->use_remote_address = proto.use_remote_address().value();
  config->xff_trusted_hops = proto.xff_num_trusted_hops();
  config->forward_continue = proto.proxy_100_continue();
  switch (proto.server_header_transformation()) {
    case hcm::HttpConnectionManager::OVERWRITE: break;
    case hcm::HttpConnectionManager::APPEND_IF_ABSENT:
      config->server_header = HttpConfig::ServerHeader::kAppendIfAbsent;
      break;
    case hcm::HttpConnectionManager::PASS_THROUGH:
      config->server_header = HttpConfig::ServerHeader::kPassThrough;
      break;
    default: return Bad("server_header_transformation", "is unknown");
  }
  if (absl::Status s = ReadPathRules(proto, config->path); !s.ok()) return s;
  if (absl::Status s = ReadLimits(proto, *config); !s.ok()) return s;
  if (absl::Status s = ReadHttp2Options(proto.http2_protocol_options(), config->limits); !s.ok()) {
    return s;
  }
  config->limits.flush_timeout = config->stream_idle_timeout;
  config->limits.drain_timeout = config->drain_timeout;
  return std::shared_ptr<const HttpConfig>(std::move(config));
}

absl::StatusOr<std::shared_ptr<const TcpConfig>> ParseTcp(const tcp::TcpProxy& proto,
                                                          ParseContext& context) {
  auto config = std::make_shared<TcpConfig>();
  config->stat_prefix = proto.stat_prefix();
  config->stats = context.stats.Get(kTcpScope, proto.stat_prefix());
  if (proto.has_weighted_clusters()) {
    uint64_t total = 0;
    for (const auto& one : proto.weighted_clusters().clusters()) {
      config->clusters.push_back({.cluster = one.name(),
                                  .weight = one.weight(),
                                  .request_edits = {},
                                  .response_edits = {}});
      total += one.weight();
    }
    if (total == 0 || total > UINT32_MAX)
      return Bad("weighted_clusters", "the weights' sum must be in 1..4294967295");
    config->total_weight = static_cast<uint32_t>(total);
  } else {
    if (proto.cluster().empty()) return Bad("tcp_proxy", "needs cluster or weighted_clusters");
    config->clusters.push_back(
        {.cluster = proto.cluster(), .weight = 1, .request_edits = {}, .response_edits = {}});
  }
  if (proto.has_idle_timeout()) config->idle_timeout = ToDuration(proto.idle_timeout());
  if (proto.has_max_connect_attempts())
    config->connect_attempts_max = proto.max_connect_attempts().value();
  for (const auto& log : proto.access_log()) {
    if (absl::Status s = ReadAccessLog(log, context, config->access_logs); !s.ok()) return s;
  }
  return std::shared_ptr<const TcpConfig>(std::move(config));
}

// Any number of filters that are done natively, then the one that serves the connection.
absl::Status ReadNetworkFilters(const listener::FilterChain& proto, const listener::Listener& of,
                                ParseContext& context, FilterChain& chain) {
  for (int i = 0; i < proto.filters_size(); ++i) {
    const auto& any = proto.filters(i).typed_config();
    const bool last = i + 1 == proto.filters_size();
    if (!last && DoneNatively(any)) continue;
    const std::string where = absl::StrCat("filters[", i, "]");
    if (hcm::HttpConnectionManager http; any.UnpackTo(&http)) {
      auto parsed = ParseHttp(http, of, context);
      if (!parsed.ok()) return Bad("http_connection_manager", parsed.status().message());
      chain.http = *std::move(parsed);
    } else if (tcp::TcpProxy opaque; any.UnpackTo(&opaque)) {
      auto parsed = ParseTcp(opaque, context);
      if (!parsed.ok()) return Bad("tcp_proxy", parsed.status().message());
      chain.tcp = *std::move(parsed);
    } else {
      return Bad(where, absl::StrCat("'", proto.filters(i).name(), "' is not supported"));
    }
    return last ? absl::OkStatus() : Bad(where, "must be the last filter");
  }
  return Bad("filters", "at least one that serves the connection");
}

absl::Status ReadChain(const listener::FilterChain& proto, const listener::Listener& of,
                       ParseContext& context, FilterChain& chain) {
  chain.name = proto.name();
  const auto& match = proto.filter_chain_match();
  if (match.destination_port().value() > 65535) return Bad("destination_port", "above 65535");
  chain.match.destination_port = static_cast<uint16_t>(match.destination_port().value());
  for (const std::string& name : match.server_names()) {
    chain.match.server_names.push_back(absl::AsciiStrToLower(name));
  }
  chain.match.transport_protocol = match.transport_protocol();
  chain.match.alpn.assign(match.application_protocols().begin(),
                          match.application_protocols().end());
  if (proto.has_transport_socket()) {
    auto slot = ParseTransportSocket(proto.transport_socket(), true, context);
    if (!slot.ok()) return slot.status();
    chain.tls = *slot;
  }
  if (proto.has_transport_socket_connect_timeout())
    chain.handshake_timeout = ToDuration(proto.transport_socket_connect_timeout());
  listener::FilterChain bare;  // What a connection was chosen by and is bound to.
  *bare.mutable_filter_chain_match() = proto.filter_chain_match();
  *bare.mutable_transport_socket() = proto.transport_socket();
  const std::string bytes =
      absl::StrCat(of.name(), "\n", of.address().SerializeAsString(), bare.SerializeAsString());
  chain.identity = XXH64(bytes.data(), bytes.size(), 0);
  return ReadNetworkFilters(proto, of, context, chain);
}

// The ports for which a listener filter is left out.
absl::StatusOr<PortPredicate> ReadPredicate(
    const listener::ListenerFilterChainMatchPredicate& proto) {
  using Proto = listener::ListenerFilterChainMatchPredicate;
  const auto read_set = [](const Proto::MatchSet& set, bool all) -> absl::StatusOr<PortPredicate> {
    std::vector<PortPredicate> rules;
    for (const Proto& rule : set.rules()) {
      auto read = ReadPredicate(rule);
      if (!read.ok()) return read.status();
      rules.push_back(*std::move(read));
    }
    return PortPredicate([rules, all](uint16_t port) {
      const auto holds = [port](const PortPredicate& rule) { return rule(port); };
      return all ? std::all_of(rules.begin(), rules.end(), holds)
                 : std::any_of(rules.begin(), rules.end(), holds);
    });
  };
  switch (proto.rule_case()) {
    case Proto::kOrMatch: return read_set(proto.or_match(), false);
    case Proto::kAndMatch: return read_set(proto.and_match(), true);
    case Proto::kNotMatch: {
      auto inner = ReadPredicate(proto.not_match());
      if (!inner.ok()) return inner.status();
      return PortPredicate([rule = *std::move(inner)](uint16_t port) { return !rule(port); });
    }
    case Proto::kAnyMatch: return PortPredicate([](uint16_t) { return true; });
    case Proto::kDestinationPortRange: {
      const auto range = proto.destination_port_range();
      return PortPredicate(
          [range](uint16_t port) { return port >= range.start() && port < range.end(); });
    }
    default: return absl::InvalidArgumentError("filter_disabled: empty rule");
  }
}

absl::Status ReadListenerFilters(const listener::Listener& proto, ListenerConfig& config) {
  for (const auto& filter : proto.listener_filters()) {
    const auto& any = filter.typed_config();
    PortPredicate disabled;
    if (filter.has_filter_disabled()) {
      auto read = ReadPredicate(filter.filter_disabled());
      if (!read.ok()) return read.status();
      disabled = *std::move(read);
    }
    if (any.Is<inspectors::tls_inspector::v3::TlsInspector>()) {
      config.inspects_tls = true;
      config.tls_not_inspected = std::move(disabled);
    } else if (any.Is<inspectors::http_inspector::v3::HttpInspector>()) {
      config.inspects_http = true;
      config.http_not_inspected = std::move(disabled);
    } else if (inspectors::proxy_protocol::v3::ProxyProtocol proxied; any.UnpackTo(&proxied)) {
      ProxyProtocolRules& rules = config.proxy_protocol.emplace();
      rules.required = !proxied.allow_requests_without_proxy_protocol();
      for (const int version : proxied.disallowed_versions()) {
        rules.version_ok[version == core::ProxyProtocolConfig::V1 ? 1 : 2] = false;
      }
    } else if (any.Is<inspectors::original_dst::v3::OriginalDst>() && disabled == nullptr) {
      config.asks_original_dst = true;
    } else {
      return Bad("listener_filters", absl::StrCat("'", filter.name(), "' is not supported"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ListenerConfig>> ParseListener(const listener::Listener& proto,
                                                                    ParseContext& context) {
  const std::string where = absl::StrCat("listener '", proto.name(), "'");
  const auto unsupported = UnsupportedFields(proto);
  if (!unsupported.empty())
    return Bad(where, absl::StrCat("not supported: ", absl::StrJoin(unsupported, ", ")));
  auto config = std::make_shared<ListenerConfig>();
  auto address = ParseAddress(proto.address());
  if (!address.ok()) return Bad(where, address.status().message());
  config->address = *address;
  config->name = proto.name().empty() ? config->address.ToString() : proto.name();
  config->stats =
      context.stats.Get(kListenerScope, proto.stat_prefix().empty() ? config->address.ToString()
                                                                    : proto.stat_prefix());
  config->bind = !proto.has_bind_to_port() || proto.bind_to_port().value();
  config->use_original_dst = proto.use_original_dst().value();
  config->reuse_port = config->address.is_ip();
  if (proto.has_listener_filters_timeout())
    config->sniff_timeout = ToDuration(proto.listener_filters_timeout());
  config->continue_on_timeout = proto.continue_on_listener_filters_timeout();
  if (absl::Status s = ReadListenerFilters(proto, *config); !s.ok()) return Bad(where, s.message());
  for (int i = 0; i < proto.filter_chains_size(); ++i) {
    if (absl::Status s =
            ReadChain(proto.filter_chains(i), proto, context, config->chains.emplace_back());
        !s.ok()) {
      return Bad(absl::StrCat(where, ": filter_chains[", i, "]"), s.message());
    }
  }
  if (proto.has_default_filter_chain()) {
    if (absl::Status s = ReadChain(proto.default_filter_chain(), proto, context,
                                   config->default_chain.emplace());
        !s.ok()) {
      return Bad(absl::StrCat(where, ": default_filter_chain"), s.message());
    }
  }
  // Chains that can only be told apart by a ClientHello ask for the inspector, as in Envoy.
  for (const FilterChain& chain : config->chains) {
    const ChainMatch& match = chain.match;
    config->inspects_tls |=
        match.transport_protocol == "tls" ||
        (match.transport_protocol.empty() && !match.server_names.empty()) ||
        (match.transport_protocol.empty() && !match.alpn.empty() && !config->inspects_http);
  }
  if (config->chains.empty() && !config->default_chain)
    return Bad(where, "filter_chains: at least one");
  const std::string bytes = proto.SerializeAsString();
  config->hash = XXH64(bytes.data(), bytes.size(), 0);
  return std::shared_ptr<const ListenerConfig>(std::move(config));
}

}  // namespace proxy
