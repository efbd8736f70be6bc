// Chooses how an endpoint is spoken to.
#include <algorithm>
#include <utility>

#include "proxy/net/proxy_protocol.h"
#include "proxy/upstream/pool.h"

namespace proxy {

std::unique_ptr<Transport> NewUpstreamTransport(const ClusterConfig& config,
                                                const EndpointConfig& endpoint,
                                                const TlsClientOptions& options, Cell* stats,
                                                absl::string_view& why, const StreamEnds& ends) {
  const TlsSlot* slot = config.tls.get();
  for (const TransportChoice& choice : config.transports) {
    if (std::includes(endpoint.labels.begin(), endpoint.labels.end(), choice.labels.begin(),
                      choice.labels.end())) {
      slot = choice.tls.get();
      break;
    }
  }
  std::unique_ptr<Transport> transport;
  if (slot == nullptr) {
    transport = NewRawTransport();
  } else {
    const std::shared_ptr<const TlsContext> context = slot->Get();
    if (context == nullptr) {
      why = "TLS secrets are not known yet";
      return nullptr;
    }
    const TlsContextConfig& own = context->config();
    TlsClientOptions all = options;
    if (all.sni.empty() && own.sni_of_endpoint) all.sni = endpoint.name;
    if (config.auto_protocol && all.alpn.empty() && own.alpn.empty()) {
      all.alpn = {"h2", "http/1.1"};
    }
    transport = context->NewClient(all, {.cells = stats + kClusterTls});
  }
  if (config.proxy_protocol == 0) return transport;
  return SayFirst(WriteProxyHeader(config.proxy_protocol, ends.source, ends.destination),
                  std::move(transport));
}

}  // namespace proxy
