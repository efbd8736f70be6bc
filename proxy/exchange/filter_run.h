// The filters of one stream: carries both messages past them, holding what a filter holds.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "proxy/http/filter.h"

namespace proxy {

// What a stream does with what has come past its filters, and what it lends them.
class FilterStream {
 public:
  virtual ~FilterStream() = default;
  virtual EventLoop& loop() = 0;
  virtual size_t worker() const = 0;
  virtual StreamInfo& info() = 0;
  virtual RequestHead& request() = 0;
  virtual const Route* route() = 0;
  virtual const VirtualHost* virtual_host() = 0;
  virtual const Transport* transport() = 0;
  virtual ResponseHead& response() = 0;
  virtual SideCalls& side_calls() = 0;

  virtual void OnFilteredRequestHead(bool last) = 0;
  virtual void OnFilteredRequestData(absl::string_view data, bool last) = 0;
  virtual void OnFilteredRequestTrailers(Headers trailers) = 0;
  virtual void OnFilteredResponseHead(bool last) = 0;
  virtual void OnFilteredResponseData(absl::string_view data, bool last) = 0;
  virtual void OnFilteredResponseTrailers(Headers trailers) = 0;

  // A filter answers, or clears the route, or begins to collect the request's body.
  virtual void OnFilterReply(FilterReply reply) = 0;
  virtual void OnClearRoute() = 0;
  virtual void OnCollectRequest() = 0;
  // More of a message was to be held than may be.
  virtual void OnFilterOverflow(bool of_request) = 0;
  // So much is held that the message's source should wait, or may go on.
  virtual void OnFilterPressure(bool of_request, bool high) = 0;
};

// Loop thread only. After Stop...() nothing of that message goes on.
class FilterRun {
 public:
  // Makes the stream's filters. `lookup(entry, found)` puts the routes' settings for an entry into
  // `found`, the most specific first, and says whether the entry runs.
  using RouteLookup =
      std::function<bool(const FilterEntry& entry, std::vector<const RouteFilterConfig*>& found)>;
  FilterRun(FilterStream& stream, std::span<const FilterEntry> entries, size_t buffer_max,
            const RouteLookup& lookup);
  ~FilterRun();

  void RequestHead(bool last) { PushHead(kRequest, 0, last); }
  void RequestData(absl::string_view data, bool last) { PushData(kRequest, 0, data, last); }
  void RequestTrailers(Headers trailers) { PushTrailers(kRequest, 0, std::move(trailers)); }
  void ResponseHead(bool last);
  void ResponseData(absl::string_view data, bool last) { PushData(kResponse, 0, data, last); }
  void ResponseTrailers(Headers trailers) { PushTrailers(kResponse, 0, std::move(trailers)); }
  void StopRequest();
  void StopResponse();
  // Tells every filter that the stream is over.
  void End(const StreamInfo& info);
  // A response has begun to pass.
  bool response_seen() const { return response_seen_; }
  bool response_stopped() const { return lanes_[kResponse].stopped; }
  size_t size() const { return slots_.size(); }

 private:
  enum Way : uint8_t { kRequest, kResponse };
  // What a filter holds of one message.
  struct Hold {
    Next how = Next::kPause;
    bool head = false;
    bool last = false;         // The message ends with what is held, before `trailers`.
    bool last_unseen = false;  // The filter has not been shown that end.
    std::string seen;          // Bytes that it was shown and held.
    std::string unseen;        // Bytes that came while it paused.
    std::optional<Headers> trailers;
    bool trailers_unseen = false;
  };
  struct Slot;
  struct Lane {
    bool stopped = false;
    bool high = false;
    size_t held = 0;  // Bytes, over all slots.
    size_t held_max = 0;
  };

  Slot& At(Way way, size_t step);
  void PushHead(Way way, size_t step, bool last);
  void PushData(Way way, size_t step, absl::string_view data, bool last);
  void PushTrailers(Way way, size_t step, Headers trailers);
  Hold& HoldAt(Way way, Slot& slot, Next how);
  // False: over the limit, the stream has been told.
  bool Keep(Way way, Hold& hold, std::string& into, absl::string_view data);
  void Release(Way way, size_t step);
  void Resume(Way way, Slot& slot);
  void Relax(Way way);
  void Stop(Way way);

  FilterStream& stream_;
  std::vector<std::unique_ptr<Slot>> slots_;
  Lane lanes_[2];
  bool response_seen_ = false;
  bool ended_ = false;
};

}  // namespace proxy
