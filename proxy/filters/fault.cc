// Delays requests or answers them with errors, by chance, to see how their callers bear it.
#include <atomic>
#include <optional>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "proxy/filters/filters.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::fault::v3;

enum FaultStat : size_t { kAborts, kDelays, kOverflow, kActive, kFaultStatCount };
constexpr StatName kNames[] = {{"fault.aborts_injected"},
                               {"fault.delays_injected"},
                               {"fault.faults_overflow"},
                               {"fault.active_faults", true}};
static_assert(std::size(kNames) == kFaultStatCount);
constexpr ScopeKind kFaultScope = {"http", "envoy_http_conn_manager_prefix", kNames};

// Requests with these fields choose their own fault, where the settings allow it.
constexpr absl::string_view kDelayField = "x-envoy-fault-delay-request";
constexpr absl::string_view kDelayShareField = "x-envoy-fault-delay-request-percentage";
constexpr absl::string_view kAbortField = "x-envoy-fault-abort-request";
constexpr absl::string_view kAbortGrpcField = "x-envoy-fault-abort-grpc-request";
constexpr absl::string_view kAbortShareField = "x-envoy-fault-abort-request-percentage";

struct Settings final : RouteFilterConfig {
  std::optional<Fraction> delay_share;  // Empty: no delays.
  absl::Duration delay;
  bool delay_by_header = false;
  std::optional<Fraction> abort_share;
  int http_status = 0;
  int grpc_status = -1;
  bool abort_by_header = false;
  std::vector<HeaderMatch> headers;
  std::string upstream_cluster;
  std::optional<uint32_t> active_max;
};

// Of one connection manager: faults under way over all workers.
struct Shared {
  std::shared_ptr<Scope> stats;
  std::atomic<uint32_t> active{0};
};

// The number in a request's field; nullopt if there is none.
std::optional<uint32_t> NumberOf(const RequestHead& head, absl::string_view name) {
  const Header* field = head.headers.Find(name);
  uint32_t number = 0;
  if (field == nullptr || !absl::SimpleAtoi(field->value, &number)) return std::nullopt;
  return number;
}

// A request may lower its share, never raise it.
bool Drawn(Fraction share, const RequestHead& head, absl::string_view share_field,
           pinnace::Random& random) {
  if (const auto asked = NumberOf(head, share_field)) {
    share.numerator = std::min(share.numerator, *asked);
  }
  return share.Draw(random);
}

class Fault final : public Filter {
 public:
  Fault(FilterHost& host, std::shared_ptr<Shared> shared, const Settings& settings)
      : host_(host),
        shared_(std::move(shared)),
        stats_(shared_->stats->Shard(host.worker())),
        settings_(settings),
        timer_(host.loop().timers(), [this] { OnDelayed(); }) {}

  Next OnRequestHead(RequestHead& head, bool) override {
    if (!Concerned(head)) return Next::kContinue;
    const absl::Duration delay = ChooseDelay(head);
    if (delay > absl::ZeroDuration() && Begin()) {
      SetFlag(host_.info(), ResponseFlag::kDelayInjected);
      stats_[kDelays].Add();
      timer_.Arm(delay);
      return Next::kPause;
    }
    return Abort(head) ? Next::kPause : Next::kContinue;
  }
  void OnStreamEnd(const StreamInfo&) override {
    timer_.Cancel();
    Finish();
  }

 private:
  bool Concerned(const RequestHead& head) const {
    if (!settings_.upstream_cluster.empty() && host_.info().cluster != settings_.upstream_cluster) {
      return false;
    }
    for (const HeaderMatch& one : settings_.headers) {
      if (!HeaderMatches(one, head)) return false;
    }
    return true;
  }
  absl::Duration ChooseDelay(const RequestHead& head) {
    if (!settings_.delay_share) return absl::ZeroDuration();
    absl::Duration delay = settings_.delay;
    if (settings_.delay_by_header) {
      const auto asked = NumberOf(head, kDelayField);
      if (!asked) return absl::ZeroDuration();
      delay = absl::Milliseconds(*asked);
    }
    const bool drawn = Drawn(*settings_.delay_share, head, kDelayShareField, host_.loop().random());
    return drawn ? delay : absl::ZeroDuration();
  }
  bool Abort(const RequestHead& head) {
    if (!settings_.abort_share) return false;
    int http = settings_.http_status;
    int grpc = settings_.grpc_status;
    if (settings_.abort_by_header) {
      http = static_cast<int>(NumberOf(head, kAbortField).value_or(0));
      grpc = static_cast<int>(NumberOf(head, kAbortGrpcField).value_or(UINT32_MAX));
      if (http < 200 || http > 599) http = 0;
    }
    if (http == 0 && grpc < 0) return false;
    if (!Drawn(*settings_.abort_share, head, kAbortShareField, host_.loop().random())) return false;
    if (!Begin()) return false;
    SetFlag(host_.info(), ResponseFlag::kFaultInjected);
    stats_[kAborts].Add();
    FilterReply reply{.status = http == 0 ? 200 : http,
                      .details = "fault_filter_abort",
                      .body = "fault filter abort"};
    if (http == 0) reply.grpc_status = grpc;
    host_.Reply(std::move(reply));
    return true;
  }
  void OnDelayed() {
    if (!Abort(host_.request())) {
      Finish();
      host_.ResumeRequest();
    }
  }
  // False: as many faults are under way as may be.
  bool Begin() {
    if (active_) return true;
    if (settings_.active_max) {
      uint32_t now = shared_->active.load(std::memory_order_relaxed);
      do {
        if (now >= *settings_.active_max) {
          stats_[kOverflow].Add();
          return false;
        }
      } while (!shared_->active.compare_exchange_weak(now, now + 1, std::memory_order_relaxed));
    } else {
      shared_->active.fetch_add(1, std::memory_order_relaxed);
    }
    active_ = true;
    stats_[kActive].Add();
    return true;
  }
  void Finish() {
    if (!active_) return;
    active_ = false;
    shared_->active.fetch_sub(1, std::memory_order_relaxed);
    stats_[kActive].Sub();
  }

  FilterHost& host_;
  const std::shared_ptr<Shared> shared_;
  Cell* const stats_;
  const Settings& settings_;
  Timer timer_;
  bool active_ = false;
};

absl::Status Bad(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

absl::Status ReadAbort(const api::FaultAbort& proto, Settings& to) {
  to.abort_share = ReadFraction(proto.percentage());
  switch (proto.error_type_case()) {
    case api::FaultAbort::kHttpStatus:
      if (proto.http_status() < 200 || proto.http_status() > 599) {
        return Bad("abort.http_status", "not in 200..599");
      }
      to.http_status = static_cast<int>(proto.http_status());
      return absl::OkStatus();
    case api::FaultAbort::kGrpcStatus:
      to.grpc_status = static_cast<int>(proto.grpc_status());
      return absl::OkStatus();
    case api::FaultAbort::kHeaderAbort: to.abort_by_header = true; return absl::OkStatus();
    default: return Bad("abort", "needs http_status, grpc_status or header_abort");
  }
}

absl::StatusOr<std::shared_ptr<const Settings>> ReadSettings(const api::HTTPFault& proto) {
  auto settings = std::make_shared<Settings>();
  if (proto.has_delay()) {
    settings->delay_share = ReadFraction(proto.delay().percentage());
    settings->delay_by_header = proto.delay().has_header_delay();
    settings->delay = ToDuration(proto.delay().fixed_delay());
    if (!settings->delay_by_header && settings->delay <= absl::ZeroDuration()) {
      return Bad("delay.fixed_delay", "must be above 0");
    }
  }
  if (proto.has_abort()) {
    if (absl::Status s = ReadAbort(proto.abort(), *settings); !s.ok()) return s;
  }
  for (const auto& header : proto.headers()) {
    if (absl::Status s = ReadHeader(header, settings->headers.emplace_back()); !s.ok()) return s;
  }
  settings->upstream_cluster = proto.upstream_cluster();
  if (proto.has_max_active_faults()) settings->active_max = proto.max_active_faults().value();
  return std::shared_ptr<const Settings>(std::move(settings));
}

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message& message,
                                    FilterContext& context) {
  auto own = ReadSettings(static_cast<const api::HTTPFault&>(message));
  if (!own.ok()) return own.status();
  auto shared = std::make_shared<Shared>();
  shared->stats = context.stats.Get(kFaultScope, context.stat_prefix);
  return FilterFactory(
      [own = *own, shared](FilterHost& host, RouteFilterConfigs routes) -> std::unique_ptr<Filter> {
        const Settings& settings = routes.empty() ? *own : static_cast<const Settings&>(*routes[0]);
        if (!settings.delay_share && !settings.abort_share) return nullptr;
        return std::make_unique<Fault>(host, shared, settings);
      });
}

absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> ParseRoute(
    const google::protobuf::Message& message, FilterContext&) {
  return ReadSettings(static_cast<const api::HTTPFault&>(message));
}

}  // namespace

const FilterType& FaultFilter() {
  static const FilterType kType = {"envoy.filters.http.fault", &api::HTTPFault::default_instance(),
                                   &api::HTTPFault::default_instance(), &Parse, &ParseRoute};
  return kType;
}

}  // namespace proxy
