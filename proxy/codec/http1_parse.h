// Parsing of HTTP/1 heads and bodies, for both sides.
#pragma once

#include <cstdint>
#include <functional>
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
  bool close = false;       // Connection: close
  bool keep_alive = false;  // Connection: keep-alive
  bool expects_continue = false;
  absl::string_view upgrade;  // Only if Connection names it.
  absl::string_view host;
  bool has_host = false;
};

// An error as static text for response_code_details, with the status that answers it.
struct ParseError {
  const char* details = nullptr;  // Null: no error.
  int status = 400;
};

// Reads the field lines of `block` (each ends with CRLF) into `headers`, lower-casing names in the
// arena copy that `block` already is. Strict per RFC 9112 §5: no folding, no space before the
// colon, no control bytes.
ParseError ParseFields(char* block, size_t length, const CodecLimits& limits, bool http10,
                       Headers& headers, Framing& framing);

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
  bool ReadSize();
  bool FeedTrailers(absl::string_view& data, const CodecLimits& limits, Sink& sink);

  BodyKind kind_ = BodyKind::kNone;
  State state_ = State::kDone;
  uint64_t left_ = 0;
  std::string line_;  // A chunk header or trailers that are not complete.
};

// The length of the head at the front of `data`, its empty line included; 0 if it is incomplete.
// `from` bytes are known to hold no end.
size_t HeadLength(absl::string_view data, size_t from);
bool IsToken(absl::string_view text);
// True if a request target or host holds only bytes that may stand there.
bool IsTarget(absl::string_view text);

// Appends "name: value\r\n" for all fields.
void AppendFields(const Headers& headers, std::string& out);
absl::string_view ReasonOf(int status);

}  // namespace proxy
