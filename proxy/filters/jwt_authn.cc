// Lets requests pass whose JSON Web Tokens satisfy the rules.
#include <algorithm>
#include <map>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "proxy/filters/filters.h"
#include "proxy/filters/jwt_provider.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::jwt_authn::v3;

enum JwtStat : size_t { kAllowed, kDenied, kBypassed, kFetchGood, kFetchBad, kJwtStatCount };
constexpr StatName kNames[] = {{"jwt_authn.allowed"},
                               {"jwt_authn.denied"},
                               {"jwt_authn.cors_preflight_bypassed"},
                               {"jwt_authn.jwks_fetch_success"},
                               {"jwt_authn.jwks_fetch_failed"}};
static_assert(std::size(kNames) == kJwtStatCount);
constexpr ScopeKind kJwtScope = {"http", "envoy_http_conn_manager_prefix", kNames};

using Providers = std::map<std::string, std::shared_ptr<const JwtProvider>>;

// What must be true of a request's tokens.
struct Requirement {
  enum class Kind : uint8_t { kProvider, kAny, kAll, kAllowMissing, kAllowFailed };
  Kind kind = Kind::kAll;
  std::shared_ptr<const JwtProvider> provider;
  std::optional<std::vector<std::string>> audiences;
  std::vector<Requirement> inner;
  std::vector<std::shared_ptr<const JwtProvider>> all;  // kAllow...: every provider.
};

struct Rule {
  RouteMatch match;
  std::optional<Requirement> requirement;  // Empty: nothing is asked.
};

struct Settings {
  Providers providers;
  std::vector<Rule> rules;  // The first that matches.
  std::map<std::string, Requirement> by_name;
  std::vector<std::string> made_fields;  // Only we may set them.
  bool bypass_preflight = false;
  bool strip_failure = false;
  std::shared_ptr<Scope> stats;
};

struct RouteSettings final : RouteFilterConfig {
  bool disabled = false;
  std::string name;
};

class JwtAuthn final : public Filter {
 public:
  JwtAuthn(FilterHost& host, std::shared_ptr<const Settings> settings, const RouteSettings* route)
      : host_(host),
        settings_(std::move(settings)),
        stats_(settings_->stats->Shard(host.worker())),
        route_(route) {}

  Next OnRequestHead(RequestHead& head, bool) override {
    for (const std::string& name : settings_->made_fields) head.headers.Remove(name);
    if (route_ != nullptr && route_->disabled) return Next::kContinue;
    if (settings_->bypass_preflight && head.method == "OPTIONS" &&
        head.headers.Find("origin") != nullptr &&
        head.headers.Find("access-control-request-method") != nullptr) {
      stats_[kBypassed].Add();
      return Next::kContinue;
    }
    if (route_ != nullptr && !route_->name.empty()) {
      const auto found = settings_->by_name.find(route_->name);
      if (found == settings_->by_name.end()) {
        host_.Reply({.status = 403,
                     .details = "jwt_authn_access_denied{wrong_requirement_name}",
                     .body = "Wrong requirement_name: " + route_->name});
        stats_[kDenied].Add();
        return Next::kPause;
      }
      requirement_ = &found->second;
    } else {
      for (const Rule& rule : settings_->rules) {
        if (!RouteMatches(rule.match, head)) continue;
        if (rule.requirement) requirement_ = &*rule.requirement;
        break;
      }
    }
    if (requirement_ == nullptr) {
      stats_[kAllowed].Add();
      return Next::kContinue;
    }
    if (StartFetches(*requirement_)) {
      waiter_ = std::make_shared<std::function<void()>>([this] { OnFetched(); });
      Wait(*requirement_);
      return Next::kPause;
    }
    return Decide() ? Next::kContinue : Next::kPause;
  }
  void OnStreamEnd(const StreamInfo&) override { waiter_.reset(); }

 private:
  using Good = std::pair<const JwtProvider*, Jwt>;

  template <typename Visit>
  static void ForEachProvider(const Requirement& requirement, const Visit& visit) {
    if (requirement.provider != nullptr) visit(requirement.provider);
    for (const auto& provider : requirement.all) visit(provider);
    for (const Requirement& inner : requirement.inner) ForEachProvider(inner, visit);
  }
  // Renews keys that are old. True if keys are lacking without which this request waits.
  bool StartFetches(const Requirement& requirement) {
    bool lacking = false;
    ForEachProvider(requirement, [&](const std::shared_ptr<const JwtProvider>& provider) {
      if (provider->local != nullptr || provider->Tokens(host_.request()).empty()) return;
      if (provider->WantsFetch(host_)) {
        FetchKeys(provider, host_, [stats = stats_, keep = settings_](bool good) {
          stats[good ? kFetchGood : kFetchBad].Add();
        });
      }
      lacking = lacking || (provider->Keys(host_) == nullptr && Fetching(*provider));
    });
    return lacking;
  }
  bool Fetching(const JwtProvider& provider) { return provider.fetched[host_.worker()].fetching; }
  void Wait(const Requirement& requirement) {
    ForEachProvider(requirement, [&](const std::shared_ptr<const JwtProvider>& provider) {
      if (provider->local != nullptr || !Fetching(*provider)) return;
      provider->fetched[host_.worker()].waiters.push_back(waiter_);
    });
  }
  void OnFetched() {
    bool lacking = false;
    ForEachProvider(*requirement_, [&](const std::shared_ptr<const JwtProvider>& provider) {
      if (provider->local != nullptr || provider->Tokens(host_.request()).empty()) return;
      lacking = lacking || (provider->Keys(host_) == nullptr && Fetching(*provider));
    });
    if (lacking || waiter_ == nullptr) return;
    waiter_.reset();
    if (Decide()) host_.ResumeRequest();
  }

  // False: the request was refused.
  bool Decide() {
    std::vector<Good> good;
    const JwtStatus status = Verify(*requirement_, good);
    if (status != JwtStatus::kOk) {
      stats_[kDenied].Add();
      Refuse(status);
      return false;
    }
    stats_[kAllowed].Add();
    // Names first: Pass() may add fields of the same name.
    for (const Good& one : good) {
      if (one.first->forward) continue;
      for (const JwtProvider::Place& place : one.first->headers) {
        host_.request().headers.Remove(place.name);
      }
      for (const std::string& name : one.first->params) RemoveParam(name, host_.request());
    }
    for (const Good& one : good) one.first->Pass(one.second, host_);
    return true;
  }
  void Refuse(JwtStatus status) {
    const RequestHead& head = host_.request();
    std::string reason = JwtStatusText(status);
    std::replace(reason.begin(), reason.end(), ' ', '_');
    const std::string details = absl::StrCat("jwt_authn_access_denied{", reason, "}");
    FilterReply reply{.status = status == JwtStatus::kAudience ? 403 : 401, .details = details};
    if (!settings_->strip_failure) {
      reply.body = JwtStatusText(status);
      // RFC 6750 §3.
      reply.headers.emplace_back(
          "www-authenticate",
          absl::StrCat("Bearer realm=\"", head.scheme, "://", head.authority,
                       head.path.substr(0, kRealmPathMax), "\"",
                       status == JwtStatus::kMissing ? "" : ", error=\"invalid_token\""));
    }
    host_.Reply(std::move(reply));
  }

  JwtStatus Verify(const Requirement& requirement, std::vector<Good>& good) {
    switch (requirement.kind) {
      case Requirement::Kind::kProvider:
        return VerifyBy(*requirement.provider,
                        requirement.audiences ? &*requirement.audiences : nullptr, good);
      case Requirement::Kind::kAll:
        for (const Requirement& inner : requirement.inner) {
          if (const JwtStatus s = Verify(inner, good); s != JwtStatus::kOk) return s;
        }
        return JwtStatus::kOk;
      case Requirement::Kind::kAny: return VerifyAny(requirement, good);
      case Requirement::Kind::kAllowMissing: {
        const JwtStatus status = VerifyWithAll(requirement, good);
        return status == JwtStatus::kMissing ? JwtStatus::kOk : status;
      }
      case Requirement::Kind::kAllowFailed: VerifyWithAll(requirement, good); return JwtStatus::kOk;
    }
    return JwtStatus::kSignature;
  }
  JwtStatus VerifyAny(const Requirement& requirement, std::vector<Good>& good) {
    JwtStatus worst = JwtStatus::kMissing;
    bool may_be_missing = false;
    for (const Requirement& inner : requirement.inner) {
      if (inner.kind == Requirement::Kind::kAllowMissing) {
        may_be_missing = true;
        continue;
      }
      std::vector<Good> own;
      const JwtStatus status = Verify(inner, own);
      if (status == JwtStatus::kOk) {
        for (Good& one : own) good.push_back(std::move(one));
        return JwtStatus::kOk;
      }
      // The most telling answer: a token of this issuer, rather than one of another, or none.
      const bool dull = status == JwtStatus::kMissing || status == JwtStatus::kUnknownIssuer;
      if (!dull || worst == JwtStatus::kMissing) worst = status;
    }
    return worst == JwtStatus::kMissing && may_be_missing ? JwtStatus::kOk : worst;
  }
  // Every token that stands anywhere must be good for the provider of its issuer.
  JwtStatus VerifyWithAll(const Requirement& requirement, std::vector<Good>& good) {
    JwtStatus all = JwtStatus::kMissing;
    for (const auto& provider : requirement.all) {
      const JwtStatus status = VerifyBy(*provider, nullptr, good);
      if (status == JwtStatus::kMissing) continue;
      if (status == JwtStatus::kOk &&
          (all == JwtStatus::kMissing || all == JwtStatus::kUnknownIssuer)) {
        all = JwtStatus::kOk;
      } else if (status != JwtStatus::kOk &&
                 (status != JwtStatus::kUnknownIssuer || all == JwtStatus::kMissing)) {
        all = status;
      }
    }
    return all;
  }
  // All tokens where this provider's may stand must be good: else one would hide another.
  JwtStatus VerifyBy(const JwtProvider& provider, const std::vector<std::string>* audiences,
                     std::vector<Good>& good) {
    const std::vector<absl::string_view> tokens = provider.Tokens(host_.request());
    if (tokens.empty()) return JwtStatus::kMissing;
    for (const absl::string_view token : tokens) {
      Jwt jwt;
      JwtStatus status = ParseJwt(token, jwt);
      if (status == JwtStatus::kOk) {
        status = provider.Check(jwt, audiences, host_.loop().clock().Wall());
      }
      if (status != JwtStatus::kOk) return status;
      const std::shared_ptr<const Jwks> keys = provider.Keys(host_);
      if (keys == nullptr) return JwtStatus::kFetchFailed;
      const Jwks::Answer answer =
          keys->Verify(jwt.kid, jwt.algorithm, jwt.signed_text, jwt.signature);
      if (answer == Jwks::Answer::kNoKey) return JwtStatus::kNoKey;
      if (answer == Jwks::Answer::kBad) return JwtStatus::kSignature;
      good.emplace_back(&provider, std::move(jwt));
    }
    return JwtStatus::kOk;
  }

  static constexpr size_t kRealmPathMax = 256;
  FilterHost& host_;
  const std::shared_ptr<const Settings> settings_;
  Cell* const stats_;
  const RouteSettings* const route_;
  const Requirement* requirement_ = nullptr;
  std::shared_ptr<std::function<void()>> waiter_;  // While keys are fetched.
};

absl::Status ReadRequirement(const api::JwtRequirement& proto, const Providers& providers,
                             Requirement& to);

absl::Status FindProvider(const std::string& name, const Providers& providers, Requirement& to) {
  const auto found = providers.find(name);
  if (found == providers.end()) {
    return absl::InvalidArgumentError(absl::StrCat("provider_name: '", name, "' is not known"));
  }
  to.kind = Requirement::Kind::kProvider;
  to.provider = found->second;
  return absl::OkStatus();
}

template <typename List>
absl::Status ReadInner(Requirement::Kind kind, const List& list, const Providers& providers,
                       Requirement& to) {
  to.kind = kind;
  if (list.size() < 2) return absl::InvalidArgumentError("requirements: at least two");
  for (const auto& one : list) {
    if (absl::Status s = ReadRequirement(one, providers, to.inner.emplace_back()); !s.ok())
      return s;
  }
  return absl::OkStatus();
}

absl::Status ReadRequirement(const api::JwtRequirement& proto, const Providers& providers,
                             Requirement& to) {
  using Kind = Requirement::Kind;
  switch (proto.requires_type_case()) {
    case api::JwtRequirement::kProviderName:
      return FindProvider(proto.provider_name(), providers, to);
    case api::JwtRequirement::kProviderAndAudiences: {
      const auto& both = proto.provider_and_audiences();
      to.audiences.emplace(both.audiences().begin(), both.audiences().end());
      return FindProvider(both.provider_name(), providers, to);
    }
    case api::JwtRequirement::kRequiresAny:
      return ReadInner(Kind::kAny, proto.requires_any().requirements(), providers, to);
    case api::JwtRequirement::kRequiresAll:
      return ReadInner(Kind::kAll, proto.requires_all().requirements(), providers, to);
    case api::JwtRequirement::kAllowMissing:
    case api::JwtRequirement::kAllowMissingOrFailed:
      to.kind = proto.has_allow_missing() ? Kind::kAllowMissing : Kind::kAllowFailed;
      for (const auto& [name, provider] : providers) to.all.push_back(provider);
      return absl::OkStatus();
    default: return absl::OkStatus();  // Nothing is asked.
  }
}

absl::Status ReadRules(const api::JwtAuthentication& proto, Settings& to) {
  for (const auto& [name, requirement] : proto.requirement_map()) {
    absl::Status read = ReadRequirement(requirement, to.providers, to.by_name[name]);
    if (!read.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("requirement_map['", name, "']: ", read.message()));
    }
  }
  for (int i = 0; i < proto.rules_size(); ++i) {
    const auto& from = proto.rules(i);
    Rule& rule = to.rules.emplace_back();
    absl::Status read = ReadRouteMatch(from.match(), rule.match);
    if (read.ok() && from.has_requires()) {
      read = ReadRequirement(from.requires_(), to.providers, rule.requirement.emplace());
    } else if (read.ok() && !from.requirement_name().empty()) {
      const auto found = to.by_name.find(from.requirement_name());
      if (found == to.by_name.end()) {
        read = absl::InvalidArgumentError(
            absl::StrCat("requirement_name: '", from.requirement_name(), "' is not known"));
      } else {
        rule.requirement = found->second;
      }
    }
    if (!read.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("rules[", i, "]: ", read.message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<FilterFactory> Parse(const google::protobuf::Message& message,
                                    FilterContext& context) {
  const auto& proto = static_cast<const api::JwtAuthentication&>(message);
  auto settings = std::make_shared<Settings>();
  const std::map<std::string, api::JwtProvider> sorted(proto.providers().begin(),
                                                       proto.providers().end());
  for (const auto& [name, one] : sorted) {
    auto provider = ReadJwtProvider(name, one, context.stats.workers());
    if (!provider.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("providers['", name, "']: ", provider.status().message()));
    }
    if (!(*provider)->payload_header.empty()) {
      settings->made_fields.push_back((*provider)->payload_header);
    }
    for (const auto& [field, claim] : (*provider)->claim_headers) {
      settings->made_fields.push_back(field);
    }
    settings->providers[name] = *std::move(provider);
  }
  if (absl::Status s = ReadRules(proto, *settings); !s.ok()) return s;
  settings->bypass_preflight = proto.bypass_cors_preflight();
  settings->strip_failure = proto.strip_failure_response();
  settings->stats = context.stats.Get(
      kJwtScope, proto.stat_prefix().empty()
                     ? context.stat_prefix
                     : absl::StrCat(context.stat_prefix, ".", proto.stat_prefix()));
  std::shared_ptr<const Settings> shared = std::move(settings);
  return FilterFactory(
      [shared](FilterHost& host, RouteFilterConfigs routes) -> std::unique_ptr<Filter> {
        const auto* route = routes.empty() ? nullptr : static_cast<const RouteSettings*>(routes[0]);
        return std::make_unique<JwtAuthn>(host, shared, route);
      });
}

absl::StatusOr<std::shared_ptr<const RouteFilterConfig>> ParseRoute(
    const google::protobuf::Message& message, FilterContext&) {
  const auto& proto = static_cast<const api::PerRouteConfig&>(message);
  auto settings = std::make_shared<RouteSettings>();
  settings->disabled = proto.disabled();
  settings->name = proto.requirement_name();
  return settings;
}

}  // namespace

const FilterType& JwtAuthnFilter() {
  static const FilterType kType = {"envoy.filters.http.jwt_authn",
                                   &api::JwtAuthentication::default_instance(),
                                   &api::PerRouteConfig::default_instance(), &Parse, &ParseRoute};
  return kType;
}

}  // namespace proxy
