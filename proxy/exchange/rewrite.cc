// Path, host and redirect rewriting; timeouts and status mapping.
#include "proxy/exchange/rewrite.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

namespace proxy {

void RewriteRequest(const Route& route, bool tell, RequestHead& head) {
  const ForwardAction& action = *route.forward;
  Arena& arena = head.headers.arena();
  if (!action.host_rewrite.empty()) {
    if (tell) head.headers.Set("x-envoy-original-host", head.authority);
    head.authority = arena.Copy(action.host_rewrite);
  }
  const absl::string_view before = head.path;
  if (!action.prefix_rewrite.empty()) {
    const absl::string_view matched = route.match.kind == RouteMatch::Path::kExact
                                          ? head.PathOnly()
                                          : absl::string_view(route.match.path);
    head.path = arena.Copy(absl::StrCat(action.prefix_rewrite, head.path.substr(matched.size())));
  } else if (action.regex_rewrite != nullptr) {
    const absl::string_view only = head.PathOnly();
    std::string path(only);
    RE2::GlobalReplace(&path, *action.regex_rewrite, action.regex_substitution);
    head.path = arena.Copy(absl::StrCat(path, head.path.substr(only.size())));
  } else {
    return;
  }
  if (tell) head.headers.Set("x-envoy-original-path", before);
}

Address ClientAddress(const HttpConfig& config, const Headers& headers, const Address& direct) {
  uint32_t back = config.xff_trusted_hops;
  if (config.use_remote_address && back-- == 0) return direct;
  // Several fields are one list; the last field's entries are the newest.
  for (auto field = headers.end(); field != headers.begin();) {
    --field;
    if (field->id != HeaderId::kXForwardedFor) continue;
    absl::string_view list = field->value;
    while (true) {
      const size_t comma = list.rfind(',');
      if (back == 0) {
        const absl::string_view last =
            absl::StripAsciiWhitespace(list.substr(comma == list.npos ? 0 : comma + 1));
        const auto address = Address::FromIp(last, 0);
        return address.ok() ? *address : direct;
      }
      --back;
      if (comma == list.npos) break;
      list = list.substr(0, comma);
    }
  }
  return direct;
}

std::string RedirectLocation(const RedirectAction& action, const Route& route,
                             const RequestHead& head) {
  const std::string scheme = action.https             ? "https"
                             : !action.scheme.empty() ? action.scheme
                                                      : std::string(head.scheme);
  std::string host = action.host.empty() ? std::string(head.authority) : action.host;
  if (action.port != 0) {
    if (action.host.empty()) host = host.substr(0, host.rfind(':'));
    absl::StrAppend(&host, ":", action.port);
  }
  absl::string_view tail = head.path;
  if (action.strip_query) tail = head.PathOnly();
  std::string path(tail);
  if (!action.path.empty()) {
    path = action.path;
    if (!action.strip_query && !absl::StrContains(path, '?')) {
      absl::StrAppend(&path, head.path.substr(head.PathOnly().size()));
    }
  } else if (!action.prefix_rewrite.empty()) {
    path = absl::StrCat(action.prefix_rewrite,
                        tail.substr(std::min(tail.size(), route.match.path.size())));
  } else if (action.regex_rewrite != nullptr) {
    path = std::string(head.PathOnly());
    RE2::GlobalReplace(&path, *action.regex_rewrite, action.regex_substitution);
    absl::StrAppend(&path, tail.substr(head.PathOnly().size()));
  }
  return absl::StrCat(scheme, "://", host, path);
}

namespace {

// grpc-timeout: at most eight digits and a unit (gRPC over HTTP/2, "Requests").
std::optional<absl::Duration> GrpcTimeout(const RequestHead& head) {
  const absl::string_view text = head.headers.Value(HeaderId::kGrpcTimeout);
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  int64_t whole = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    whole = whole * 10 + (c - '0');
  }
  switch (text.back()) {
    case 'H': return absl::Hours(whole);
    case 'M': return absl::Minutes(whole);
    case 'S': return absl::Seconds(whole);
    case 'm': return absl::Milliseconds(whole);
    case 'u': return absl::Microseconds(whole);
    case 'n': return absl::Nanoseconds(whole);
    default: return std::nullopt;
  }
}

}  // namespace

absl::Duration RequestTimeout(const ForwardAction& action, const RequestHead& head) {
  if (!action.grpc_timeout_max || !IsGrpc(head.headers)) return action.timeout;
  const absl::Duration asked = GrpcTimeout(head).value_or(absl::ZeroDuration());
  const absl::Duration most = *action.grpc_timeout_max;
  if (most <= absl::ZeroDuration()) return asked;
  return asked <= absl::ZeroDuration() ? most : std::min(asked, most);
}

absl::Duration StreamDuration(const ForwardAction* action, const RequestHead& head,
                              absl::Duration otherwise) {
  if (action == nullptr) return otherwise;
  const std::optional<absl::Duration> asked =
      action->grpc_duration_max ? GrpcTimeout(head) : std::nullopt;
  if (!asked) return action->stream_duration_max.value_or(otherwise);
  const absl::Duration most = *action->grpc_duration_max;
  // Zero is a time-out that is over already, not the absence of one.
  absl::Duration length = std::max(*asked, absl::Milliseconds(1));
  if (most > absl::ZeroDuration()) length = std::min(length, most);
  return action->grpc_timeout_offset < length ? length - action->grpc_timeout_offset : length;
}

int GrpcStatusOf(int http_status) {
  switch (http_status) {
    case 400: return 13;  // INTERNAL
    case 401: return 16;  // UNAUTHENTICATED
    case 403: return 7;   // PERMISSION_DENIED
    case 404: return 12;  // UNIMPLEMENTED
    case 429:
    case 502:
    case 503:
    case 504: return 14;  // UNAVAILABLE
    default: return 2;    // UNKNOWN
  }
}

std::string GrpcMessage(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
    } else {
      absl::StrAppend(&out, "%", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return out;
}

absl::string_view HttpDate(absl::Time now, Arena& arena) {
  thread_local int64_t second = -1;
  thread_local std::string text;
  const int64_t this_second = absl::ToUnixSeconds(now);
  if (this_second != second) {
    second = this_second;
    text = absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", now, absl::UTCTimeZone());
  }
  return arena.Copy(text);
}

}  // namespace proxy
