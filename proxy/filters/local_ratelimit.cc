// Limits the rate of requests by token buckets that the workers of this process share.
#include <algorithm>
#include <map>

#include <absl/strings/str_cat.h>
#include <xxhash.h>

#include "common/random.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb.h"
#include "proxy/filters/filters.h"
#include "proxy/filters/token_bucket.h"
#include "proxy/route/rate_limits.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::local_ratelimit::v3;
namespace common = envoy::extensions::common::ratelimit::v3;

enum LimitStat : size_t { kEnabled, kEnforced, kLimited, kOk, kEvicted, kLimitStatCount };
constexpr StatName kNames[] = {{"http_local_rate_limit.enabled"},
                               {"http_local_rate_limit.enforced"},
                               {"http_local_rate_limit.rate_limited"},
                               {"http_local_rate_limit.ok"},
                               {"http_local_rate_limit.dynamic_evicted"}};
static_assert(std::size(kNames) == kLimitStatCount);
constexpr ScopeKind kLimitScope = {"", "envoy_local_http_ratelimit_prefix", kNames};

constexpr uint32_t kDynamicDefault = 20;  // Envoy's.
constexpr uint32_t kDynamicMax = 1 << 20;
constexpr absl::Duration kIntervalMin = absl::Milliseconds(50);  // Envoy's.

// A limit for requests with this descriptor; an empty value stands for any, each with a bucket.
struct Limit {
  RateDescriptor entries;
  BucketRate rate;
  mutable TokenBucket bucket;
  std::unique_ptr<BucketTable> dynamic;  // Set if an entry's value is empty.

  bool Matches(const RateDescriptor& other) const {
    return std::equal(entries.begin(), entries.end(), other.begin(), other.end(),
                      [](const auto& own, const auto& asked) {
                        return own.first == asked.first &&
                               (own.second.empty() || own.second == asked.second);
                      });
  }
};

struct Settings final : RouteFilterConfig {
  std::shared_ptr<Scope> stats;
  int status = 429;
  std::optional<BucketRate> rate;
  mutable TokenBucket bucket;
  std::vector<std::unique_ptr<Limit>> limits;  // The slowest first.
  std::vector<RateLimitEntry> own_entries;     // Instead of the route's.
  Fraction enabled{.numerator = 0};
  Fraction enforced{.numerator = 0};
  uint32_t stage = 0;
  bool with_default = true;
  bool headers = false;
  bool resource_exhausted = false;
  common::VhRateLimitsOptions host_limits = common::OVERRIDE;
  std::vector<HeaderEdits::Edit> response_edits, request_edits;
  uint64_t seed = 0;
};

class LocalRateLimit final : public Filter {
 public:
  LocalRateLimit(FilterHost& host, const Settings& settings)
      : host_(host), settings_(settings), stats_(settings.stats->Shard(host.worker())) {}

  Next OnRequestHead(RequestHead& head, bool) override {
    pinnace::Random& random = host_.loop().random();
    if (!settings_.enabled.Draw(random)) return Next::kContinue;
    stats_[kEnabled].Add();
    if (TakeAll(head)) {
      stats_[kOk].Add();
      return Next::kContinue;
    }
    stats_[kLimited].Add();
    if (!settings_.enforced.Draw(random)) {
      for (const HeaderEdits::Edit& edit : settings_.request_edits)
        edit.Apply(host_.info(), head.headers);
      return Next::kContinue;
    }
    stats_[kEnforced].Add();
    SetFlag(host_.info(), ResponseFlag::kRateLimited);
    refused_ = true;
    FilterReply reply{
        .status = settings_.status, .details = "local_rate_limited", .body = "local_rate_limited"};
    if (settings_.resource_exhausted) reply.grpc_status = 8;
    host_.Reply(std::move(reply));
    return Next::kPause;
  }

  Next OnResponseHead(ResponseHead& head, bool) override {
    if (refused_) {
      for (const HeaderEdits::Edit& edit : settings_.response_edits)
        edit.Apply(host_.info(), head.headers);
    }
    if (settings_.headers && shown_ != nullptr) {
      const int64_t now = host_.loop().NowNs();
      head.headers.Set("x-ratelimit-limit", absl::StrCat(shown_rate_->tokens_max));
      head.headers.Set("x-ratelimit-remaining", absl::StrCat(shown_->Left(*shown_rate_, now)));
      const uint32_t left = shown_->Left(*shown_rate_, now);
      const int64_t wait = left > 0 ? 0 : shown_->UntilNext(*shown_rate_, now);
      head.headers.Set("x-ratelimit-reset", absl::StrCat((wait + 999'999'999) / 1'000'000'000));
    }
    return Next::kContinue;
  }

 private:
  // A token of every bucket that this request is counted by.
  bool TakeAll(const RequestHead& head) {
    const std::vector<RateDescriptor> asked = Descriptors(head);
    bool matched = false;
    for (const auto& limit : settings_.limits) {
      for (const RateDescriptor& descriptor : asked) {
        if (!limit->Matches(descriptor)) continue;
        matched = true;
        if (!TakeOne(BucketOf(*limit, descriptor), limit->rate)) return false;
      }
    }
    if (!settings_.rate || (matched && !settings_.with_default)) return true;
    return TakeOne(settings_.bucket, *settings_.rate);
  }
  bool TakeOne(TokenBucket& bucket, const BucketRate& rate) {
    const int64_t now = host_.loop().NowNs();
    const bool taken = bucket.Take(rate, now);
    // Shown is the bucket that refused, or that is nearest to refusing.
    if (shown_ == nullptr || !taken || bucket.Left(rate, now) < shown_->Left(*shown_rate_, now)) {
      shown_ = &bucket;
      shown_rate_ = &rate;
    }
    return taken;
  }
  TokenBucket& BucketOf(const Limit& limit, const RateDescriptor& descriptor) {
    if (limit.dynamic == nullptr) return limit.bucket;
    uint64_t hash = settings_.seed;
    for (size_t i = 0; i < descriptor.size(); ++i) {
      if (!limit.entries[i].second.empty()) continue;
      hash = XXH64(descriptor[i].second.data(), descriptor[i].second.size(), hash);
    }
    bool evicted = false;
    TokenBucket& bucket = limit.dynamic->Find(hash, host_.loop().NowNs(), evicted);
    if (evicted) stats_[kEvicted].Add();
    return bucket;
  }
  std::vector<RateDescriptor> Descriptors(const RequestHead& head) {
    std::vector<RateDescriptor> all;
    const auto add = [&](const std::vector<RateLimitEntry>& entries) {
      for (const RateLimitEntry& entry : entries) {
        if (entry.stage != settings_.stage) continue;
        if (auto one = Describe(entry, head, host_.info())) all.push_back(*std::move(one));
      }
    };
    if (settings_.limits.empty()) return all;
    if (!settings_.own_entries.empty()) {
      add(settings_.own_entries);
      return all;
    }
    const Route* route = host_.route();
    const bool of_route = route != nullptr && route->forward && route->forward->rate_limits;
    if (of_route) add(route->forward->rate_limits->entries);
    const bool of_host = settings_.host_limits == common::INCLUDE ||
                         (settings_.host_limits == common::OVERRIDE && !of_route);
    const VirtualHost* host = host_.virtual_host();
    if (of_host && host != nullptr && host->rate_limits) add(host->rate_limits->entries);
    return all;
  }

  FilterHost& host_;
  const Settings& settings_;
  Cell* const stats_;
  const TokenBucket* shown_ = nullptr;
  const BucketRate* shown_rate_ = nullptr;
  bool refused_ = false;
};

absl::Status Bad(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

absl::Status ReadBucket(const envoy::type::v3::TokenBucket& proto, BucketRate& rate) {
  rate.tokens_max = proto.max_tokens();
  rate.per_fill = proto.has_tokens_per_fill() ? proto.tokens_per_fill().value() : 1;
  rate.interval = ToDuration(proto.fill_interval());
  if (rate.tokens_max == 0) return Bad("token_bucket.max_tokens", "must be above 0");
  if (rate.per_fill == 0) return Bad("token_bucket.tokens_per_fill", "must be above 0");
  if (rate.interval < kIntervalMin || rate.interval > absl::Hours(24 * 366)) {
    return Bad("token_bucket.fill_interval", "not in 50 ms .. 366 days");
  }
  return absl::OkStatus();
}

absl::Status ReadLimits(const api::LocalRateLimit& proto, Settings& to) {
  const uint32_t dynamic = proto.has_max_dynamic_descriptors()
                               ? proto.max_dynamic_descriptors().value()
                               : kDynamicDefault;
  if (dynamic == 0 || dynamic > kDynamicMax) {
    return Bad("max_dynamic_descriptors", "not in 1..1048576");
  }
  for (const auto& one : proto.descriptors()) {
    auto limit = std::make_unique<Limit>();
    bool wild = false;
    for (const auto& entry : one.entries()) {
      limit->entries.emplace_back(entry.key(), entry.value());
      wild = wild || entry.value().empty();
    }
    if (absl::Status s = ReadBucket(one.token_bucket(), limit->rate); !s.ok()) {
      return Bad("descriptors", s.message());
    }
    if (wild) limit->dynamic = std::make_unique<BucketTable>(limit->rate, dynamic);
    to.limits.push_back(std::move(limit));
  }
  std::stable_sort(to.limits.begin(), to.limits.end(), [](const auto& a, const auto& b) {
    return a->rate.per_second() < b->rate.per_second();
  });
  for (const auto& entry : proto.rate_limits()) {
    if (absl::Status s = ReadRateLimit(entry, to.own_entries.emplace_back()); !s.ok()) {
      return Bad("rate_limits", s.message());
    }
  }
  return absl::OkStatus();
}

template <typename List>
absl::Status ReadEdits(const List& list, std::vector<HeaderEdits::Edit>& to) {
  for (const auto& one : list) {
    auto edit = ReadEdit(one);
    if (!edit.ok()) return edit.status();
    to.push_back(*std::move(edit));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Settings>> ReadSettings(const api::LocalRateLimit& proto,
                                                             FilterContext& context) {
  if (proto.stat_prefix().empty()) return Bad("stat_prefix", "must not be empty");
  auto settings = std::make_shared<Settings>();
  settings->stats = context.stats.Get(kLimitScope, proto.stat_prefix());
  if (proto.has_token_bucket()) {
    if (absl::Status s = ReadBucket(proto.token_bucket(), settings->rate.emplace()); !s.ok()) {
      return s;
    }
  }
  if (absl::Status s = ReadLimits(proto, *settings); !s.ok()) return s;
  if (proto.status().code() >= 400) settings->status = proto.status().code();
  if (proto.has_filter_enabled())
    settings->enabled = ReadFraction(proto.filter_enabled().default_value());
  if (proto.has_filter_enforced())
    settings->enforced = ReadFraction(proto.filter_enforced().default_value());
  settings->stage = proto.stage();
  settings->with_default = !proto.has_always_consume_default_token_bucket() ||
                           proto.always_consume_default_token_bucket().value();
  settings->headers = proto.enable_x_ratelimit_headers() == common::DRAFT_VERSION_03;
  settings->resource_exhausted = proto.rate_limited_as_resource_exhausted();
  settings->host_limits = proto.vh_rate_limits();
  absl::Status read = ReadEdits(proto.response_headers_to_add(), settings->response_edits);
  read.Update(ReadEdits(proto.request_headers_to_add_when_not_enforced(), settings->request_edits));
  if (!read.ok()) return read;
  settings->seed = pinnace::EntropySeed();  // So that nobody can make keys fall together.
  return std::shared_ptr<const Settings>(std::move(settings));
}

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message& message,
                                    FilterContext& context) {
  auto own = ReadSettings(static_cast<const api::LocalRateLimit&>(message), context);
  if (!own.ok()) return own.status();
  return FilterFactory(
      [own = *own](FilterHost& host, RouteFilterConfigs routes) -> std::unique_ptr<Filter> {
        const Settings& settings = routes.empty() ? *own : static_cast<const Settings&>(*routes[0]);
        if (settings.enabled.numerator == 0) return nullptr;
        return std::make_unique<LocalRateLimit>(host, settings);
      });
}

absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> ParseRoute(
    const google::protobuf::Message& message, FilterContext& context) {
  return ReadSettings(static_cast<const api::LocalRateLimit&>(message), context);
}

}  // namespace

const FilterType& LocalRateLimitFilter() {
  static const FilterType kType = {"envoy.filters.http.local_ratelimit",
                                   &api::LocalRateLimit::default_instance(),
                                   &api::LocalRateLimit::default_instance(), &Parse, &ParseRoute};
  return kType;
}

}  // namespace proxy
