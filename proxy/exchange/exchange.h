// One HTTP request's life, from its head to its log record.
#pragma once

#include <memory>
#include <optional>

#include "common/recycled.h"
#include "proxy/exchange/config.h"
#include "proxy/exchange/filter_run.h"
#include "proxy/forward/forwarder.h"

namespace proxy {

// What the requests of one downstream connection share; outlives them.
struct DownstreamInfo {
  WorkerContext& worker;
  std::shared_ptr<const HttpConfig> config;
  Cell* stats;  // HttpStat cells.
  const Connection& connection;
  Address remote;
  Address local;
  Address original_destination;  // Empty if the connection was not redirected.
  std::unique_ptr<const std::string> client_cert = nullptr;  // The element; made when first needed.
};

class Exchange;
// Owns exchanges; told when one is over so that it can be destroyed after the callback.
class ExchangeOwner {
 public:
  virtual ~ExchangeOwner() = default;
  virtual void OnExchangeDone(Exchange& exchange) = 0;
};

// Loop thread only.
class Exchange final : public RequestEvents,
                       public ForwardEvents,
                       public FilterStream,
                       public Deferred,
                       public pinnace::Recycled<Exchange> {
 public:
  Exchange(DownstreamInfo& downstream, ResponseSender& sender, ExchangeOwner& owner);
  ~Exchange() override;

  // Request side.
  void OnHead(RequestHead head, bool last) override;
  void OnData(absl::string_view data, bool last) override;
  void OnTrailers(Headers trailers) override;
  void OnReset(ResetReason reason) override;
  void OnWriteHigh() override;
  void OnWriteLow() override;

  // Response side.
  void OnResponseInformational(ResponseHead head) override;
  void OnResponseHead(ResponseHead head, bool last) override;
  void OnResponseData(absl::string_view data, bool last) override;
  void OnResponseTrailers(Headers trailers) override;
  void OnResponseReset() override;
  void OnForwardFailed(const ForwardFailure& failure) override;
  void OnUpstreamWriteHigh() override { sender_.PauseReading(); }
  void OnUpstreamWriteLow() override { sender_.ResumeReading(); }

  // What has come past the filters, and what they ask for.
  EventLoop& loop() override { return downstream_.worker.loop; }
  size_t worker() const override { return downstream_.worker.index; }
  StreamInfo& info() override { return info_; }
  RequestHead& request() override { return request_; }
  ResponseHead& response() override { return response_; }
  const Route* route() override { return route_; }
  const VirtualHost* virtual_host() override { return host_; }
  const Transport* transport() override { return &downstream_.connection.transport(); }
  SideCalls& side_calls() override { return downstream_.worker.side_calls; }
  void OnFilteredRequestHead(bool last) override { Dispatch(last); }
  void OnFilteredRequestData(absl::string_view data, bool last) override;
  void OnFilteredRequestTrailers(Headers trailers) override;
  void OnFilteredResponseHead(bool last) override { SendHead(last); }
  void OnFilteredResponseData(absl::string_view data, bool last) override;
  void OnFilteredResponseTrailers(Headers trailers) override;
  void OnFilterReply(FilterReply reply) override;
  void OnClearRoute() override { route_cleared_ = true; }
  void OnCollectRequest() override { SendContinue(); }
  void OnFilterOverflow(bool of_request) override;
  void OnFilterPressure(bool of_request, bool high) override;

 private:
  friend class HttpConnection;
  void ChooseRoute();
  // False if it answered already.
  bool PrepareRequest();
  bool CleanPath();
  void SetServerHeader();
  void ArmDuration();
  void StartFilters();
  void Dispatch(bool last);
  void Forward(bool last);
  void SendContinue();
  void Redirect(const RedirectAction& action);
  // Answers in place of an upstream.
  void Reply(int status, absl::string_view details, absl::string_view body,
             absl::string_view location = {}, bool overloaded = false);
  void DeliverHead(bool last);
  void DeliverData(absl::string_view data, bool last);
  void EditResponse();
  void SendHead(bool last);
  void EndRequest();
  void EndResponse();
  void Finish();
  void Touch();
  void OnTooLong();
  absl::Duration IdleTimeout() const;
  void ArmLimit();
  void OnLimit();

  DownstreamInfo& downstream_;
  const std::shared_ptr<const HttpConfig> config_;  // The newest when the request began.
  ResponseSender& sender_;
  ExchangeOwner& owner_;
  StreamInfo info_;
  RequestHead request_;
  ResponseHead response_;
  std::shared_ptr<const RouteTable> routes_;  // Pins the version that this request began with.
  const VirtualHost* host_ = nullptr;
  const Route* route_ = nullptr;
  const WeightedCluster* choice_ = nullptr;
  std::optional<Forwarder> forwarder_;
  std::unique_ptr<FilterRun> filters_;  // Null if no filter wants this stream.
  Timer idle_;
  std::unique_ptr<Timer> duration_;  // Only where a stream's length is bounded.
  std::unique_ptr<Timer> limit_;     // Of the whole request, or of the wait for 100.
  int64_t idle_since_ns_ = 0;
  bool request_done_ = false;
  bool response_begun_ = false;
  bool response_done_ = false;
  bool finished_ = false;
  bool route_cleared_ = false;
  bool waits_for_continue_ = false;  // The upstream was asked; see kContinueWait.
  bool counts_as_upgrade_ = false;
  bool replaced_ = false;
};

}  // namespace proxy
