// What may cross in HTTP/2 heads, and how cookies, lengths and codes are read.
#include "proxy/codec/http2_fields.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>

namespace proxy {

void Http2FieldList::Add(absl::string_view name, absl::string_view value) {
  nghttp2_nv field;
  field.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  field.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  field.namelen = name.size();
  field.valuelen = value.size();
  field.flags = NGHTTP2_NV_FLAG_NONE;
  fields_.push_back(field);
}

void Http2FieldList::AddAll(const Headers& headers, absl::string_view but) {
  for (const Header& header : headers) {
    if (IsConnectionSpecific(header.id)) continue;
    if (header.id == HeaderId::kHost || header.id == HeaderId::kContentLength) continue;
    if (header.id == HeaderId::kTe && !absl::EqualsIgnoreCase(header.value, "trailers")) continue;
    if (header.name.empty() || header.name[0] == ':' || header.name == but) continue;
    Add(header.name, header.value);
  }
}

void Http2FieldList::AddNumber(absl::string_view name, uint64_t value) {
  char* text = digits_[numbers_++ % 2];
  const std::to_chars_result end = std::to_chars(text, text + sizeof(digits_[0]), value);
  Add(name, absl::string_view(text, end.ptr - text));
}

bool IsConnectionSpecific(HeaderId id) {
  switch (id) {
    case HeaderId::kConnection:
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kTransferEncoding:
    case HeaderId::kUpgrade:
    case HeaderId::kHttp2Settings: return true;
    default: return false;
  }
}

void JoinCookies(Headers& headers) {
  size_t crumbs = 0;
  size_t bytes = 0;
  for (const Header& header : headers) {
    if (header.id != HeaderId::kCookie) continue;
    ++crumbs;
    bytes += header.value.size() + 2;
  }
  if (crumbs < 2) return;
  char* joined = headers.arena().Allocate(bytes);
  char* end = joined;
  for (const Header& header : headers) {
    if (header.id != HeaderId::kCookie) continue;
    if (end != joined) {
      *end++ = ';';
      *end++ = ' ';
    }
    std::memcpy(end, header.value.data(), header.value.size());
    end += header.value.size();
  }
  headers.Remove(HeaderId::kCookie);
  headers.AddView(HeaderName(HeaderId::kCookie), absl::string_view(joined, end - joined),
                  HeaderId::kCookie);
}

bool IsPath(absl::string_view path, absl::string_view method) {
  if (path == "*") return method == "OPTIONS";
  if (path.empty() || path[0] != '/') return false;
  return std::all_of(path.begin(), path.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte != 0x7f && byte != '#';
  });
}

std::optional<uint64_t> ParseContentLength(absl::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (!absl::ascii_isdigit(c)) return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

int ParseStatus(absl::string_view text) {
  if (text.size() != 3) return 0;
  if (!std::all_of(text.begin(), text.end(), absl::ascii_isdigit)) return 0;
  const int status = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
  return status >= 100 && status <= 599 ? status : 0;
}

}  // namespace proxy
