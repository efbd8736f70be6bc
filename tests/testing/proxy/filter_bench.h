// One stream past filters, without codecs or upstreams: what comes out is written down.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "proxy/exchange/filter_run.h"
#include "proxy/filters/filters.h"
#include "proxy/route/route.h"
#include "proxy/snapshot/yaml_proto.h"

namespace proxy {

// A side call that a filter has begun; the test answers it.
struct FakeSideCall {
  SideRequest request;
  SideCallEvents* events = nullptr;  // Null once given up.
};

class FilterBench final : public FilterStream, public SideCalls {
 public:
  FilterBench() : loop_(NewLibeventPoller(), clock, 7), stats(1) {
    head.method = "GET";
    head.path = "/";
    head.authority = "svc";
    head.scheme = "http";
  }

  // Adds a filter with its settings in YAML. Dies (by REQUIRE in the test) if they are wrong.
  absl::Status Add(const FilterType& type, const std::string& yaml, const std::string& name = "f") {
    std::unique_ptr<google::protobuf::Message> message(type.config->New());
    if (absl::Status read = ParseYaml(yaml, *message); !read.ok()) return read;
    FilterContext context{.stats = stats, .stat_prefix = "in"};
    auto made = type.parse(*message, context);
    if (!made.ok()) return made.status();
    entries.push_back({name, *std::move(made)});
    return absl::OkStatus();
  }
  // What the route says to the filter of that name.
  absl::Status AddRoute(const FilterType& type, const std::string& yaml,
                        const std::string& name = "f") {
    std::unique_ptr<google::protobuf::Message> message(type.route_config->New());
    if (absl::Status read = ParseYaml(yaml, *message); !read.ok()) return read;
    FilterContext context{.stats = stats};
    auto made = type.parse_route(*message, context);
    if (!made.ok()) return made.status();
    routes[name].push_back(*std::move(made));
    return absl::OkStatus();
  }
  void AddFilter(FilterFactory make) { entries.push_back({"own", std::move(make)}); }

  // Starts a new stream.
  void Start() {
    ended = false;
    out = {};
    reply.reset();
    run = std::make_unique<FilterRun>(
        *this, entries, buffer_max,
        [this](const FilterEntry& entry, std::vector<const RouteFilterConfig*>& found) {
          for (const auto& one : routes[entry.name]) found.push_back(one.get());
          return !entry.disabled;
        });
  }
  // A request without a body, as far as the filters let it.
  void Get() {
    Start();
    run->RequestHead(true);
  }
  // The answer's head.
  void Answer(int status, bool last) {
    answer.status = status;
    run->ResponseHead(last);
  }
  void End() {
    run->End(info_);
    ended = true;
  }
  void Advance(absl::Duration by) {
    clock.Advance(by);
    loop_.RunOnce(absl::ZeroDuration());
  }
  uint64_t Stat(const std::string& name) const { return stats.Value(name); }

  EventLoop& loop() override { return loop_; }
  size_t worker() const override { return 0; }
  StreamInfo& info() override { return info_; }
  RequestHead& request() override { return head; }
  ResponseHead& response() override { return answer; }
  const Transport* transport() override { return peer; }
  const Route* route() override { return matched ? &*matched : nullptr; }
  const VirtualHost* virtual_host() override { return host ? &*host : nullptr; }
  SideCalls& side_calls() override { return *this; }
  void OnFilteredRequestHead(bool last) override { out.push_back(last ? "head." : "head"); }
  void OnFilteredRequestData(absl::string_view data, bool last) override {
    out.push_back(std::string(data) + (last ? "." : ""));
  }
  void OnFilteredRequestTrailers(Headers) override { out.push_back("trailers"); }
  void OnFilteredResponseHead(bool last) override { out.push_back(last ? "HEAD." : "HEAD"); }
  void OnFilteredResponseData(absl::string_view data, bool last) override {
    body.append(data.data(), data.size());
    out.push_back(std::string(data) + (last ? "." : ""));
  }
  void OnFilteredResponseTrailers(Headers) override { out.push_back("TRAILERS"); }
  void OnFilterReply(FilterReply given) override {
    reply = std::move(given);
    details = std::string(reply->details);
    run->StopRequest();
  }
  void OnClearRoute() override { ++cleared; }
  void OnCollectRequest() override { ++collected; }
  void OnFilterOverflow(bool of_request) override {
    out.push_back(of_request ? "413" : "500");
    of_request ? run->StopRequest() : run->StopResponse();
  }
  void OnFilterPressure(bool, bool high) override { pressure += high ? 1 : -1; }

  std::unique_ptr<SideCall> Start(SideRequest request, SideCallEvents& events) override {
    struct Call final : SideCall {
      explicit Call(FakeSideCall& c) : call(c) {}
      ~Call() override { call.events = nullptr; }
      FakeSideCall& call;
    };
    calls.push_back(std::make_unique<FakeSideCall>());
    calls.back()->request = std::move(request);
    calls.back()->events = &events;
    return std::make_unique<Call>(*calls.back());
  }

  void StartDetached(SideRequest request, std::function<void(int, std::string)> done) override {
    fetches.push_back({std::move(request), std::move(done)});
  }

  pinnace::FakeClock clock;
  EventLoop loop_;
  StatsRegistry stats;
  std::vector<FilterEntry> entries;
  std::map<std::string, std::vector<std::shared_ptr<const RouteFilterConfig>>> routes;
  const Transport* peer = nullptr;
  std::optional<Route> matched;
  std::optional<VirtualHost> host;
  size_t buffer_max = 1000;
  RequestHead head;
  ResponseHead answer;
  StreamInfo info_;
  std::vector<std::unique_ptr<FakeSideCall>> calls;
  std::vector<std::pair<SideRequest, std::function<void(int, std::string)>>> fetches;
  std::unique_ptr<FilterRun> run;
  std::vector<std::string> out;  // Heads, data and trailers as they came out; "." ends a message.
  std::string body;              // Of the answer.
  std::optional<FilterReply> reply;
  std::string details;
  int cleared = 0;
  int collected = 0;
  int pressure = 0;
  bool ended = false;
};

}  // namespace proxy
