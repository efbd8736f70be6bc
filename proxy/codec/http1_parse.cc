// Field lines, chunks and small tables of HTTP/1.
#include "proxy/codec/http1_parse.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

namespace proxy {
namespace {

// Bounds of a chunk's size line with its extensions, and of all trailers.
constexpr size_t kChunkLineMax = 4096;

constexpr std::array<uint8_t, 256> MakeTokenTable() {
  std::array<uint8_t, 256> table{};  // The lower-case form of a token byte; 0 for all others.
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = static_cast<uint8_t>(c);
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<size_t>(c)] = static_cast<uint8_t>(c + 32);
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = static_cast<uint8_t>(c);
  for (const char c :
       {'!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~'}) {
    table[static_cast<uint8_t>(c)] = static_cast<uint8_t>(c);
  }
  return table;
}
constexpr std::array<uint8_t, 256> kToken = MakeTokenTable();

bool IsFieldValue(absl::string_view value) {
  for (const char c : value) {
    const auto byte = static_cast<uint8_t>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
  }
  return true;
}

// Digits alone; nullopt on anything else or on overflow.
std::optional<uint64_t> ParseLength(absl::string_view text) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

// What one field says of the message. False: keep it as an ordinary field.
bool NoteFraming(const Header& field, bool http10, Framing& framing, std::string& nominated,
                 ParseError& error) {
  switch (field.id) {
    case HeaderId::kHost:
      if (framing.has_host) error.details = "http1.duplicate_host";
      framing.host = field.value;
      framing.has_host = true;
      return true;
    case HeaderId::kContentLength: {
      // A list of equal values is one value (RFC 9112 §6.3); anything else is an error.
      for (const absl::string_view one : absl::StrSplit(field.value, ',')) {
        const auto length = ParseLength(absl::StripAsciiWhitespace(one));
        if (!length || (framing.content_length && *framing.content_length != *length)) {
          error.details = "http1.invalid_content_length";
          return true;
        }
        framing.content_length = length;
      }
      return true;
    }
    case HeaderId::kTransferEncoding:
      if (http10 || framing.chunked || !absl::EqualsIgnoreCase(field.value, "chunked")) {
        error = {"http1.invalid_transfer_encoding", http10 || framing.chunked ? 400 : 501};
      }
      framing.chunked = true;
      return true;
    case HeaderId::kConnection:
      for (absl::string_view one : absl::StrSplit(field.value, ',')) {
        one = absl::StripAsciiWhitespace(one);
        if (absl::EqualsIgnoreCase(one, "close")) {
          framing.close = true;
        } else if (absl::EqualsIgnoreCase(one, "keep-alive")) {
          framing.keep_alive = true;
        } else if (!one.empty()) {
          absl::StrAppend(&nominated, ",", absl::AsciiStrToLower(one), ",");
        }
      }
      return true;
    case HeaderId::kKeepAlive:
    case HeaderId::kProxyConnection:
    case HeaderId::kHttp2Settings: return true;
    case HeaderId::kUpgrade: framing.upgrade = field.value; return true;
    case HeaderId::kTe: return !absl::EqualsIgnoreCase(field.value, "trailers");
    case HeaderId::kExpect:
      if (absl::EqualsIgnoreCase(field.value, "100-continue")) {
        framing.expects_continue = true;
      } else {
        error = {"http1.unknown_expectation", 417};
      }
      return true;
    default: return false;
  }
}

}  // namespace

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return kToken[static_cast<uint8_t>(c)] != 0; });
}

bool IsTarget(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<uint8_t>(c);
    return byte > 0x20 && byte != 0x7f && byte != '#';
  });
}

size_t HeadLength(absl::string_view data, size_t from) {
  const size_t start = from > 3 ? from - 3 : 0;
  const void* found = memmem(data.data() + start, data.size() - start, "\r\n\r\n", 4);
  if (found == nullptr) return 0;
  return static_cast<size_t>(static_cast<const char*>(found) - data.data()) + 4;
}

ParseError ParseFields(char* block, size_t length, const CodecLimits& limits, bool http10,
                       Headers& headers, Framing& framing) {
  std::string nominated;  // Names that Connection declares hop-by-hop: ",a,,b,".
  char* const end = block + length;
  size_t count = 0;
  while (block < end) {
    auto* line_end = static_cast<char*>(std::memchr(block, '\r', static_cast<size_t>(end - block)));
    if (line_end == nullptr || line_end + 1 >= end || line_end[1] != '\n') {
      return {"http1.invalid_field_line", 400};
    }
    if (++count > limits.header_count_max) return {"http1.too_many_headers", 431};
    char* at = block;
    while (at < line_end && kToken[static_cast<uint8_t>(*at)] != 0) {
      *at = static_cast<char>(kToken[static_cast<uint8_t>(*at)]);
      ++at;
    }
    if (at == block || at == line_end || *at != ':') return {"http1.invalid_field_name", 400};
    Header field;
    field.name = {block, static_cast<size_t>(at - block)};
    ++at;
    field.value = absl::StripAsciiWhitespace({at, static_cast<size_t>(line_end - at)});
    if (!IsFieldValue(field.value)) return {"http1.invalid_field_value", 400};
    field.id = HeaderIdOf(field.name);
    ParseError error;
    if (!NoteFraming(field, http10, framing, nominated, error)) {
      headers.AddView(field.name, field.value, field.id);
    }
    if (error.details != nullptr) return error;
    block = line_end + 2;
  }
  if (framing.chunked && framing.content_length) return {"http1.conflicting_framing", 400};
  if (!nominated.empty()) {
    if (!absl::StrContains(nominated, ",upgrade,")) framing.upgrade = {};
    for (const absl::string_view name : absl::StrSplit(nominated, ',', absl::SkipEmpty())) {
      if (name != "te") headers.Remove(name);
    }
  } else {
    framing.upgrade = {};
  }
  return {};
}

void BodyReader::Start(BodyKind kind, uint64_t length) {
  kind_ = kind;
  left_ = length;
  const bool none = kind == BodyKind::kNone || (kind == BodyKind::kLength && length == 0);
  state_ = none ? State::kDone : kind == BodyKind::kChunked ? State::kSize : State::kData;
}

// Moves bytes up to and with LF into line_; true when a line is complete.
bool BodyReader::FeedLine(absl::string_view& data, size_t most) {
  const size_t newline = data.find('\n');
  const size_t take = newline == absl::string_view::npos ? data.size() : newline + 1;
  line_.append(data.data(), std::min(take, most + 1 - std::min(most, line_.size())));
  data.remove_prefix(take);
  return newline != absl::string_view::npos;
}

bool BodyReader::ReadSize() {
  absl::string_view line = line_;
  if (!absl::EndsWith(line, "\r\n")) return false;
  line.remove_suffix(2);
  uint64_t size = 0;
  size_t digits = 0;
  while (digits < line.size() && absl::ascii_isxdigit(static_cast<uint8_t>(line[digits]))) {
    if (digits == 15) return false;
    const char c = absl::ascii_tolower(static_cast<uint8_t>(line[digits++]));
    size = size * 16 + static_cast<uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  if (digits == 0) return false;
  absl::string_view rest = line.substr(digits);
  if (!rest.empty() && !absl::StartsWith(absl::StripLeadingAsciiWhitespace(rest), ";"))
    return false;
  if (!IsFieldValue(rest)) return false;
  left_ = size;
  std::string().swap(line_);
  state_ = size == 0 ? State::kTrailers : State::kChunkData;
  return true;
}

bool BodyReader::FeedTrailers(absl::string_view& data, const CodecLimits& limits, Sink& sink) {
  while (!data.empty()) {
    const bool complete = FeedLine(data, limits.head_bytes_max);
    if (line_.size() > limits.head_bytes_max) return false;
    if (!complete) return true;
    if (line_ == "\r\n") {
      state_ = State::kDone;
      std::string().swap(line_);
      sink.OnBody({}, true);
      return true;
    }
    if (!absl::EndsWith(line_, "\r\n\r\n")) continue;
    Headers trailers;
    Framing ignored;
    const size_t length = line_.size() - 2;
    char* block = trailers.arena().Allocate(length);
    std::memcpy(block, line_.data(), length);
    // Framing fields among the trailers are taken out, never obeyed (RFC 9110 §6.5.1).
    if (ParseFields(block, length, limits, false, trailers, ignored).details != nullptr)
      return false;
    state_ = State::kDone;
    std::string().swap(line_);
    sink.OnBodyTrailers(std::move(trailers));
    return true;
  }
  return true;
}

bool BodyReader::Feed(absl::string_view& data, const CodecLimits& limits, Sink& sink) {
  while (!data.empty() && state_ != State::kDone && !sink.stopped()) {
    switch (state_) {
      case State::kData: {
        if (kind_ != BodyKind::kLength) {
          const absl::string_view all = data;
          data = {};
          sink.OnBody(all, false);
          break;
        }
        const absl::string_view piece = data.substr(0, left_);
        data.remove_prefix(piece.size());
        left_ -= piece.size();
        if (left_ == 0) state_ = State::kDone;
        sink.OnBody(piece, left_ == 0);
        break;
      }
      case State::kSize: {
        const bool complete = FeedLine(data, kChunkLineMax);
        if (line_.size() > kChunkLineMax || (complete && !ReadSize())) return false;
        break;
      }
      case State::kChunkData: {
        const absl::string_view piece = data.substr(0, left_);
        data.remove_prefix(piece.size());
        left_ -= piece.size();
        if (left_ == 0) state_ = State::kChunkEnd;
        sink.OnBody(piece, false);
        break;
      }
      case State::kChunkEnd: {
        const bool complete = FeedLine(data, 2);
        if (line_.size() > 2 || (complete && line_ != "\r\n") || (!complete && line_ != "\r")) {
          return false;
        }
        if (complete) {
          line_.clear();
          state_ = State::kSize;
        }
        break;
      }
      case State::kTrailers:
        if (!FeedTrailers(data, limits, sink)) return false;
        break;
      case State::kDone: break;
    }
  }
  return true;
}

void AppendFields(const Headers& headers, std::string& out) {
  for (const Header& field : headers) {
    out.append(field.name.data(), field.name.size());
    out.append(": ", 2);
    out.append(field.value.data(), field.value.size());
    out.append("\r\n", 2);
  }
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
