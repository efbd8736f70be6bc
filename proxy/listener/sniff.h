// What the first bytes of a connection tell.
#pragma once

#include <string>
#include <vector>

#include <absl/strings/string_view.h>

#include "proxy/listener/config.h"

namespace proxy {

struct Sniffed {
  enum class Verdict : uint8_t { kNeedMore, kDone };
  Verdict verdict = Verdict::kNeedMore;
  bool tls = false;
  std::string server_name;        // SNI, lower case.
  std::vector<std::string> alpn;  // The client's list; or what the HTTP inspector found.
};

// Reads a TLS ClientHello or the start of HTTP from `bytes`, the first of a connection. Never
// fails: what is neither is opaque. `full`: no more bytes will be shown. Pure.
Sniffed Sniff(absl::string_view bytes, bool inspect_tls, bool inspect_http, bool full);

// The chain of `config` for a connection, by Envoy's rules: each criterion in turn keeps the chains
// that name the value, or else those that leave it open. Null if none is left.
const FilterChain* ChooseChain(const ListenerConfig& config, uint16_t destination_port,
                               const Sniffed& sniffed);
// Which inspectors look at connections to that port.
struct Inspection {
  bool tls, http;
};
Inspection InspectionOf(const ListenerConfig& config, uint16_t destination_port);
// True if the choice among the chains of that port depends on the connection's bytes.
bool NeedsSniffing(const ListenerConfig& config, uint16_t destination_port);

}  // namespace proxy
