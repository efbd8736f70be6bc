// Refuses requests that change something and come from another origin (cross-site request forgery).
#include <algorithm>

#include "envoy/extensions/filters/http/csrf/v3/csrf.pb.h"
#include "proxy/filters/filters.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::csrf::v3;

enum CsrfStat : size_t { kMissing, kInvalid, kValid, kCsrfStatCount };
constexpr StatName kNames[] = {
    {"csrf.missing_source_origin"}, {"csrf.request_invalid"}, {"csrf.request_valid"}};
static_assert(std::size(kNames) == kCsrfStatCount);
constexpr ScopeKind kCsrfScope = {"http", "envoy_http_conn_manager_prefix", kNames};

struct Policy final : RouteFilterConfig {
  Fraction enabled;
  Fraction shadow{.numerator = 0};
  std::vector<TextMatch> origins;  // Beside the request's own.
};

// Host and port of "scheme://host:port/..."; the text itself if it has no scheme.
absl::string_view HostOf(absl::string_view url) {
  const size_t mark = url.find("://");
  if (mark == absl::string_view::npos) return url;
  url.remove_prefix(mark + 3);
  return url.substr(0, url.find_first_of("/?#"));
}

class Csrf final : public Filter {
 public:
  Csrf(FilterHost& host, Cell* stats, const Policy& policy)
      : host_(host), stats_(stats), policy_(policy) {}

  Next OnRequestHead(RequestHead& head, bool) override {
    const absl::string_view method = head.method;
    if (method != "POST" && method != "PUT" && method != "DELETE" && method != "PATCH") {
      return Next::kContinue;
    }
    const bool enabled = policy_.enabled.Draw(host_.loop().random());
    if (!enabled && !policy_.shadow.Draw(host_.loop().random())) return Next::kContinue;
    if (Allowed(head)) {
      stats_[kValid].Add();
      return Next::kContinue;
    }
    stats_[kInvalid].Add();
    if (!enabled) return Next::kContinue;
    host_.Reply({.status = 403, .details = "csrf_origin_mismatch", .body = "Invalid origin"});
    return Next::kPause;
  }

 private:
  bool Allowed(const RequestHead& head) {
    absl::string_view source;
    for (const char* name : {"origin", "referer"}) {
      const Header* field = head.headers.Find(name);
      if (field == nullptr || field->value.empty() || field->value == "null") continue;
      source = HostOf(field->value);
      break;
    }
    if (source.empty()) {
      stats_[kMissing].Add();
      return false;
    }
    if (source == head.authority) return true;
    return std::any_of(policy_.origins.begin(), policy_.origins.end(),
                       [&](const TextMatch& one) { return one.Matches(source); });
  }

  FilterHost& host_;
  Cell* const stats_;
  const Policy& policy_;
};

absl::StatusOr<std::shared_ptr<const Policy>> ReadPolicy(const api::CsrfPolicy& proto) {
  auto policy = std::make_shared<Policy>();
  policy->enabled = ReadFraction(proto.filter_enabled().default_value());
  if (proto.has_shadow_enabled())
    policy->shadow = ReadFraction(proto.shadow_enabled().default_value());
  for (const auto& origin : proto.additional_origins()) {
    if (absl::Status s = ReadText(origin, policy->origins.emplace_back()); !s.ok()) return s;
  }
  return std::shared_ptr<const Policy>(std::move(policy));
}

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message& message,
                                    FilterContext& context) {
  auto own = ReadPolicy(static_cast<const api::CsrfPolicy&>(message));
  if (!own.ok()) return own.status();
  auto stats = context.stats.Get(kCsrfScope, context.stat_prefix);
  return FilterFactory([own = *own, stats](FilterHost& host, RouteFilterConfigs routes) {
    const Policy& policy = routes.empty() ? *own : static_cast<const Policy&>(*routes[0]);
    return std::make_unique<Csrf>(host, stats->Shard(host.worker()), policy);
  });
}

absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> ParseRoute(
    const google::protobuf::Message& message, FilterContext&) {
  return ReadPolicy(static_cast<const api::CsrfPolicy&>(message));
}

}  // namespace

const FilterType& CsrfFilter() {
  static const FilterType kType = {"envoy.filters.http.csrf", &api::CsrfPolicy::default_instance(),
                                   &api::CsrfPolicy::default_instance(), &Parse, &ParseRoute};
  return kType;
}

}  // namespace proxy
