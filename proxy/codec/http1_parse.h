// Parsing of HTTP/1 heads and bodies, for both sides.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <absl/strings/string_view.h>

#include "proxy/codec/codec.h"

namespace proxy {

// How a message's body ends (RFC 9112 §6.3).
enum class BodyKind : uint8_t { kNone, kLength, kChunked, kUntilClose, kTunnel };

// What the fields of a head say of the message itself. Hop-by-hop fields end up here alone.
struct Framing {
  std::optional<uint64_t> content_length;
  bool chunked = false;
  bool unknown_coding = false;
  bool close = false;       // Connection: close
  bool keep_alive = false;  // Connection: keep-alive
  bool expects_continue = false;
  uint32_t kept_seconds = UINT32_MAX;  // Keep-Alive: timeout=N
  uint32_t dropped = 0;                // Fields left out because of an underscore in their names.
  absl::string_view upgrade;           // Only if Connection names it.
  absl::string_view host;
  bool has_host = false;
};

// An error as static text for response_code_details, with the status that answers it.
struct ParseError {
  const char* details = nullptr;  // Null: no error.
  int status = 400;
};

// Whose head is read. Of requests every length that could be read in two ways is refused; a
// response may repeat the same one (RFC 9112 §6.3, item 5).
struct FieldRules {
  bool http10 = false;
  bool response = false;
};

// Reads the field lines of `block` (each ends with CRLF) into `headers`, lower-casing names in the
// arena copy that `block` already is. Strict per RFC 9112 §5: no folding, no space before the
// colon, no control bytes, no line end but CRLF.
ParseError ParseFields(char* block, size_t length, const CodecLimits& limits, FieldRules rules,
                       Headers& headers, Framing& framing);

// Judges a head that is not complete, so that its sender need not be waited for: no line end but
// CRLF, no control byte, a token first. Bytes before `from` were judged earlier.
ParseError CheckPartialHead(absl::string_view head, size_t from);

// Reads the chunks, lengths or closes of one body.
class BodyReader {
 public:
  // What reading a piece may yield.
  struct Sink {
    virtual ~Sink() = default;
    virtual void OnBody(absl::string_view data, bool last) = 0;
    virtual void OnBodyTrailers(Headers trailers) = 0;
    // True once the stream was reset from within one of the above: stop.
    virtual bool stopped() const = 0;
  };
  void Start(BodyKind kind, uint64_t length);
  bool done() const { return state_ == State::kDone; }
  BodyKind kind() const { return kind_; }
  // Takes what belongs to the body from the front of `data`. False on a framing error.
  bool Feed(absl::string_view& data, const CodecLimits& limits, Sink& sink);

 private:
  enum class State : uint8_t { kData, kSize, kChunkData, kChunkEnd, kTrailers, kDone };
  bool FeedLine(absl::string_view& data, size_t most);
  bool FeedChunkEnd(absl::string_view& data);
  bool ReadSize();
  bool FeedTrailers(absl::string_view& data, const CodecLimits& limits, Sink& sink);

  BodyKind kind_ = BodyKind::kNone;
  State state_ = State::kDone;
  uint64_t left_ = 0;
  uint32_t extension_bytes_ = 0;  // Of all chunks so far.
  std::string line_;              // A chunk header or trailers that are not complete.
};

// The length of the head at the front of `data`, its empty line included; 0 if it is incomplete.
// `from` bytes are known to hold no end.
size_t HeadLength(absl::string_view data, size_t from);
bool IsToken(absl::string_view text);
// Strips spaces and tabs alone (OWS, RFC 9110 §5.6.3): other white space is not part of the
// protocol, and whoever strips it as well reads another message than his neighbour.
absl::string_view StripOws(absl::string_view text);

// Appends "name: value\r\n" for all fields.
void AppendFields(const Headers& headers, std::string& out);
// An empty string of this thread's to compose a head in; the next call takes it anew.
std::string& HeadScratch();
absl::string_view ReasonOf(int status);

}  // namespace proxy
