// Chooses how an endpoint is spoken to.
#include <algorithm>

#include "proxy/upstream/pool.h"

namespace proxy {

std::unique_ptr<Transport> NewUpstreamTransport(const ClusterConfig& config,
                                                const EndpointConfig& endpoint, Cell* stats,
                                                absl::string_view& why) {
  const TlsSlot* slot = config.tls.get();
  for (const TransportChoice& choice : config.transports) {
    if (std::includes(endpoint.labels.begin(), endpoint.labels.end(), choice.labels.begin(),
                      choice.labels.end())) {
      slot = choice.tls.get();
      break;
    }
  }
  if (slot == nullptr) return NewRawTransport();
  const std::shared_ptr<const TlsContext> context = slot->Get();
  if (context == nullptr) {
    why = "TLS secrets are not known yet";
    return nullptr;
  }
  return context->NewClient(context->config().sni_of_endpoint ? endpoint.name : "", {},
                            {.cells = stats + kClusterTls});
}

}  // namespace proxy
