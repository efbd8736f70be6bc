// Request lines, authorities and the forms of request targets.
#include "proxy/codec/http1_target.h"

#include <algorithm>
#include <array>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

namespace proxy {
namespace {

constexpr std::array<absl::string_view, 9> kMethods = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"};

ParseError JudgeMethod(absl::string_view method) {
  if (std::find(kMethods.begin(), kMethods.end(), method) != kMethods.end()) return {};
  if (!IsToken(method)) return {"http1.invalid_method", 400};
  const bool disguised = std::any_of(kMethods.begin(), kMethods.end(), [&](auto known) {
    return absl::EqualsIgnoreCase(known, method);
  });
  return disguised ? ParseError{"http1.invalid_method", 501} : ParseError();
}

bool IsPort(absl::string_view text) {
  uint32_t port = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<uint8_t>(c)) || text.size() > 5) return false;
    port = port * 10 + static_cast<uint32_t>(c - '0');
  }
  return port <= 65535;  // An empty port is the scheme's (RFC 3986 §3.2.3).
}

// unreserved / pct-encoded / sub-delims, RFC 3986 §3.2.2.
bool IsRegName(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte == '%') {
      if (i + 2 >= text.size() || !absl::ascii_isxdigit(static_cast<uint8_t>(text[i + 1])) ||
          !absl::ascii_isxdigit(static_cast<uint8_t>(text[i + 2]))) {
        return false;
      }
      i += 2;
      continue;
    }
    // A comma would be a reg-name's too, but is what joins two Hosts into one.
    if (!absl::ascii_isalnum(byte) && !absl::StrContains("-._~!$&'()*+;=", text[i])) return false;
  }
  return true;
}

bool IsIpLiteral(absl::string_view inner) {
  return inner.size() >= 2 && std::all_of(inner.begin(), inner.end(), [](char c) {
           const auto byte = static_cast<uint8_t>(c);
           return absl::ascii_isxdigit(byte) || c == ':' || c == '.' || c == 'v';
         });
}

ParseError ParseAbsolute(absl::string_view target, RequestHead& head) {
  constexpr ParseError kBad = {"http1.invalid_url", 400};
  const size_t mark = target.find("://");
  if (mark == absl::string_view::npos) return kBad;
  const absl::string_view scheme = target.substr(0, mark);
  if (!absl::EqualsIgnoreCase(scheme, "http") && !absl::EqualsIgnoreCase(scheme, "https")) {
    return {"http1.invalid_scheme", 400};
  }
  const absl::string_view rest = target.substr(mark + 3);
  const size_t end = rest.find_first_of("/?");
  head.authority = rest.substr(0, end);
  if (!IsAuthority(head.authority)) return kBad;
  if (end == absl::string_view::npos) {
    head.path = head.method == "OPTIONS" ? "*" : "/";  // RFC 9112 §3.2.4
  } else if (rest[end] == '?') {
    head.path = head.headers.arena().Copy(absl::StrCat("/", rest.substr(end)));
  } else {
    head.path = rest.substr(end);
  }
  return {};
}

}  // namespace

ParseError ParseRequestLine(absl::string_view line, bool accept_http_10, RequestLine& parts) {
  const size_t first = line.find(' ');
  const size_t second = line.rfind(' ');
  if (first == absl::string_view::npos || second == first) {
    return {"http1.invalid_request_line", 400};
  }
  parts.method = line.substr(0, first);
  parts.target = line.substr(first + 1, second - first - 1);
  const absl::string_view version = line.substr(second + 1);
  if (const ParseError error = JudgeMethod(parts.method); error.details != nullptr) return error;
  if (parts.target.empty() || !IsTarget(parts.target)) return {"http1.invalid_url", 400};
  // A later minor version is read as the one that is spoken here (RFC 9110 §2.5).
  const bool later = version.size() == 8 && absl::StartsWith(version, "HTTP/1.") &&
                     version[7] >= '1' && version[7] <= '9';
  if (later) {
    parts.version = HttpVersion::kHttp11;
  } else if (version == "HTTP/1.0" && accept_http_10) {
    parts.version = HttpVersion::kHttp10;
  } else {
    const bool well_formed = version.size() == 8 && absl::StartsWith(version, "HTTP/") &&
                             absl::ascii_isdigit(static_cast<uint8_t>(version[5])) &&
                             version[6] == '.' &&
                             absl::ascii_isdigit(static_cast<uint8_t>(version[7]));
    return {"http1.unsupported_version", well_formed ? 505 : 400};
  }
  return {};
}

bool IsAuthority(absl::string_view text) {
  absl::string_view port;
  if (absl::StartsWith(text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos || !IsIpLiteral(text.substr(1, end - 1))) return false;
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return false;
    return port.empty() || IsPort(port.substr(1));
  }
  const size_t colon = text.find(':');
  const absl::string_view host = text.substr(0, colon);
  if (host.empty() || !IsRegName(host)) return false;
  return colon == absl::string_view::npos || IsPort(text.substr(colon + 1));
}

bool IsTarget(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte > 0x20 && byte < 0x7f && byte != '#';
  });
}

ParseError ParseTarget(absl::string_view target, const Framing& framing, RequestHead& head) {
  if (framing.has_host && !IsAuthority(framing.host)) return {"http1.invalid_host", 400};
  if (!framing.has_host && head.version != HttpVersion::kHttp10) {
    return {"http1.missing_host", 400};
  }
  head.authority = framing.host;
  if (head.method == "CONNECT") {  // authority-form, always with a port
    const size_t colon = target.rfind(':');
    if (!IsAuthority(target) || colon == absl::string_view::npos || colon + 1 == target.size() ||
        target.back() == ']') {
      return {"http1.invalid_url", 400};
    }
    head.authority = target;
    return {};
  }
  if (target[0] == '/' || (target == "*" && head.method == "OPTIONS")) {
    head.path = target;
    return {};
  }
  return ParseAbsolute(target, head);
}

}  // namespace proxy
