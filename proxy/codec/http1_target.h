// The request line of HTTP/1: method, target in its four forms, version.
#pragma once

#include <absl/strings/string_view.h>

#include "proxy/codec/http1_parse.h"

namespace proxy {

// The parts of a request line, as sent.
struct RequestLine {
  absl::string_view method;
  absl::string_view target;
  HttpVersion version = HttpVersion::kHttp11;
};

// Splits "GET /a HTTP/1.1" (RFC 9112 §3): one space between the parts, none around them. 505 for a
// version that is well formed but not spoken here; a method that is a known one in the wrong case
// is 501, because a case-blind application behind us would obey what our rules did not see.
ParseError ParseRequestLine(absl::string_view line, bool accept_http_10, RequestLine& parts);

// host [ ":" port ] with a host that is not empty (RFC 3986 §3.2): no userinfo, no list.
bool IsAuthority(absl::string_view text);
// True if a target holds only bytes that may stand there: visible ASCII, no fragment.
bool IsTarget(absl::string_view text);

// Sets head.path and head.authority from `target` and Host, by the form that the method allows
// (RFC 9112 §3.2). Absolute form wins over Host, which is then forgotten (§3.2.2).
ParseError ParseTarget(absl::string_view target, const Framing& framing, RequestHead& head);

}  // namespace proxy
