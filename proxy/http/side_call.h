// Requests that filters send to other services: authorization, rate limits, keys.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include "proxy/http/headers.h"

namespace proxy {

struct SideRequest {
  std::string cluster;
  RequestHead
      head;  // Method, path, authority and headers; the length is set by the caller of Start.
  std::string body = {};
  absl::Duration timeout = absl::Seconds(1);  // Zero: none.
  size_t answer_bytes_max = 1024 * 1024;      // A longer answer is a failure.
};

// Who asked. Exactly one of the two is called, never before Start() has returned.
class SideCallEvents {
 public:
  virtual ~SideCallEvents() = default;
  virtual void OnSideResponse(ResponseHead head, std::string body, Headers trailers) = 0;
  // No answer, or not all of it; `why` is for logs.
  virtual void OnSideFailure(absl::string_view why) = 0;
};

// A call under way. Destroying it gives it up: no event follows. Loop thread only.
class SideCall {
 public:
  virtual ~SideCall() = default;
};

class SideCalls {
 public:
  virtual ~SideCalls() = default;
  // `events` must outlive the result.
  virtual std::unique_ptr<SideCall> Start(SideRequest request, SideCallEvents& events) = 0;
  // A call that belongs to no stream: `done` is called once, not before this returns, with the
  // answer's status (0: none) and body; or never, if the worker ends first.
  virtual void StartDetached(SideRequest request,
                             std::function<void(int status, std::string body)> done) = 0;
};

}  // namespace proxy
