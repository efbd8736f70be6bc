// A request's life, in calling order: head, route, forwarding, answer, end.
#include "proxy/exchange/exchange.h"

#include "proxy/exchange/client_cert.h"

#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "proxy/exchange/path.h"
#include "proxy/exchange/request_id.h"
#include "proxy/exchange/rewrite.h"
#include "proxy/route/hash_policy.h"

namespace proxy {
Exchange::Exchange(DownstreamInfo& downstream, ResponseSender& sender, ExchangeOwner& owner)
    : downstream_(downstream),
      config_(downstream.config),
      sender_(sender),
      owner_(owner),
      idle_(downstream.worker.loop.timers(), [this] { Touch(); }) {
  EventLoop& loop = downstream_.worker.loop;
  info_.start = loop.WallNow();
  info_.start_ns = loop.NowNs();
  idle_since_ns_ = info_.start_ns;
  downstream_.stats[kDownstreamRqTotal].Add();
  downstream_.stats[kDownstreamRqActive].Add();
  if (config_->stream_idle_timeout > absl::ZeroDuration()) {
    idle_.Arm(config_->stream_idle_timeout);
  }
}

Exchange::~Exchange() = default;

void Exchange::OnHead(RequestHead head, bool last) {
  request_ = std::move(head);
  request_done_ = last;
  info_.request = &request_;
  info_.downstream_remote = info_.downstream_direct = downstream_.remote;
  info_.downstream_local = downstream_.local;
  info_.downstream_identity = downstream_.connection.transport().peer_identity();
  info_.requested_server_name = downstream_.connection.transport().server_name();
  if (last) info_.request_end_ns = info_.start_ns;

  if (!PrepareRequest()) return;
  ChooseRoute();
  ArmDuration();
  ArmLimit();
  if (!config_->filters.empty()) {
    StartFilters();
    if (filters_ != nullptr) return filters_->RequestHead(last);
  }
  Dispatch(last);
}

// Bounds the stream as a whole (max_stream_duration, grpc-timeout).
void Exchange::ArmDuration() {
  const ForwardAction* action = route_ != nullptr && route_->forward ? &*route_->forward : nullptr;
  const absl::Duration most = StreamDuration(action, request_, config_->stream_duration_max);
  if (most <= absl::ZeroDuration()) return;
  duration_ = std::make_unique<Timer>(downstream_.worker.loop.timers(), [this] { OnTooLong(); });
  duration_->Arm(most);
}

void Exchange::StartFilters() {
  const HttpConfig& config = *config_;
  size_t buffer_max = config.filter_buffer_max;
  if (route_ != nullptr && route_->request_buffer_max) {
    buffer_max = *route_->request_buffer_max;
  } else if (host_ != nullptr && host_->request_buffer_max) {
    buffer_max = *host_->request_buffer_max;
  }
  filters_ = std::make_unique<FilterRun>(
      *this, config.filters, buffer_max,
      [this](const FilterEntry& entry, std::vector<const RouteFilterConfig*>& found) {
        return FindRouteFilters(entry.name, entry.disabled, choice_, route_, host_, routes_.get(),
                                found);
      });
  if (filters_->size() == 0) filters_.reset();
}

// What the route says, once every filter has let the head pass.
void Exchange::Dispatch(bool last) {
  if (route_cleared_) ChooseRoute();
  if (route_ == nullptr) {
    SetFlag(info_, ResponseFlag::kNoRoute);
    downstream_.stats[kNoRoute].Add();
    return Reply(404, "route_not_found", "");
  }
  if (route_->redirect) return Redirect(*route_->redirect);
  if (route_->direct) {
    downstream_.stats[kRqDirectResponse].Add();
    return Reply(route_->direct->status, "direct_response", route_->direct->body);
  }
  Forward(last);
}

bool Exchange::CleanPath() {
  switch (NormalizePath(config_->path, request_)) {
    case PathVerdict::kServe: return true;
    case PathVerdict::kReject:
      downstream_.stats[kPathFailed].Add();
      Reply(400, "path_normalization_failed", "");
      return false;
    case PathVerdict::kRedirect: break;
  }
  downstream_.stats[kPathRedirected].Add();
  Reply(307, "path_normalization_redirect", "", request_.path);
  return false;
}

bool Exchange::PrepareRequest() {
  const HttpConfig& config = *config_;
  if (config.path.any() && !CleanPath()) return false;
  Headers& headers = request_.headers;
  ForwardClientCert(config, downstream_, headers);
  if (config.generate_request_id) {
    const Header* given = headers.Find(HeaderId::kXRequestId);
    const bool trusted = config.keep_request_id || !config.use_remote_address;
    if (given != nullptr && trusted) {
      info_.request_id = given->value;
    } else {
      info_.request_id =
          NewRequestId(downstream_.worker.loop.random(), headers.arena().Allocate(kRequestIdBytes));
      if (given != nullptr) headers.Remove(HeaderId::kXRequestId);
      headers.AddView(HeaderName(HeaderId::kXRequestId), info_.request_id, HeaderId::kXRequestId);
    }
  } else {
    info_.request_id = headers.Value(HeaderId::kXRequestId);
  }
  info_.downstream_remote = ClientAddress(config, headers, downstream_.remote);
  if (config.use_remote_address) {
    const std::string remote = downstream_.remote.ip();
    const absl::string_view before = headers.Value(HeaderId::kXForwardedFor);
    headers.Set(HeaderId::kXForwardedFor,
                before.empty() ? remote : absl::StrCat(before, ",", remote));
  }
  const bool proto_given = headers.Find(HeaderId::kXForwardedProto) != nullptr;
  if (proto_given && !config.use_remote_address) return true;
  if (proto_given) headers.Remove(HeaderId::kXForwardedProto);
  headers.AddView(HeaderName(HeaderId::kXForwardedProto),
                  downstream_.connection.transport().secure() ? "https" : "http",
                  HeaderId::kXForwardedProto);
  return true;
}

// A second time, after a filter cleared the route, in the table that was pinned the first time.
void Exchange::ChooseRoute() {
  const HttpConfig& config = *config_;
  if (routes_ == nullptr) routes_ = config.routes;
  if (routes_ == nullptr) {
    const auto found = downstream_.worker.tables->routes.find(config.rds_name);
    if (found != downstream_.worker.tables->routes.end()) routes_ = found->second;
  }
  if (routes_ != nullptr) host_ = routes_->FindHost(request_.authority);
  route_ = host_ == nullptr ? nullptr : RouteTable::FindRoute(*host_, request_);
  choice_ = nullptr;
  if (route_ == nullptr) return;
  info_.route_name = route_->name;
  if (!route_->forward) return;
  const ForwardAction& action = *route_->forward;
  std::optional<uint64_t> hash;
  if (action.split_by_hash) hash = HashOf(*action.hash, request_, info_);
  choice_ = hash ? &SplitByHash(action, *hash)
                 : &PickCluster(action, downstream_.worker.loop.random().Next());
  info_.cluster = choice_->cluster;
}

void Exchange::Forward(bool last) {
  const ForwardAction& action = *route_->forward;
  std::shared_ptr<Cluster> cluster = downstream_.worker.clusters.Find(choice_->cluster);
  if (cluster == nullptr) {
    SetFlag(info_, ResponseFlag::kNoCluster);
    info_.cluster = {};
    downstream_.stats[kNoCluster].Add();
    return Reply(action.cluster_not_found_status, "cluster_not_found", "");
  }
  const absl::string_view upgrade =
      request_.method == "CONNECT" ? absl::string_view("CONNECT") : request_.upgrade;
  const bool endless = !upgrade.empty();
  if (endless && !UpgradeAllowed(upgrade, action.upgrades, config_->upgrades)) {
    return Reply(403, "upgrade_failed", "");
  }
  if (action.idle_timeout) Touch();
  const absl::Duration timeout = endless ? absl::ZeroDuration() : RequestTimeout(action, request_);
  const bool tell = !config_->suppress_envoy_headers;
  const RetryPolicy* retry = action.retry   ? &*action.retry
                             : host_->retry ? &*host_->retry
                                            : nullptr;
  absl::Duration expected = timeout;
  if (retry != nullptr && retry->per_try_timeout > absl::ZeroDuration() &&
      (expected == absl::ZeroDuration() || retry->per_try_timeout < expected)) {
    expected = retry->per_try_timeout;
  }
  if (tell && expected > absl::ZeroDuration()) {
    request_.headers.Set(HeaderId::kXEnvoyExpectedRqTimeoutMs,
                         absl::StrCat(absl::ToInt64Milliseconds(expected)));
  }
  RewriteRequest(*route_, tell, request_);
  choice_->request_edits.Apply(info_, request_.headers);
  route_->request_edits.Apply(info_, request_.headers);
  host_->request_edits.Apply(info_, request_.headers);
  routes_->request_edits().Apply(info_, request_.headers);
  if (request_.expects_continue && !config_->forward_continue) {
    waits_for_continue_ = true;
    ArmLimit();
  }
  forwarder_.emplace(ForwardContext{.loop = downstream_.worker.loop,
                                    .cluster = std::move(cluster),
                                    .action = action,
                                    .retry = endless ? nullptr : retry,
                                    .timeout = timeout,
                                    .wanted = downstream_.original_destination,
                                    .downstream_version = request_.version,
                                    .alpn = config_->upstream_alpn.get(),
                                    .info = info_},
                     *this);
  forwarder_->Start(request_, last);
}

void Exchange::OnData(absl::string_view data, bool last) {
  info_.request_bytes += data.size();
  idle_since_ns_ = downstream_.worker.loop.NowNs();
  if (last) EndRequest();
  if (filters_ != nullptr) {
    filters_->RequestData(data, last);
  } else {
    OnFilteredRequestData(data, last);
  }
  if (last && response_done_) Finish();
}

void Exchange::OnFilteredRequestData(absl::string_view data, bool last) {
  if (forwarder_) forwarder_->SendData(data, last);
}

void Exchange::OnFilteredRequestTrailers(Headers trailers) {
  if (forwarder_) forwarder_->SendTrailers(std::move(trailers));
}

void Exchange::SendContinue() {
  if (!request_.expects_continue) return;
  request_.expects_continue = waits_for_continue_ = false;
  ResponseHead go_on;
  go_on.status = 100;
  sender_.SendInformational(go_on);
}

void Exchange::EndRequest() {
  request_done_ = true;
  info_.request_end_ns = downstream_.worker.loop.NowNs();
}

void Exchange::OnTrailers(Headers trailers) {
  EndRequest();
  if (filters_ != nullptr) {
    filters_->RequestTrailers(std::move(trailers));
  } else {
    OnFilteredRequestTrailers(std::move(trailers));
  }
  if (response_done_) Finish();
}

void Exchange::OnReset(ResetReason reason) {
  if (response_done_) return Finish();  // The answer is out; nobody waits for the rest.
  const bool broke_rules = reason == ResetReason::kProtocolError;
  SetFlag(info_,
          broke_rules ? ResponseFlag::kDownstreamProtocolError : ResponseFlag::kDownstreamReset);
  if (!response_begun_) {
    info_.details = !broke_rules                              ? "downstream_remote_disconnect"
                    : request_.version == HttpVersion::kHttp2 ? "http2.violation.of.messaging.rule"
                                                              : "http1.codec_error";
    if (broke_rules && request_.version != HttpVersion::kHttp2) info_.status = 400;
  }
  downstream_.stats[kDownstreamRqRxReset].Add();
  Finish();
}

void Exchange::OnResponseInformational(ResponseHead head) {
  // 100 is for who asked for it, and once; it may come from a filter or from us instead.
  if (head.status == 100) return SendContinue();
  sender_.SendInformational(head);
}

void Exchange::OnResponseHead(ResponseHead head, bool last) {
  if (replaced_) return;
  response_ = std::move(head);
  info_.details = "via_upstream";
  EditResponse();
  if (!config_->suppress_envoy_headers) {
    const int64_t service_ns = info_.upstream_first_ns - info_.start_ns;
    response_.headers.Set(HeaderId::kXEnvoyUpstreamServiceTime,
                          absl::StrCat(service_ns / 1'000'000));
  }
  DeliverHead(last);
}

// Upstreams' answers and our own alike, once a route was found.
void Exchange::EditResponse() {
  info_.response = &response_;
  info_.status = response_.status;
  if (choice_ != nullptr) choice_->response_edits.Apply(info_, response_.headers);
  if (route_ == nullptr) return;
  route_->response_edits.Apply(info_, response_.headers);
  host_->response_edits.Apply(info_, response_.headers);
  routes_->response_edits().Apply(info_, response_.headers);
}

void Exchange::DeliverHead(bool last) {
  if (filters_ != nullptr && !filters_->response_stopped()) return filters_->ResponseHead(last);
  SendHead(last);
}

void Exchange::DeliverData(absl::string_view data, bool last) {
  if (filters_ != nullptr && !filters_->response_stopped()) {
    return filters_->ResponseData(data, last);
  }
  OnFilteredResponseData(data, last);
}

void Exchange::SetServerHeader() {
  const bool keeps = response_.headers.Find(HeaderId::kServer) != nullptr ||
                     config_->server_header == HttpConfig::ServerHeader::kPassThrough;
  if (keeps && config_->server_header != HttpConfig::ServerHeader::kOverwrite) return;
  response_.headers.Set(HeaderId::kServer, config_->server_name);
}

void Exchange::SendHead(bool last) {
  const HttpConfig& config = *config_;
  response_begun_ = true;
  info_.response = &response_;
  info_.status = response_.status;
  SetServerHeader();
  if (response_.headers.Find(HeaderId::kDate) == nullptr) {
    response_.headers.AddView("date", HttpDate(info_.start, response_.headers.arena()),
                              HeaderId::kDate);
  }
  if (config.always_set_request_id_in_response && !info_.request_id.empty()) {
    response_.headers.Set(HeaderId::kXRequestId, info_.request_id);
  }
  downstream_.stats[kDownstreamRq1xx + static_cast<size_t>(response_.status / 100 - 1)].Add();
  if (response_.status == 101) {
    counts_as_upgrade_ = true;
    downstream_.stats[kUpgradesTotal].Add();
    downstream_.stats[kUpgradesActive].Add();
  }
  if (last) {
    sender_.SendHead(response_, true);
    EndResponse();
  } else {
    sender_.SendHead(response_, false);
  }
}

void Exchange::OnResponseData(absl::string_view data, bool last) {
  if (replaced_) return;
  idle_since_ns_ = downstream_.worker.loop.NowNs();
  DeliverData(data, last);
}

void Exchange::OnFilteredResponseData(absl::string_view data, bool last) {
  info_.response_bytes += data.size();
  sender_.SendData(data, last);
  if (last) EndResponse();
}

void Exchange::OnResponseTrailers(Headers trailers) {
  if (replaced_) return;
  if (filters_ != nullptr) return filters_->ResponseTrailers(std::move(trailers));
  OnFilteredResponseTrailers(std::move(trailers));
}

void Exchange::OnFilteredResponseTrailers(Headers trailers) {
  sender_.SendTrailers(trailers);
  EndResponse();
}

void Exchange::OnResponseReset() {
  if (replaced_) return;
  downstream_.stats[kDownstreamRqTxReset].Add();
  sender_.Reset(ResetReason::kLocal);
  Finish();
}

void Exchange::OnForwardFailed(const ForwardFailure& failure) {
  if (replaced_) return;
  SetFlag(info_, failure.flag);
  // What our transport said stays in our log; the client learns only that there was no connection.
  Reply(failure.status, failure.details, failure.body, {}, failure.overloaded);
}

void Exchange::Redirect(const RedirectAction& action) {
  downstream_.stats[kRqRedirect].Add();
  Reply(action.status, "direct_response", "", RedirectLocation(action, *route_, request_));
}

void Exchange::Reply(int status, absl::string_view details, absl::string_view body,
                     absl::string_view location, bool overloaded) {
  FilterReply reply{.status = status, .details = details, .body = std::string(body)};
  if (overloaded) reply.headers.emplace_back("x-envoy-overloaded", "true");
  if (!location.empty()) reply.headers.emplace_back("location", location);
  OnFilterReply(std::move(reply));
}

void Exchange::OnFilterReply(FilterReply reply) {
  if (finished_) return;
  if (response_begun_) {
    downstream_.stats[kDownstreamRqTxReset].Add();
    sender_.Reset(ResetReason::kLocal);
    return Finish();
  }
  if (filters_ != nullptr) {
    filters_->StopRequest();
    // An answer that filters have begun to see is replaced, and the new one is not shown to them.
    if (filters_->response_seen()) filters_->StopResponse();
  }
  replaced_ = forwarder_.has_value();  // What the upstream still says is not heard.
  info_.details = request_.headers.arena().Copy(reply.details);
  response_ = ResponseHead();
  const bool grpc = IsGrpc(request_.headers);
  Headers& headers = response_.headers;
  for (const auto& [name, value] : reply.headers) headers.Add(name, value);
  if (grpc) {
    // A gRPC client reads its status from a trailers-only answer (gRPC over HTTP/2, "Responses").
    response_.status = 200;
    headers.Set(HeaderId::kContentType, "application/grpc");
    headers.Add(HeaderId::kGrpcStatus,
                absl::StrCat(reply.grpc_status.value_or(GrpcStatusOf(reply.status))));
    if (!reply.body.empty()) headers.Add(HeaderId::kGrpcMessage, GrpcMessage(reply.body));
    EditResponse();
    return DeliverHead(true);
  }
  response_.status = reply.status;
  if (!reply.body.empty() && headers.Find(HeaderId::kContentType) == nullptr) {
    headers.Add(HeaderId::kContentType, "text/plain");
  }
  response_.content_length = reply.body.size();
  EditResponse();
  const bool bodiless = reply.body.empty() || request_.method == "HEAD";
  DeliverHead(bodiless);
  if (!bodiless && !finished_) DeliverData(reply.body, true);
}

void Exchange::OnFilterOverflow(bool of_request) {
  if (of_request) {
    downstream_.stats[kDownstreamRqTooLarge].Add();
    return Reply(413, "request_payload_too_large", "Payload Too Large");
  }
  downstream_.stats[kRsTooLarge].Add();
  Reply(500, "response_payload_too_large", "Internal Server Error");
}

void Exchange::OnFilterPressure(bool of_request, bool high) {
  if (of_request) return high ? sender_.PauseReading() : sender_.ResumeReading();
  if (!forwarder_) return;
  high ? forwarder_->PauseResponse() : forwarder_->ResumeResponse();
}

void Exchange::OnWriteHigh() {
  if (forwarder_) forwarder_->PauseResponse();
}

void Exchange::OnWriteLow() {
  if (forwarder_) forwarder_->ResumeResponse();
}

// An answer may come before the request is complete: the rest of it is read and dropped.
void Exchange::EndResponse() {
  response_done_ = true;
  if (request_done_) Finish();
}

void Exchange::Finish() {
  if (finished_) return;
  finished_ = true;
  idle_.Cancel();
  if (duration_ != nullptr) duration_->Cancel();
  limit_.reset();
  if (counts_as_upgrade_) downstream_.stats[kUpgradesActive].Sub();
  info_.end_ns = downstream_.worker.loop.ReadNs();
  downstream_.stats[kDownstreamRqActive].Sub();
  if (filters_ != nullptr) filters_->End(info_);
  for (const AccessLog& log : config_->access_logs) {
    if (!log.Write(info_)) downstream_.worker.server_stats[kServerAccessLogDropped].Add();
  }
  owner_.OnExchangeDone(*this);
}

}  // namespace proxy
