// What a route changes in a request, and small facts about answers.
#pragma once

#include <string>

#include <absl/time/time.h>

#include "proxy/exchange/config.h"
#include "proxy/http/headers.h"
#include "proxy/route/route.h"

namespace proxy {

// Applies the route's path and host rewrites; new bytes live in the head's arena. `tell`: what
// stood there before goes into x-envoy-original-path and x-envoy-original-host.
void RewriteRequest(const Route& route, bool tell, RequestHead& head);
// The client's address: `direct`, or as X-Forwarded-For has it. With use_remote_address the entry
// that the trusted hops wrote; without, the last entry, or as many before it as hops are trusted
// (Envoy, "X-Forwarded-For").
Address ClientAddress(const HttpConfig& config, const Headers& headers, const Address& direct);
// The Location of a redirect.
std::string RedirectLocation(const RedirectAction& action, const Route& route,
                             const RequestHead& head);
// The route's timeout; for gRPC, where the route has max_grpc_timeout, grpc-timeout instead, cut to
// that. Zero: none.
absl::Duration RequestTimeout(const ForwardAction& action, const RequestHead& head);
// How long the whole stream may take: grpc-timeout where the route obeys it so, else what the route
// or the listener (`otherwise`) says. Zero: no bound.
absl::Duration StreamDuration(const ForwardAction* action, const RequestHead& head,
                              absl::Duration otherwise);
// gRPC's status for an HTTP status that a proxy made (gRPC "HTTP to gRPC Status Code Mapping").
int GrpcStatusOf(int http_status);
// Text as a grpc-message: bytes outside of printable ASCII, and '%', as %XX.
std::string GrpcMessage(absl::string_view text);
// `now` as an IMF-fixdate (RFC 9110 §5.6.7), formatted once a second per thread.
absl::string_view HttpDate(absl::Time now, Arena& arena);

}  // namespace proxy
