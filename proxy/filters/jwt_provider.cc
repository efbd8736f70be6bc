// Tokens of one issuer: found, checked, passed on; its keys read or fetched.
#include "proxy/filters/jwt_provider.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <google/protobuf/util/json_util.h>

#include "proxy/http/metadata.h"
#include "proxy/route/read_match.h"

namespace proxy {
namespace {

namespace api = envoy::extensions::filters::http::jwt_authn::v3;
using google::protobuf::Value;

constexpr char kMetadataName[] = "envoy.filters.http.jwt_authn";
constexpr absl::Duration kCacheDefault = absl::Minutes(10);
constexpr absl::Duration kRetryAfter = absl::Seconds(1);  // After a fetch that failed.

absl::Status Bad(absl::string_view where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(where, ": ", what));
}

// The token that follows `prefix` in a field's value, up to the first byte that none has.
absl::string_view TokenAfter(absl::string_view value, absl::string_view prefix) {
  const size_t at = value.find(prefix);
  if (at == absl::string_view::npos) return {};
  value.remove_prefix(at + prefix.size());
  const auto end = std::find_if_not(value.begin(), value.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
  return value.substr(0, static_cast<size_t>(end - value.begin()));
}

void AddParams(absl::string_view path, const std::string& name,
               std::vector<absl::string_view>& to) {
  const size_t mark = path.find('?');
  if (mark == absl::string_view::npos) return;
  absl::string_view rest = path.substr(mark + 1);
  while (!rest.empty()) {
    const absl::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    if (equals == absl::string_view::npos || pair.substr(0, equals) != name) continue;
    to.push_back(pair.substr(equals + 1));
  }
}

void AddCookies(const RequestHead& head, const std::string& name,
                std::vector<absl::string_view>& to) {
  for (const Header& field : head.headers) {
    if (field.id != HeaderId::kCookie) continue;
    absl::string_view rest = field.value;
    while (!rest.empty()) {
      const absl::string_view pair = rest.substr(0, rest.find(';'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      const size_t equals = pair.find('=');
      if (equals == absl::string_view::npos) continue;
      if (absl::StripAsciiWhitespace(pair.substr(0, equals)) != name) continue;
      to.push_back(absl::StripAsciiWhitespace(pair.substr(equals + 1)));
    }
  }
}

// A claim as a header field's value: texts, numbers and booleans as they are, others as base64url
// of their JSON.
std::string ClaimText(const Value& claim) {
  switch (claim.kind_case()) {
    case Value::kStringValue: return claim.string_value();
    case Value::kBoolValue: return claim.bool_value() ? "true" : "false";
    case Value::kNumberValue: {
      const double number = claim.number_value();
      if (number == static_cast<double>(static_cast<int64_t>(number))) {
        return absl::StrCat(static_cast<int64_t>(number));
      }
      return absl::StrCat(number);
    }
    default: {
      std::string json;
      (void)google::protobuf::util::MessageToJsonString(claim, &json);
      return absl::Base64Escape(json);
    }
  }
}

bool IsFieldValue(absl::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

absl::Status ReadKeys(const api::JwtProvider& proto, JwtProvider& to, size_t workers) {
  if (proto.has_local_jwks()) {
    const auto& source = proto.local_jwks();
    std::string json = source.inline_string() + source.inline_bytes();
    if (!source.filename().empty()) {
      std::ifstream file(source.filename());
      if (!file) return Bad("local_jwks.filename", "cannot be read");
      std::ostringstream all;
      all << file.rdbuf();
      json = all.str();
    }
    auto keys = ParseJwks(json);
    if (!keys.ok()) return Bad("local_jwks", keys.status().message());
    to.local = *std::move(keys);
    return absl::OkStatus();
  }
  if (!proto.has_remote_jwks()) return Bad("jwks_source_specifier", "needs local or remote_jwks");
  const auto& remote = proto.remote_jwks();
  to.cluster = remote.http_uri().cluster();
  absl::string_view uri = remote.http_uri().uri();
  if (const size_t mark = uri.find("://"); mark != absl::string_view::npos) {
    uri.remove_prefix(mark + 3);
  }
  const size_t slash = uri.find('/');
  to.authority = std::string(uri.substr(0, slash));
  to.path = slash == absl::string_view::npos ? "/" : std::string(uri.substr(slash));
  if (to.cluster.empty() || to.authority.empty()) {
    return Bad("remote_jwks.http_uri", "needs uri and cluster");
  }
  to.fetch_timeout = ToDuration(remote.http_uri().timeout());
  if (to.fetch_timeout <= absl::ZeroDuration()) {
    return Bad("remote_jwks.http_uri.timeout", "must be above 0");
  }
  to.cache_for = remote.has_cache_duration() ? ToDuration(remote.cache_duration()) : kCacheDefault;
  to.fetched.resize(workers);
  return absl::OkStatus();
}

void ReadPlaces(const api::JwtProvider& proto, JwtProvider& to) {
  for (const auto& header : proto.from_headers()) {
    to.headers.push_back({absl::AsciiStrToLower(header.name()), header.value_prefix()});
  }
  to.params.assign(proto.from_params().begin(), proto.from_params().end());
  to.cookies.assign(proto.from_cookies().begin(), proto.from_cookies().end());
  if (to.headers.empty() && to.params.empty() && to.cookies.empty()) {
    to.headers.push_back({"authorization", "Bearer "});
    to.params.emplace_back("access_token");  // RFC 6750 §2.3
  }
}

}  // namespace

std::shared_ptr<const Jwks> JwtProvider::Keys(FilterHost& host) const {
  if (local != nullptr) return local;
  const FetchedKeys& own = fetched[host.worker()];
  // Keys that could not be renewed serve for as long again.
  const absl::Duration age = absl::Nanoseconds(host.loop().NowNs() - own.fetched_ns);
  return own.keys != nullptr && age < 2 * cache_for ? own.keys : nullptr;
}

bool JwtProvider::WantsFetch(FilterHost& host) const {
  if (local != nullptr) return false;
  const FetchedKeys& own = fetched[host.worker()];
  const int64_t now = host.loop().NowNs();
  if (own.fetching) return false;
  if (own.tried_ns != 0 && absl::Nanoseconds(now - own.tried_ns) < kRetryAfter) return false;
  // In the last fifth of their time they are renewed while they still serve.
  return own.keys == nullptr || absl::Nanoseconds(now - own.fetched_ns) > cache_for * 0.8;
}

std::vector<absl::string_view> JwtProvider::Tokens(const RequestHead& head) const {
  std::vector<absl::string_view> found;
  for (const Place& place : headers) {
    for (const Header& field : head.headers) {
      if (field.name != place.name) continue;
      const absl::string_view token =
          place.prefix.empty() ? field.value : TokenAfter(field.value, place.prefix);
      if (!token.empty()) found.push_back(token);
    }
  }
  for (const std::string& name : params) AddParams(head.path, name, found);
  for (const std::string& name : cookies) AddCookies(head, name, found);
  return found;
}

JwtStatus JwtProvider::Check(const Jwt& jwt, const std::vector<std::string>* other,
                             absl::Time now) const {
  if (!issuer.empty() && jwt.issuer != issuer) return JwtStatus::kUnknownIssuer;
  const double seconds = absl::ToDoubleSeconds(now - absl::UnixEpoch());
  const double skew = absl::ToDoubleSeconds(clock_skew);
  if (jwt.not_before >= 0 && jwt.not_before > seconds + skew) return JwtStatus::kNotYet;
  if (jwt.expires >= 0 && jwt.expires + skew < seconds) return JwtStatus::kExpired;
  if (jwt.expires < 0 && require_expiration) return JwtStatus::kNoExpiration;
  if (lifetime_max != absl::InfiniteDuration()) {
    const double from = jwt.issued >= 0 ? jwt.issued : seconds;
    if (jwt.expires < 0 || jwt.expires - from > absl::ToDoubleSeconds(lifetime_max)) {
      return JwtStatus::kLifetime;
    }
  }
  if (subject && !subject->Matches(jwt.subject)) return JwtStatus::kSubject;
  const std::vector<std::string>& wanted = other != nullptr ? *other : audiences;
  if (wanted.empty()) return JwtStatus::kOk;
  for (const std::string& one : jwt.audiences) {
    if (std::find(wanted.begin(), wanted.end(), one) != wanted.end()) return JwtStatus::kOk;
  }
  return JwtStatus::kAudience;
}

void JwtProvider::Pass(const Jwt& jwt, FilterHost& host) const {
  Headers& fields = host.request().headers;
  if (!payload_header.empty()) {
    std::string text(jwt.payload_text);
    while (pad_payload && text.size() % 4 != 0) text += '=';
    fields.Set(payload_header, text);
  }
  for (const auto& [field, claim] : claim_headers) {
    const Value* value = FindClaim(jwt.payload, claim);
    if (value == nullptr) continue;
    const std::string text = ClaimText(*value);
    if (IsFieldValue(text)) fields.Add(field, text);
  }
  const auto note = [&](const std::string& key, const google::protobuf::Struct& what) {
    std::shared_ptr<DynamicMetadata>& metadata = host.info().metadata;
    if (metadata == nullptr) metadata = std::make_shared<DynamicMetadata>();
    *(*metadata->filters[kMetadataName].mutable_fields())[key].mutable_struct_value() = what;
  };
  if (!payload_metadata.empty()) note(payload_metadata, jwt.payload);
  if (!header_metadata.empty()) note(header_metadata, jwt.header);
  if (clear_route) host.ClearRoute();
}

void RemoveParam(absl::string_view name, RequestHead& head) {
  const size_t mark = head.path.find('?');
  if (mark == absl::string_view::npos) return;
  std::string path(head.path.substr(0, mark));
  char before = '?';
  absl::string_view rest = head.path.substr(mark + 1);
  bool found = false;
  while (!rest.empty()) {
    const absl::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.substr(0, pair.find('=')) == name) {
      found = true;
      continue;
    }
    absl::StrAppend(&path, absl::string_view(&before, 1), pair);
    before = '&';
  }
  if (found) head.path = head.headers.arena().Copy(path);
}

void FetchKeys(std::shared_ptr<const JwtProvider> provider, FilterHost& host,
               std::function<void(bool)> stat) {
  FetchedKeys& own = provider->fetched[host.worker()];
  if (own.fetching) return;
  own.fetching = true;
  SideRequest request;
  request.cluster = provider->cluster;
  request.timeout = provider->fetch_timeout;
  Arena& arena = request.head.headers.arena();
  request.head.method = "GET";
  request.head.scheme = "https";
  request.head.authority = arena.Copy(provider->authority);
  request.head.path = arena.Copy(provider->path);
  const size_t worker = host.worker();
  EventLoop& loop = host.loop();
  host.side_calls().StartDetached(std::move(request),
                                  [provider, worker, &loop, stat](int status, std::string body) {
                                    FetchedKeys& keys = provider->fetched[worker];
                                    keys.fetching = false;
                                    keys.tried_ns = loop.NowNs();
                                    auto parsed = ParseJwks(body);
                                    const bool good = status == 200 && parsed.ok();
                                    if (good) {
                                      keys.keys = *std::move(parsed);
                                      keys.fetched_ns = loop.NowNs();
                                    }
                                    stat(good);
                                    std::vector<std::weak_ptr<std::function<void()>>> waiters;
                                    waiters.swap(keys.waiters);
                                    for (const auto& waiter : waiters) {
                                      if (const auto alive = waiter.lock()) (*alive)();
                                    }
                                  });
}

absl::StatusOr<std::shared_ptr<const JwtProvider>> ReadJwtProvider(const std::string& name,
                                                                   const api::JwtProvider& proto,
                                                                   size_t workers) {
  auto provider = std::make_shared<JwtProvider>();
  provider->name = name;
  provider->issuer = proto.issuer();
  provider->audiences.assign(proto.audiences().begin(), proto.audiences().end());
  if (proto.has_subjects()) {
    absl::Status read = ReadText(proto.subjects(), provider->subject.emplace());
    if (!read.ok()) return read;
  }
  provider->require_expiration = proto.require_expiration();
  if (proto.has_max_lifetime()) provider->lifetime_max = ToDuration(proto.max_lifetime());
  if (proto.clock_skew_seconds() > 0) {
    provider->clock_skew = absl::Seconds(proto.clock_skew_seconds());
  }
  ReadPlaces(proto, *provider);
  provider->forward = proto.forward();
  provider->payload_header = absl::AsciiStrToLower(proto.forward_payload_header());
  provider->pad_payload = proto.pad_forward_payload_header();
  provider->payload_metadata = proto.payload_in_metadata();
  provider->header_metadata = proto.header_in_metadata();
  for (const auto& one : proto.claim_to_headers()) {
    provider->claim_headers.emplace_back(absl::AsciiStrToLower(one.header_name()),
                                         one.claim_name());
  }
  provider->clear_route = proto.clear_route_cache();
  if (absl::Status s = ReadKeys(proto, *provider, workers); !s.ok()) return s;
  return std::shared_ptr<const JwtProvider>(std::move(provider));
}

}  // namespace proxy
