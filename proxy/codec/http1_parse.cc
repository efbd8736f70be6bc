// Field lines, chunks and small tables of HTTP/1.
#include "proxy/codec/http1_parse.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <absl/strings/strip.h>

namespace proxy {
namespace {

// Bounds of a chunk's size line with its extensions, and of the extensions of a whole body.
constexpr size_t kChunkLineMax = 4096;
constexpr uint32_t kExtensionBytesMax = 16 * 1024;

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

bool IsFieldByte(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return (byte >= 0x20 || byte == '\t') && byte != 0x7f;
}

// True if none of the eight bytes at `at` is below 0x20 or equal to 0x7f.
bool IsPlainWord(const char* at) {
  constexpr uint64_t kOnes = ~uint64_t{0} / 255;
  uint64_t word = 0;
  std::memcpy(&word, at, 8);
  const uint64_t no_del = word ^ (kOnes * 0x7f);
  const uint64_t low = (word - kOnes * 0x20) & ~word;
  const uint64_t del = (no_del - kOnes) & ~no_del;
  return ((low | del) & (kOnes * 0x80)) == 0;
}

bool IsFieldValue(absl::string_view value) {
  const char* at = value.data();
  const char* const end = at + value.size();
  if (value.size() >= 8) {
    while (end - at >= 8 && IsPlainWord(at)) at += 8;
    if (at == end || (end - at < 8 && IsPlainWord(end - 8))) return true;
  }
  while (at < end && IsFieldByte(*at)) ++at;  // A tab is rare; so is a word that is not plain.
  return at == end;
}

// Digits alone, none of them a leading zero; nullopt on anything else or on overflow.
std::optional<uint64_t> ParseLength(absl::string_view text) {
  if (text.empty() || text.size() > 19 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

constexpr ParseError kBadLength = {"http1.invalid_content_length", 400};

ParseError NoteLength(absl::string_view value, FieldRules rules, Framing& framing) {
  if (!rules.response) {
    if (framing.content_length) return kBadLength;
    framing.content_length = ParseLength(value);
    return framing.content_length ? ParseError() : kBadLength;
  }
  if (!framing.content_length) {
    framing.content_length = ParseLength(value);
    if (framing.content_length) return {};
  }
  for (const absl::string_view one : absl::StrSplit(value, ',')) {
    const auto length = ParseLength(StripOws(one));
    if (!length || (framing.content_length && *framing.content_length != *length)) {
      return kBadLength;
    }
    framing.content_length = length;
  }
  return {};
}

// "chunked" alone is understood. Codings that are whole but unknown get 501 (RFC 9112 §6.1);
// whatever else might hide or double "chunked" gets 400 (§6.3, item 4).
ParseError NoteCoding(absl::string_view value, FieldRules rules, Framing& framing) {
  static constexpr char kDetails[] = "http1.invalid_transfer_encoding";
  if (rules.http10 || framing.chunked) return {kDetails, 400};
  framing.chunked = true;
  if (absl::EqualsIgnoreCase(value, "chunked")) return {};
  const std::vector<absl::string_view> codings = absl::StrSplit(value, ',');
  for (size_t i = 0; i < codings.size(); ++i) {
    const absl::string_view coding = StripOws(codings[i]);
    const bool is_last = i + 1 == codings.size();
    if (!IsToken(coding) || absl::EqualsIgnoreCase(coding, "identity") ||
        (absl::EqualsIgnoreCase(coding, "chunked") && !is_last)) {
      return {kDetails, 400};
    }
  }
  framing.unknown_coding = true;
  return {};
}

// What one field says of the message. False: keep it as an ordinary field.
bool NoteFraming(const Header& field, FieldRules rules, Framing& framing, std::string& nominated,
                 ParseError& error) {
  switch (field.id) {
    case HeaderId::kHost:
      if (framing.has_host) error.details = "http1.duplicate_host";
      framing.host = field.value;
      framing.has_host = true;
      return true;
    case HeaderId::kContentLength: error = NoteLength(field.value, rules, framing); return true;
    case HeaderId::kTransferEncoding: error = NoteCoding(field.value, rules, framing); return true;
    case HeaderId::kConnection:
      if (field.value == "keep-alive") {  // What nearly every one says.
        framing.keep_alive = true;
        return true;
      }
      for (absl::string_view one : absl::StrSplit(field.value, ',')) {
        one = StripOws(one);
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
      for (absl::string_view one : absl::StrSplit(field.value, ',')) {
        uint32_t seconds = 0;
        one = StripOws(one);
        if (absl::ConsumePrefix(&one, "timeout=") && absl::SimpleAtoi(one, &seconds)) {
          framing.kept_seconds = seconds;
        }
      }
      return true;
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

// Takes out what Connection declared hop-by-hop (RFC 9110 §7.6.1).
void RemoveNominated(absl::string_view nominated, Headers& headers, Framing& framing) {
  if (!absl::StrContains(nominated, ",upgrade,")) framing.upgrade = {};
  for (const absl::string_view name : absl::StrSplit(nominated, ',', absl::SkipEmpty())) {
    if (name != "te") headers.Remove(name);
  }
}

// A quoted-string at the front of `text` is taken off it (RFC 9110 §5.6.4); false if it has no end.
bool TakeQuoted(absl::string_view& text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

absl::string_view TakeToken(absl::string_view& text) {
  size_t length = 0;
  while (length < text.size() && kToken[static_cast<uint8_t>(text[length])] != 0) ++length;
  const absl::string_view token = text.substr(0, length);
  text.remove_prefix(length);
  return token;
}

// RFC 9112 §7.1.1: *( BWS ";" BWS name [ BWS "=" BWS value ] ), and no control byte.
bool IsChunkExtensions(absl::string_view text) {
  if (!IsFieldValue(text)) return false;
  const auto skip = [&text] {
    while (!text.empty() && (text[0] == ' ' || text[0] == '\t')) text.remove_prefix(1);
  };
  while (!text.empty()) {
    skip();
    if (!absl::ConsumePrefix(&text, ";")) return false;
    skip();
    if (TakeToken(text).empty()) return false;
    const absl::string_view before = text;
    skip();
    if (!absl::ConsumePrefix(&text, "=")) {
      text = before;
      continue;
    }
    skip();
    if (absl::StartsWith(text, "\"") ? !TakeQuoted(text) : TakeToken(text).empty()) return false;
  }
  return true;
}

// Fields that decide how a message is framed, routed, authenticated or read must not come after its
// body (RFC 9110 §6.5.1): who merges trailers into the head would be led by them.
bool MayTrail(const Header& field) {
  switch (field.id) {
    case HeaderId::kTrailer:
    case HeaderId::kContentType:
    case HeaderId::kCookie:
    case HeaderId::kXRequestId:
    case HeaderId::kXForwardedFor:
    case HeaderId::kXForwardedProto:
    case HeaderId::kXForwardedClientCert: return false;
    default: break;
  }
  static constexpr absl::string_view kNever[] = {"authorization",
                                                 "cache-control",
                                                 "content-encoding",
                                                 "content-range",
                                                 "forwarded",
                                                 "max-forwards",
                                                 "pragma",
                                                 "proxy-authenticate",
                                                 "proxy-authorization",
                                                 "proxy-connection",
                                                 "range",
                                                 "set-cookie",
                                                 "te",
                                                 "www-authenticate",
                                                 "x-forwarded-host",
                                                 "x-forwarded-port"};
  return std::find(std::begin(kNever), std::end(kNever), field.name) == std::end(kNever) &&
         !absl::StartsWith(field.name, "if-") && !absl::StartsWith(field.name, "x-envoy-");
}

}  // namespace

bool IsToken(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return kToken[static_cast<uint8_t>(c)] != 0; });
}

absl::string_view StripOws(absl::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

ParseError CheckPartialHead(absl::string_view head, size_t from) {
  if (head.empty()) return {};
  if (from == 0 && kToken[static_cast<uint8_t>(head[0])] == 0) {
    return {"http1.invalid_request_line", 400};
  }
  for (size_t i = from; i < head.size(); ++i) {
    const bool after_cr = i > 0 && head[i - 1] == '\r';
    if (after_cr != (head[i] == '\n')) return {"http1.invalid_line_end", 400};
    const auto byte = static_cast<uint8_t>(head[i]);
    if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f) {
      return {"http1.invalid_characters", 400};
    }
  }
  return {};
}

size_t HeadLength(absl::string_view data, size_t from) {
  const char* const begin = data.data();
  const char* const end = begin + data.size();
  const char* at = begin + (from > 3 ? from - 3 : 0);
  while (at < end) {
    const auto* found =
        static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
    if (found == nullptr) return 0;
    at = found + 1;
    if (end - at >= 2 && at[0] == '\r' && at[1] == '\n' && found > begin && found[-1] == '\r') {
      return static_cast<size_t>(at - begin) + 2;
    }
  }
  return 0;
}

ParseError ParseFields(char* block, size_t length, const CodecLimits& limits, FieldRules rules,
                       Headers& headers, Framing& framing) {
  std::string nominated;  // Names that Connection declares hop-by-hop: ",a,,b,".
  char* const end = block + length;
  size_t count = 0;
  while (block < end) {
    auto* line_end = static_cast<char*>(std::memchr(block, '\r', static_cast<size_t>(end - block)));
    if (line_end == nullptr || line_end + 1 >= end || line_end[1] != '\n') {
      return {"http1.invalid_line_end", 400};
    }
    if (++count > limits.header_count_max) return {"http1.too_many_headers", 431};
    char* at = block;
    bool underscore = false;
    while (at < line_end && kToken[static_cast<uint8_t>(*at)] != 0) {
      *at = static_cast<char>(kToken[static_cast<uint8_t>(*at)]);
      underscore = underscore || *at == '_';
      ++at;
    }
    if (at == block || at == line_end || *at != ':') return {"http1.invalid_field_name", 400};
    Header field;
    field.name = {block, static_cast<size_t>(at - block)};
    ++at;
    field.value = StripOws({at, static_cast<size_t>(line_end - at)});
    if (!IsFieldValue(field.value)) {
      const bool line_feed = absl::StrContains(field.value, '\n');
      return {line_feed ? "http1.invalid_line_end" : "http1.invalid_characters", 400};
    }
    block = line_end + 2;
    if (underscore && limits.underscores != CodecLimits::Underscores::kAllow) {
      if (limits.underscores == CodecLimits::Underscores::kReject) {
        return {"http1.unexpected_underscore", 400};
      }
      ++framing.dropped;
      continue;
    }
    field.id = HeaderIdOf(field.name);
    ParseError error;
    if (!NoteFraming(field, rules, framing, nominated, error)) {
      headers.AddView(field.name, field.value, field.id);
    }
    if (error.details != nullptr) return error;
  }
  if (framing.unknown_coding) {
    return {"http1.invalid_transfer_encoding", framing.content_length ? 400 : 501};
  }
  if (framing.chunked && framing.content_length) {
    return {"http1.content_length_and_chunked_not_allowed", 400};
  }
  RemoveNominated(nominated, headers, framing);
  return {};
}

void BodyReader::Start(BodyKind kind, uint64_t length) {
  kind_ = kind;
  left_ = length;
  extension_bytes_ = 0;
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
  const absl::string_view extensions = line.substr(digits);
  extension_bytes_ += static_cast<uint32_t>(extensions.size());
  if (extension_bytes_ > kExtensionBytesMax || !IsChunkExtensions(extensions)) return false;
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
    if (!absl::EndsWith(line_, "\r\n")) return false;
    if (line_ == "\r\n") {
      state_ = State::kDone;
      std::string().swap(line_);
      sink.OnBody({}, true);
      return true;
    }
    if (!absl::EndsWith(line_, "\r\n\r\n")) continue;
    Headers trailers;
    Framing framing;
    const size_t length = line_.size() - 2;
    char* block = trailers.arena().Allocate(length);
    std::memcpy(block, line_.data(), length);
    // What would have framed or routed the message had it come in the head is an attack.
    if (ParseFields(block, length, limits, {}, trailers, framing).details != nullptr ||
        framing.content_length || framing.chunked || framing.has_host) {
      return false;
    }
    trailers.RemoveIf([](const Header& field) { return !MayTrail(field); });
    state_ = State::kDone;
    std::string().swap(line_);
    sink.OnBodyTrailers(std::move(trailers));
    return true;
  }
  return true;
}

// Nothing but CRLF may stand between a chunk's data and the next size.
bool BodyReader::FeedChunkEnd(absl::string_view& data) {
  line_.push_back(data[0]);
  data.remove_prefix(1);
  if (line_ == "\r") return true;
  if (line_ != "\r\n") return false;
  line_.clear();
  state_ = State::kSize;
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
      case State::kChunkEnd:
        if (!FeedChunkEnd(data)) return false;
        break;
      case State::kTrailers:
        if (!FeedTrailers(data, limits, sink)) return false;
        break;
      case State::kDone: break;
    }
  }
  return true;
}

}  // namespace proxy
