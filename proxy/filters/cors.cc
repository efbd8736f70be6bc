// Cross-origin resource sharing: answers preflights and marks answers (Fetch standard, "CORS
// protocol").
#include <algorithm>

#include <absl/strings/str_cat.h>

#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "proxy/filters/filters.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::cors::v3;

enum CorsStat : size_t { kOriginValid, kOriginInvalid, kCorsStatCount };
constexpr StatName kNames[] = {{"cors.origin_valid"}, {"cors.origin_invalid"}};
static_assert(std::size(kNames) == kCorsStatCount);
constexpr ScopeKind kCorsScope = {"http", "envoy_http_conn_manager_prefix", kNames};

struct Policy final : RouteFilterConfig {
  std::vector<TextMatch> origins;
  std::string methods, headers, expose, max_age;
  bool credentials = false;
  bool private_network = false;
  bool forward_preflights = true;  // Those of origins that are not allowed.
  Fraction enabled;
  Fraction shadow{.numerator = 0};
};

class Cors final : public Filter {
 public:
  Cors(FilterHost& host, Cell* stats, const Policy& policy)
      : host_(host), stats_(stats), policy_(policy) {}

  Next OnRequestHead(RequestHead& head, bool) override {
    const Header* origin = head.headers.Find("origin");
    if (origin == nullptr || origin->value.empty()) return Next::kContinue;
    const bool enabled = policy_.enabled.Draw(host_.loop().random());
    if (!enabled && !policy_.shadow.Draw(host_.loop().random())) return Next::kContinue;
    const bool allowed =
        std::any_of(policy_.origins.begin(), policy_.origins.end(),
                    [&](const TextMatch& one) { return one.Matches(origin->value); });
    stats_[allowed ? kOriginValid : kOriginInvalid].Add();
    if (!enabled) return Next::kContinue;
    const Header* method = head.headers.Find("access-control-request-method");
    const bool preflight = head.method == "OPTIONS" && method != nullptr && !method->value.empty();
    if (!allowed) {
      if (!preflight || policy_.forward_preflights) return Next::kContinue;
      AnswerPreflight(head);
      return Next::kPause;
    }
    origin_ = origin->value;
    if (!preflight) return Next::kContinue;
    AnswerPreflight(head);
    return Next::kPause;
  }

  Next OnResponseHead(ResponseHead& head, bool) override {
    if (origin_.empty()) return Next::kContinue;
    head.headers.Set("access-control-allow-origin", origin_);
    if (policy_.credentials) head.headers.Set("access-control-allow-credentials", "true");
    if (!policy_.expose.empty()) {
      head.headers.Set("access-control-expose-headers", policy_.expose);
    }
    return Next::kContinue;
  }

 private:
  void AnswerPreflight(const RequestHead& head) {
    FilterReply reply{.status = 200, .details = "cors_response"};
    const auto add = [&](const char* name, const std::string& value) {
      if (!value.empty()) reply.headers.emplace_back(name, value);
    };
    add("access-control-allow-origin", std::string(origin_));
    add("access-control-allow-credentials", policy_.credentials ? "true" : "");
    add("access-control-allow-methods", policy_.methods);
    add("access-control-allow-headers", policy_.headers);
    add("access-control-max-age", policy_.max_age);
    const Header* asks = head.headers.Find("access-control-request-private-network");
    if (policy_.private_network && asks != nullptr && asks->value == "true") {
      add("access-control-allow-private-network", "true");
    }
    host_.Reply(std::move(reply));
  }

  FilterHost& host_;
  Cell* const stats_;
  const Policy& policy_;
  absl::string_view origin_;  // In the request's head; empty: not allowed, or not asked.
};

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message&, FilterContext& context) {
  auto stats = context.stats.Get(kCorsScope, context.stat_prefix);
  return FilterFactory(
      [stats](FilterHost& host, RouteFilterConfigs routes) -> std::unique_ptr<Filter> {
        if (routes.empty()) return nullptr;  // Only routes say what is allowed.
        return std::make_unique<Cors>(host, stats->Shard(host.worker()),
                                      static_cast<const Policy&>(*routes[0]));
      });
}

absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> ParseRoute(
    const google::protobuf::Message& message, FilterContext&) {
  const auto& proto = static_cast<const api::CorsPolicy&>(message);
  auto policy = std::make_shared<Policy>();
  for (const auto& origin : proto.allow_origin_string_match()) {
    if (absl::Status s = ReadText(origin, policy->origins.emplace_back()); !s.ok()) return s;
  }
  policy->methods = proto.allow_methods();
  policy->headers = proto.allow_headers();
  policy->expose = proto.expose_headers();
  policy->max_age = proto.max_age();
  policy->credentials = proto.allow_credentials().value();
  policy->private_network = proto.allow_private_network_access().value();
  if (proto.has_forward_not_matching_preflights()) {
    policy->forward_preflights = proto.forward_not_matching_preflights().value();
  }
  if (proto.has_filter_enabled())
    policy->enabled = ReadFraction(proto.filter_enabled().default_value());
  if (proto.has_shadow_enabled())
    policy->shadow = ReadFraction(proto.shadow_enabled().default_value());
  return policy;
}

}  // namespace

const FilterType& CorsFilter() {
  static const FilterType kType = {"envoy.filters.http.cors", &api::Cors::default_instance(),
                                   &api::CorsPolicy::default_instance(), &Parse, &ParseRoute};
  return kType;
}

}  // namespace proxy
