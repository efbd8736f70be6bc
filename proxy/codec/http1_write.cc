// What both sides of HTTP/1 write: field lines and reasons.
#include <cstring>
#include <string>

#include <absl/strings/string_view.h>

#include "proxy/codec/http1_parse.h"

namespace proxy {

void AppendFields(const Headers& headers, std::string& out) {
  size_t total = out.size();
  for (const Header& field : headers) total += field.name.size() + field.value.size() + 4;
  size_t at = out.size();
  out.resize(total);
  char* to = out.data() + at;
  const auto put = [&to](absl::string_view text) {
    std::memcpy(to, text.data(), text.size());
    to += text.size();
  };
  for (const Header& field : headers) {
    put(field.name);
    put(": ");
    put(field.value);
    put("\r\n");
  }
}

std::string& HeadScratch() {
  constexpr size_t kKept = 16 * 1024;
  thread_local std::string scratch;
  if (scratch.capacity() > kKept) std::string().swap(scratch);
  scratch.clear();
  return scratch;
}

absl::string_view ReasonOf(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 103: return "Early Hints";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Payload Too Large";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
  }
}

}  // namespace proxy
