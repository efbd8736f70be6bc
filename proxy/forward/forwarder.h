// Joins one downstream request to an upstream stream: attempts, deadlines, retries.
#pragma once

#include <memory>
#include <string>

#include "proxy/event/event_loop.h"
#include "proxy/http/stream_info.h"
#include "proxy/route/route.h"
#include "proxy/upstream/cluster.h"

namespace proxy {

// Why no response came, as the answer that the proxy gives instead.
struct ForwardFailure {
  int status = 503;
  ResponseFlag flag = ResponseFlag::kUpstreamConnectFailure;
  absl::string_view details;  // Static text, Envoy's response_code_details.
  std::string body;
  bool overloaded = false;  // Adds x-envoy-overloaded.
};

// Who asked for forwarding. One of: OnResponse..., complete; or OnForwardFailed (before a head);
// or OnResponseReset (after a head). The last two end it.
class ForwardEvents {
 public:
  virtual ~ForwardEvents() = default;
  virtual void OnResponseInformational(ResponseHead head) = 0;
  virtual void OnResponseHead(ResponseHead head, bool last) = 0;
  virtual void OnResponseData(absl::string_view data, bool last) = 0;
  virtual void OnResponseTrailers(Headers trailers) = 0;
  virtual void OnResponseReset() = 0;
  virtual void OnForwardFailed(const ForwardFailure& failure) = 0;
  // The upstream takes no more for now / again.
  virtual void OnUpstreamWriteHigh() = 0;
  virtual void OnUpstreamWriteLow() = 0;
};

// What one forwarding needs; all borrowed things outlive it.
struct ForwardContext {
  EventLoop& loop;
  std::shared_ptr<Cluster> cluster;
  const ForwardAction& action;
  const RetryPolicy* retry;  // Null: none.
  absl::Duration timeout;    // Zero: none.
  Address wanted;            // Original destination; may be empty.
  HttpVersion downstream_version;
  const UpstreamAlpn* alpn;  // Null: as the cluster says.
  StreamInfo& info;
};

// One request's forwarding. Loop thread only. After an ending event no more calls are made.
class Forwarder final : private ResponseEvents, private StreamWaiter {
 public:
  Forwarder(ForwardContext context, ForwardEvents& events);
  ~Forwarder() override;

  // Begins. `head` must live as long as the forwarder.
  void Start(const RequestHead& head, bool last);
  void SendData(absl::string_view data, bool last);
  void SendTrailers(Headers trailers);
  // The downstream takes no more for now / again.
  void PauseResponse();
  void ResumeResponse();

  // Request bodies longer than this cannot be sent again.
  static constexpr size_t kReplayBytesMax = 64 * 1024;

 private:
  void OnHead(ResponseHead head, bool last) override;
  void OnData(absl::string_view data, bool last) override;
  void OnTrailers(Headers trailers) override;
  void OnReset(ResetReason reason) override;
  void OnInformational(ResponseHead head) override;
  void OnWriteHigh() override;
  void OnWriteLow() override;
  void OnStreamReady(ClientCodec& codec, const Connection& connection, bool reused) override;
  void OnStreamFailed(PoolFailure failure, absl::string_view why) override;

  void Attempt();
  // The pool of the host in use whose connections suit the request.
  Pool& PoolFor(Cluster& cluster, bool http2);
  void EndAttempt();
  void Complete();
  // True if another attempt was begun or scheduled instead of failing.
  bool RetryInstead(uint32_t cause, bool free_of_charge);
  bool TakeRetry();
  uint32_t CausesOf(const ResponseHead& head) const;
  void Fail(ForwardFailure failure);
  std::string ResetText(absl::string_view reason) const;
  void OnTimeout(bool per_try);
  void RequestSent();

  ForwardContext context_;
  ForwardEvents& events_;
  const RequestHead* head_ = nullptr;
  Timer deadline_;
  Timer per_try_;
  Timer backoff_;
  Host* host_ = nullptr;  // Of the current attempt.
  const Host* failed_host_ = nullptr;
  Pool* pool_ = nullptr;  // While waiting for a stream.
  RequestSender* sender_ = nullptr;
  std::string replay_;  // The body so far, for sending it (again).
  Headers trailers_;
  bool has_trailers_ = false;
  bool replayable_ = true;     // replay_ holds all of the body that has come.
  bool request_done_ = false;  // Downstream has sent everything.
  bool response_begun_ = false;
  bool reused_ = false;
  bool http2_ = false;  // Towards the upstream: a refused stream is provably not processed.
  bool done_ = false;
  bool requests_taken_ = false;
  bool retry_taken_ = false;
  uint32_t resent_ = 0;  // Times that a request was sent again because it had not been delivered.
  uint32_t retries_ = 0;
  int pauses_ = 0;
};

}  // namespace proxy
