// Listeners as configured.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/time/time.h>

#include "proxy/net/address.h"
#include "proxy/stats/stats.h"
#include "proxy/tls/context.h"

namespace proxy {

struct HttpConfig;  // exchange/config.h
struct TcpConfig;

// What must hold for a connection to get a chain; an empty criterion holds for all.
struct ChainMatch {
  uint16_t destination_port = 0;
  std::vector<std::string> server_names;  // Exact or "*.suffix", lower case.
  std::string transport_protocol;         // "raw_buffer" or "tls".
  std::vector<std::string> alpn;          // What the inspectors saw the client offer.
};

struct FilterChain {
  std::string name;
  ChainMatch match;
  std::shared_ptr<const TlsSlot> tls;      // Null: plain bytes.
  std::shared_ptr<const HttpConfig> http;  // Exactly one of the two.
  std::shared_ptr<const TcpConfig> tcp;
  absl::Duration handshake_timeout = absl::Seconds(10);  // transport_socket_connect_timeout
  // Equal for chains of one listener that take the same connections with the same transport: what
  // else changes reaches open connections too.
  uint64_t identity = 0;
};

// The proxy_protocol listener filter.
struct ProxyProtocolRules {
  bool required = true;  // False: streams without a header are taken as they are.
  bool version_ok[3] = {false, true, true};
};
// Pure; any thread.
using PortPredicate = std::function<bool(uint16_t port)>;

struct ListenerConfig {
  std::string name;
  Address address;
  bool bind = true;  // False: reached only by hand-over from use_original_dst.
  bool use_original_dst = false;
  bool asks_original_dst = false;  // The original_dst listener filter is set.
  bool inspects_tls = false;
  bool inspects_http = false;
  std::optional<ProxyProtocolRules> proxy_protocol;
  PortPredicate tls_not_inspected, http_not_inspected;  // Destination ports; null: none.
  bool reuse_port = true;
  absl::Duration sniff_timeout = absl::Seconds(15);
  bool continue_on_timeout = false;
  std::vector<FilterChain> chains;
  std::optional<FilterChain> default_chain;
  std::shared_ptr<Scope> stats;
  uint64_t hash = 0;  // Of the serialized resource.
};

}  // namespace proxy
