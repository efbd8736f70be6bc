// The server side of HTTP/1: one request at a time, in order (RFC 9112).
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "proxy/codec/codec.h"
#include "proxy/codec/http1_target.h"

namespace proxy {
namespace {

// Of a request whose answer is out, as much is read and dropped; then the connection is closed.
constexpr uint64_t kUndrainedBytesMax = 256 * 1024;
// Empty lines before a request line that are read over (RFC 9112 §2.2).
constexpr int kEmptyLinesMax = 4;

class Http1Server final : public ServerCodec,
                          public ResponseSender,
                          public Flushable,
                          private BodyReader::Sink {
 public:
  Http1Server(EventLoop& loop, ByteSink& sink, ServerCodecEvents& events, const CodecLimits& limits,
              bool secure)
      : loop_(loop), sink_(sink), events_(events), limits_(limits), secure_(secure) {}
  ~Http1Server() override { loop_.CancelFlush(*this); }

  void OnData(absl::string_view data) override;
  void OnEof() override;
  void OnConnectionClosed(ResetReason reason) override;
  void Drain() override {
    draining_ = true;
    if (request_ == nullptr && pending_.empty() && !closed_) CloseCodec(false, "");
  }
  size_t active_streams() const override { return request_ == nullptr ? 0 : 1; }
  void GiveUpHead() override {
    if (!closed_ && request_ == nullptr) Refuse({"request_header_timeout", 408});
  }
  void OnWriteHigh() override {
    if (request_ != nullptr) request_->OnWriteHigh();
  }
  void OnWriteLow() override {
    if (request_ != nullptr) request_->OnWriteLow();
  }
  HttpVersion version() const override { return HttpVersion::kHttp11; }
  // Goes on with bytes that came while a request was running; or lets go of a request whose answer
  // is out, when the connection ends with it.
  void Flush() override {
    if (response_done_ && !request_done_ && !keep_alive_ && request_ != nullptr) {
      std::exchange(request_, nullptr)->OnReset(ResetReason::kLocal);
      return CloseCodec(false, "");
    }
    std::string bytes = std::move(pending_);
    pending_.clear();
    if (!bytes.empty()) OnData(bytes);
  }

  void SendHead(const ResponseHead& head, bool last) override;
  void SendData(absl::string_view data, bool last) override;
  void SendTrailers(const Headers& trailers) override;
  void SendInformational(const ResponseHead& head) override;
  void Reset(ResetReason reason) override;
  void PauseReading() override { sink_.PauseReading(); }
  void ResumeReading() override { sink_.ResumeReading(); }

 private:
  void OnBody(absl::string_view data, bool last) override;
  void OnBodyTrailers(Headers trailers) override;
  bool stopped() const override { return closed_ || request_ == nullptr; }

  bool SkipEmptyLines(absl::string_view& data);
  bool TakeHead(absl::string_view& data);
  absl::string_view Collect(absl::string_view& data);
  ParseError TooLarge(absl::string_view head) const;
  ParseError JudgePartial(size_t from) const;
  ParseError ParseHead(absl::string_view block, RequestHead& head, Framing& framing);
  void Begin(RequestHead head, const Framing& framing);
  void AppendFraming(const ResponseHead& head, bool last, std::string& out);
  void OpenTunnel();
  void EndWaiting();
  void Refuse(ParseError error);
  void EndResponse();
  void MaybeNext();
  void CloseCodec(bool protocol_error, const char* details) {
    closed_ = true;
    events_.OnCodecClose(protocol_error, details);
  }

  EventLoop& loop_;
  ByteSink& sink_;
  ServerCodecEvents& events_;
  const CodecLimits limits_;
  const bool secure_;
  std::string head_;     // A head that is not complete.
  std::string pending_;  // Bytes after a request that is still being answered.
  RequestEvents* request_ = nullptr;
  BodyReader body_;
  uint64_t dropped_bytes_ = 0;
  std::optional<uint64_t> promised_;  // Bytes that the answer's content-length still owes.
  int empty_lines_ = 0;
  uint32_t requests_ = 0;
  bool request_done_ = false;
  bool response_begun_ = false;
  bool response_done_ = false;
  bool keep_alive_ = true;
  bool http10_ = false;
  bool is_head_ = false;
  bool is_connect_ = false;
  bool bodiless_ = false;       // The answer's status or the method rules a body out.
  bool unbounded_ = false;      // The answer's end is the connection's.
  bool owes_continue_ = false;  // The client waits for 100 before it sends its body.
  bool wants_upgrade_ = false;
  bool chunked_out_ = false;
  bool tunnel_ = false;
  bool draining_ = false;
  bool closed_ = false;
  bool holding_ = false;  // The sink is paused because pending_ is being kept.
};

void Http1Server::OnData(absl::string_view data) {
  if (!pending_.empty()) {  // Earlier bytes come first.
    pending_.append(data.data(), data.size());
    return;
  }
  while (!data.empty() && !closed_) {
    if (request_ == nullptr) {
      if (!TakeHead(data)) return;
      continue;
    }
    const bool undecided = body_.kind() == BodyKind::kTunnel && !tunnel_;
    if (!request_done_ && !undecided) {
      if (!body_.Feed(data, limits_, *this)) return Refuse({"http1.invalid_chunk", 400});
      continue;
    }
    // Pipelined, or sent before the answer that opens the tunnel: kept until the answer is out.
    pending_.append(data.data(), data.size());
    if (!holding_) {
      holding_ = true;
      sink_.PauseReading();
    }
    return;
  }
}

// False if nothing is left or there were too many.
bool Http1Server::SkipEmptyLines(absl::string_view& data) {
  if (head_ == "\r" && data[0] == '\n') {  // The line's two bytes came apart.
    head_.clear();
    data.remove_prefix(1);
    ++empty_lines_;
  }
  while (head_.empty() && absl::StartsWith(data, "\r\n")) {
    data.remove_prefix(2);
    ++empty_lines_;
  }
  if (empty_lines_ > kEmptyLinesMax) {
    Refuse({"http1.too_many_empty_lines", 400});
    return false;
  }
  return !data.empty();
}

ParseError Http1Server::TooLarge(absl::string_view head) const {
  return head.substr(0, limits_.head_bytes_max).find("\r\n") == absl::string_view::npos
             ? ParseError{"http1.uri_too_long", 414}
             : ParseError{"http1.headers_too_large", 431};
}

// What can be said of head_, whose end has not come; `from` bytes were judged before.
ParseError Http1Server::JudgePartial(size_t from) const {
  if (head_ == "\r") return {};  // Half an empty line.
  if (const ParseError bad = CheckPartialHead(head_, from > 1 ? from : 0); bad.details != nullptr) {
    return bad;
  }
  const size_t line_end = head_.find("\r\n");
  if (line_end == std::string::npos || line_end + 2 <= from) return {};
  RequestLine ignored;
  return ParseRequestLine(absl::string_view(head_).substr(0, line_end), limits_.accept_http_10,
                          ignored);
}

// The head that ends in `data`, its beginning taken from head_; empty if it is incomplete or was
// refused.
absl::string_view Http1Server::Collect(absl::string_view& data) {
  const size_t before = head_.size();
  size_t length = before == 0 ? HeadLength(data, 0) : 0;
  absl::string_view block = data.substr(0, length);
  if (length == 0) {
    head_.append(data.data(), data.size());
    length = HeadLength(head_, before);
    block = length == 0 ? absl::string_view(head_) : absl::string_view(head_).substr(0, length);
  }
  if (block.size() > limits_.head_bytes_max) {
    Refuse(TooLarge(block));
    return {};
  }
  if (length == 0) {
    data = {};
    if (const ParseError bad = JudgePartial(before); bad.details != nullptr) Refuse(bad);
    return {};
  }
  data.remove_prefix(length - before);
  return block;
}

// Begins a request if its head is complete. False if more bytes are needed or it was refused.
bool Http1Server::TakeHead(absl::string_view& data) {
  if (!SkipEmptyLines(data)) return false;
  const absl::string_view block = Collect(data);
  if (block.empty()) return false;
  RequestHead head;
  Framing framing;
  const ParseError error = ParseHead(block, head, framing);
  if (!head_.empty()) std::string().swap(head_);
  if (error.details != nullptr) {
    Refuse(error);
    return false;
  }
  Begin(std::move(head), framing);
  return true;
}

ParseError Http1Server::ParseHead(absl::string_view block, RequestHead& head, Framing& framing) {
  char* const copy = head.headers.arena().Allocate(block.size());
  std::memcpy(copy, block.data(), block.size());
  const absl::string_view whole(copy, block.size());
  const size_t line_end = whole.find("\r\n");
  RequestLine line;
  ParseError error = ParseRequestLine(whole.substr(0, line_end), limits_.accept_http_10, line);
  if (error.details != nullptr) return error;
  head.method = line.method;
  head.version = line.version;
  if (line_end + 4 < whole.size() + 2) {
    error = ParseFields(copy + line_end + 2, whole.size() - line_end - 4, limits_,
                        {.http10 = head.version == HttpVersion::kHttp10}, head.headers, framing);
    if (error.details != nullptr) return error;
  }
  const bool has_body = framing.chunked || framing.content_length.value_or(0) > 0;
  if (has_body && (head.method == "CONNECT" || head.method == "TRACE")) {
    return {"http1.body_disallowed", 400};  // RFC 9110 §9.3.6 and §9.3.8.
  }
  // An upgrade is obeyed only where no body comes first; h2c by Upgrade is declined (RFC 9113
  // §3.1).
  if (has_body || head.version == HttpVersion::kHttp10 ||
      absl::EqualsIgnoreCase(framing.upgrade, "h2c")) {
    framing.upgrade = {};
  }
  head.scheme = secure_ ? "https" : "http";
  return ParseTarget(line.target, framing, head);
}

void Http1Server::Begin(RequestHead head, const Framing& framing) {
  http10_ = head.version == HttpVersion::kHttp10;
  if (++requests_ == limits_.requests_max) draining_ = true;
  keep_alive_ = http10_ ? framing.keep_alive && !framing.close : !framing.close;
  is_head_ = head.method == "HEAD";
  is_connect_ = head.method == "CONNECT";
  head.content_length = framing.content_length;
  head.expects_continue = framing.expects_continue && !http10_;
  head.upgrade = framing.upgrade;
  wants_upgrade_ = !head.upgrade.empty();
  request_done_ = response_begun_ = response_done_ = chunked_out_ = false;
  bodiless_ = unbounded_ = false;
  promised_.reset();
  dropped_bytes_ = 0;
  empty_lines_ = 0;
  BodyKind kind = BodyKind::kNone;
  if (wants_upgrade_ || is_connect_) {
    kind = BodyKind::kTunnel;  // What follows waits for the answer that opens the tunnel.
  } else if (framing.chunked) {
    kind = BodyKind::kChunked;
  } else if (framing.content_length) {
    kind = BodyKind::kLength;
  }
  body_.Start(kind, framing.content_length.value_or(0));
  if (framing.dropped > 0) events_.OnFieldsDropped(framing.dropped);
  request_ = &events_.OnNewStream(*this);
  if (kind == BodyKind::kTunnel) {
    holding_ = true;
    sink_.PauseReading();
  }
  request_done_ = body_.done();
  owes_continue_ = head.expects_continue && !request_done_;
  request_->OnHead(std::move(head), request_done_);
}

void Http1Server::OnBody(absl::string_view data, bool last) {
  owes_continue_ = false;
  if (response_done_) {
    dropped_bytes_ += data.size();
    if (dropped_bytes_ > kUndrainedBytesMax) {
      RequestEvents* request = std::exchange(request_, nullptr);
      request->OnReset(ResetReason::kLocal);
      return CloseCodec(false, "");
    }
  }
  if (last) request_done_ = true;
  request_->OnData(data, last);
  if (last) MaybeNext();
}

void Http1Server::OnBodyTrailers(Headers trailers) {
  request_done_ = true;
  request_->OnTrailers(std::move(trailers));
  MaybeNext();
}

void Http1Server::OnEof() {
  if (closed_) return;
  if (request_ == nullptr) return CloseCodec(!head_.empty(), "http1.incomplete_head");
  if (tunnel_) {
    request_done_ = true;
    return request_->OnData({}, true);
  }
  if (request_done_) {
    keep_alive_ = false;  // Half-closed: the answer still goes out.
    return;
  }
  RequestEvents* request = std::exchange(request_, nullptr);
  request->OnReset(ResetReason::kConnectionClosed);
  CloseCodec(false, "http1.incomplete_body");
}

void Http1Server::OnConnectionClosed(ResetReason reason) {
  closed_ = true;
  if (RequestEvents* request = std::exchange(request_, nullptr)) request->OnReset(reason);
}

void Http1Server::Refuse(ParseError error) {
  RequestEvents* request = std::exchange(request_, nullptr);
  const bool silent = request != nullptr && response_begun_;
  if (request != nullptr) request->OnReset(ResetReason::kProtocolError);
  if (request == nullptr) events_.OnRefused(error.status, error.details);
  if (!silent) {
    sink_.Write(absl::StrCat("HTTP/1.1 ", error.status, " ", ReasonOf(error.status),
                             "\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
  }
  CloseCodec(true, error.details);
}

void Http1Server::SendInformational(const ResponseHead& head) {
  if (http10_ || response_begun_) return;
  if (head.status == 100) owes_continue_ = false;
  std::string out = absl::StrCat("HTTP/1.1 ", head.status, " ", ReasonOf(head.status), "\r\n");
  AppendFields(head.headers, out);
  out += "\r\n";
  sink_.Write(out);
}

void Http1Server::SendHead(const ResponseHead& head, bool last) {
  response_begun_ = true;
  tunnel_ = (wants_upgrade_ && head.status == 101) || (is_connect_ && head.status / 100 == 2);
  if (draining_ && !tunnel_) keep_alive_ = false;
  // Whether the body that waited for 100 will come after all is for the client alone to know.
  if (owes_continue_ || head.status == 408) keep_alive_ = false;
  const bool declined = body_.kind() == BodyKind::kTunnel && !tunnel_;
  // An answer to an upgrade that opens no tunnel leaves the bytes behind it without meaning.
  if (declined) keep_alive_ = false;
  std::string& out = HeadScratch();
  if (head.status == 200) {
    out = "HTTP/1.1 200 OK\r\n";
  } else {
    absl::StrAppend(&out, "HTTP/1.1 ", head.status, " ", ReasonOf(head.status), "\r\n");
  }
  AppendFields(head.headers, out);
  AppendFraming(head, last, out);
  if (!tunnel_ && !keep_alive_) out += "connection: close\r\n";
  if (!tunnel_ && keep_alive_ && http10_) out += "connection: keep-alive\r\n";
  out += "\r\n";
  sink_.Write(out);
  if (tunnel_) OpenTunnel();
  if (declined) EndWaiting();
  if (last) EndResponse();
}

// How the answer's body ends, as fields (RFC 9112 §6).
void Http1Server::AppendFraming(const ResponseHead& head, bool last, std::string& out) {
  if (tunnel_) {
    if (head.status == 101) {
      absl::StrAppend(&out, "upgrade: ", head.upgrade, "\r\nconnection: upgrade\r\n");
    }
    return;
  }
  const bool never = head.status / 100 == 1 || head.status == 204;
  bodiless_ = is_head_ || never || head.status == 304;
  if (never) return;
  if (head.content_length) {
    absl::StrAppend(&out, "content-length: ", *head.content_length, "\r\n");
    promised_ = head.content_length;
  } else if (bodiless_) {
    if (is_head_ && !last && !http10_) out += "transfer-encoding: chunked\r\n";
  } else if (last) {
    out += "content-length: 0\r\n";
  } else if (http10_) {
    keep_alive_ = false;
    unbounded_ = true;
  } else {
    chunked_out_ = true;
    out += "transfer-encoding: chunked\r\n";
  }
}

void Http1Server::OpenTunnel() {
  if (!holding_) return;
  holding_ = false;
  sink_.ResumeReading();
  if (!pending_.empty()) loop_.FlushSoon(*this);
}

// The tunnel that was asked for does not come: the request ends here.
void Http1Server::EndWaiting() {
  request_done_ = true;
  pending_.clear();
  if (request_ != nullptr) request_->OnData({}, true);
}

void Http1Server::SendData(absl::string_view data, bool last) {
  if (chunked_out_) {
    if (!data.empty()) {
      sink_.Write(absl::StrCat(absl::Hex(data.size()), "\r\n"));
      sink_.Write(data);
      sink_.Write(last ? "\r\n0\r\n\r\n" : "\r\n");
    } else if (last) {
      sink_.Write("0\r\n\r\n");
    }
  } else if (tunnel_ || !bodiless_) {
    if (promised_) {
      // A body that breaks its own promise must not become the next answer.
      if (data.size() > *promised_ || (last && data.size() < *promised_)) keep_alive_ = false;
      data = data.substr(0, *promised_);
      *promised_ -= data.size();
    }
    sink_.Write(data);
  }
  if (last) EndResponse();
}

void Http1Server::SendTrailers(const Headers& trailers) {
  if (chunked_out_) {
    std::string out = "0\r\n";
    AppendFields(trailers, out);
    out += "\r\n";
    sink_.Write(out);
  }
  EndResponse();
}

void Http1Server::EndResponse() {
  response_done_ = true;
  if (tunnel_) {  // One side's end is the end of both (RFC 9110 §9.3.6).
    keep_alive_ = false;
    if (!std::exchange(request_done_, true)) request_->OnData({}, true);
  }
  // The rest of a request is worth reading only for the sake of the next one.
  if (!request_done_ && !keep_alive_ && request_ != nullptr) return loop_.FlushSoon(*this);
  MaybeNext();
}

// Both messages complete: the stream is over.
void Http1Server::MaybeNext() {
  if (!response_done_ || !request_done_ || closed_ || request_ == nullptr) return;
  request_ = nullptr;
  if (!keep_alive_ || (draining_ && pending_.empty())) return CloseCodec(false, "");
  if (holding_) {
    holding_ = false;
    sink_.ResumeReading();
  }
  if (!pending_.empty()) loop_.FlushSoon(*this);
}

void Http1Server::Reset(ResetReason) {
  request_ = nullptr;
  if (closed_) return;
  if (!unbounded_ || response_done_) return CloseCodec(false, "");
  closed_ = true;
  events_.OnCodecAbort();
}

}  // namespace

std::unique_ptr<ServerCodec> NewHttp1ServerCodec(EventLoop& loop, ByteSink& sink,
                                                 ServerCodecEvents& events,
                                                 const CodecLimits& limits, bool secure) {
  return std::make_unique<Http1Server>(loop, sink, events, limits, secure);
}

}  // namespace proxy
