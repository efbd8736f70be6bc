// HTTP filters: what one may see and change of a stream, and what its host does for it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/string_view.h>

#include "proxy/event/event_loop.h"
#include "proxy/http/headers.h"
#include "proxy/http/side_call.h"
#include "proxy/http/stream_info.h"
#include "proxy/net/transport.h"

namespace proxy {

struct Route;  // route/route.h
struct VirtualHost;

// What becomes of the part of a message that a filter was just shown.
enum class Next : uint8_t {
  kContinue,  // Hand this part, and all that is held before it, to the next filter now.
  kCollect,   // Hold it and show me the next part. Beyond the buffer limit: 413 (answers: 500).
  kPause,     // Hold it and all that follows until Resume...() or Reply(). Beyond the buffer limit
              // the peer is not read.
};

// One step of a request's way. One instance serves one stream, on that stream's loop. Each part is
// shown once and in order: head, data*, trailers?. `last`: the message ends with this part.
// Requests pass the filters in the listed order, answers in reverse, also those made by the proxy.
// A filter may see an answer without having seen the request (an earlier filter answered).
class Filter {
 public:
  virtual ~Filter() = default;
  virtual Next OnRequestHead(RequestHead& /*head*/, bool /*last*/) { return Next::kContinue; }
  // `data` may be pointed at bytes of the filter's own, which must then stay as they are until its
  // next call; a filter that changes lengths has set the head's content_length to nullopt before.
  virtual Next OnRequestData(absl::string_view& /*data*/, bool /*last*/) { return Next::kContinue; }
  // Bytes put into `data` go out before the trailers.
  virtual Next OnRequestTrailers(Headers& /*trailers*/, std::string& /*data*/) {
    return Next::kContinue;
  }
  virtual Next OnResponseHead(ResponseHead& /*head*/, bool /*last*/) { return Next::kContinue; }
  virtual Next OnResponseData(absl::string_view& /*data*/, bool /*last*/) {
    return Next::kContinue;
  }
  virtual Next OnResponseTrailers(Headers& /*trailers*/, std::string& /*data*/) {
    return Next::kContinue;
  }
  // Once, and last: the stream is over, for whatever reason.
  virtual void OnStreamEnd(const StreamInfo& /*info*/) {}
};

// An answer in place of the upstream's. gRPC requests get it as trailers-only (200, grpc-status).
struct FilterReply {
  int status = 403;           // 200..599
  absl::string_view details;  // %RESPONSE_CODE_DETAILS%; copied.
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};  // Lower-case names.
  std::optional<int> grpc_status = {};                            // Instead of `status` mapped.
};

// A route's, virtual host's or weighted cluster's own settings of one filter. Immutable.
class RouteFilterConfig {
 public:
  virtual ~RouteFilterConfig() = default;
};
// Those of one filter that apply to a request, the most specific first.
using RouteFilterConfigs = std::span<const RouteFilterConfig* const>;

// What a stream offers one of its filters. Lives as long as the filter. Loop thread only.
class FilterHost {
 public:
  virtual ~FilterHost() = default;
  virtual EventLoop& loop() = 0;
  // Index of this thread's stats shards.
  virtual size_t worker() const = 0;
  virtual StreamInfo& info() = 0;
  virtual RequestHead& request() = 0;
  // What was chosen when the filters were made; null if nothing fits.
  virtual const Route* route() = 0;
  virtual const VirtualHost* virtual_host() = 0;
  // Of the client's connection; null in tests.
  virtual const Transport* transport() = 0;
  // After kPause (or kCollect): what is held goes on with the next filter. Never from within the
  // call that returns kPause.
  virtual void ResumeRequest() = 0;
  virtual void ResumeResponse() = 0;
  // Ends the request with this answer; from within a callback, return kPause after it. Once a head
  // has gone to the client it resets the stream instead.
  virtual void Reply(FilterReply reply) = 0;
  // Bytes that may be held of the request's body. Default: the listener's
  // per_connection_buffer_limit_bytes.
  virtual void SetRequestBufferMax(size_t bytes) = 0;
  // The route is chosen anew, by the head as it is when the last filter has seen it.
  virtual void ClearRoute() = 0;
  // Requests of the filter's own to clusters.
  virtual SideCalls& side_calls() = 0;
};

// Makes a filter for one stream; null if this filter has nothing to do with it. `routes` may be
// empty. Any thread; called on the stream's loop.
using FilterFactory =
    std::function<std::unique_ptr<Filter>(FilterHost& host, RouteFilterConfigs routes)>;

// One filter of a connection manager, in order.
struct FilterEntry {
  std::string name;  // By which routes configure it (typed_per_filter_config).
  FilterFactory make;
  bool disabled = false;  // Runs only where a route has settings for it.
};

}  // namespace proxy
