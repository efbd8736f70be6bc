// The server side of HTTP/1: one request at a time, in order (RFC 9112).
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "proxy/codec/codec.h"
#include "proxy/codec/http1_parse.h"

namespace proxy {
namespace {

// Of a request whose answer is out, as much is read and dropped; then the connection is closed.
constexpr uint64_t kUndrainedBytesMax = 256 * 1024;

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
  void OnWriteHigh() override {
    if (request_ != nullptr) request_->OnWriteHigh();
  }
  void OnWriteLow() override {
    if (request_ != nullptr) request_->OnWriteLow();
  }
  HttpVersion version() const override { return HttpVersion::kHttp11; }
  // Goes on with bytes that came while a request was running.
  void Flush() override {
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

  bool TakeHead(absl::string_view& data);
  ParseError ParseHead(absl::string_view block, RequestHead& head, Framing& framing);
  ParseError ParseTarget(absl::string_view target, RequestHead& head, const Framing& framing);
  void Begin(RequestHead head, const Framing& framing);
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
  bool request_done_ = false;
  bool response_begun_ = false;
  bool response_done_ = false;
  bool keep_alive_ = true;
  bool http10_ = false;
  bool is_head_ = false;
  bool is_connect_ = false;
  bool wants_upgrade_ = false;
  bool chunked_out_ = false;
  bool tunnel_ = false;
  bool draining_ = false;
  bool closed_ = false;
  bool holding_ = false;  // The sink is paused because pending_ is being kept.
};

void Http1Server::OnData(absl::string_view data) {
  while (!data.empty() && !closed_) {
    if (request_ == nullptr) {
      if (!TakeHead(data)) return;
      continue;
    }
    if (!request_done_) {
      if (!body_.Feed(data, limits_, *this)) return Refuse({"http1.invalid_chunk", 400});
      continue;
    }
    // Pipelined: kept until the answer is out.
    pending_.append(data.data(), data.size());
    if (!holding_) {
      holding_ = true;
      sink_.PauseReading();
    }
    return;
  }
}

// Begins a request if its head is complete. False if more bytes are needed or it was refused.
bool Http1Server::TakeHead(absl::string_view& data) {
  const size_t before = head_.size();
  size_t length = 0;
  if (before == 0) {
    while (absl::StartsWith(data, "\r\n")) data.remove_prefix(2);  // RFC 9112 §2.2
    if (data.empty()) return false;
    length = HeadLength(data, 0);
  }
  absl::string_view block = data.substr(0, length);
  if (length == 0) {
    head_.append(data.data(), data.size());
    length = HeadLength(head_, before);
    if ((length == 0 ? head_.size() : length) > limits_.head_bytes_max) {
      const bool line_alone = head_.find("\r\n") > limits_.head_bytes_max;
      Refuse(line_alone ? ParseError{"http1.uri_too_long", 414}
                        : ParseError{"http1.headers_too_large", 431});
      return false;
    }
    if (length == 0) {
      data = {};
      return false;
    }
    data.remove_prefix(length - before);
    head_.resize(length);
    block = head_;
  } else {
    data.remove_prefix(length);
  }
  if (length > limits_.head_bytes_max) {
    const bool line_alone = block.find("\r\n") > limits_.head_bytes_max;
    Refuse(line_alone ? ParseError{"http1.uri_too_long", 414}
                      : ParseError{"http1.headers_too_large", 431});
    return false;
  }
  RequestHead head;
  Framing framing;
  const ParseError error = ParseHead(block, head, framing);
  std::string().swap(head_);
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
  const absl::string_view line = whole.substr(0, line_end);
  const size_t first = line.find(' ');
  const size_t second = line.rfind(' ');
  if (first == absl::string_view::npos || second == first)
    return {"http1.invalid_request_line", 400};
  head.method = line.substr(0, first);
  const absl::string_view target = line.substr(first + 1, second - first - 1);
  const absl::string_view version = line.substr(second + 1);
  if (!IsToken(head.method)) return {"http1.invalid_method", 400};
  if (version == "HTTP/1.1") {
    head.version = HttpVersion::kHttp11;
  } else if (version == "HTTP/1.0" && limits_.accept_http_10) {
    head.version = HttpVersion::kHttp10;
  } else {
    const bool other = version.size() == 8 && absl::StartsWith(version, "HTTP/");
    return {"http1.unsupported_version", other ? 505 : 400};
  }
  const bool http10 = head.version == HttpVersion::kHttp10;
  if (line_end + 4 < whole.size() + 2) {
    const ParseError error = ParseFields(copy + line_end + 2, whole.size() - line_end - 4, limits_,
                                         http10, head.headers, framing);
    if (error.details != nullptr) return error;
  }
  if (!framing.has_host && !http10) return {"http1.missing_host", 400};
  if (!IsTarget(framing.host) || absl::StrContains(framing.host, '/')) {
    return {"http1.invalid_host", 400};
  }
  head.scheme = secure_ ? "https" : "http";
  return ParseTarget(target, head, framing);
}

ParseError Http1Server::ParseTarget(absl::string_view target, RequestHead& head,
                                    const Framing& framing) {
  if (target.empty() || !IsTarget(target)) return {"http1.invalid_target", 400};
  head.authority = framing.host;
  if (head.method == "CONNECT") {  // authority-form
    if (!absl::StrContains(target, ':') || absl::StrContains(target, '/')) {
      return {"http1.invalid_target", 400};
    }
    head.authority = target;
    return {};
  }
  if (target[0] == '/' || (target == "*" && head.method == "OPTIONS")) {
    head.path = target;
    return {};
  }
  const size_t mark = target.find("://");  // absolute-form
  if (mark == absl::string_view::npos) return {"http1.invalid_target", 400};
  const absl::string_view scheme = target.substr(0, mark);
  if (!absl::EqualsIgnoreCase(scheme, "http") && !absl::EqualsIgnoreCase(scheme, "https")) {
    return {"http1.invalid_target", 400};
  }
  const absl::string_view rest = target.substr(mark + 3);
  const size_t slash = rest.find_first_of("/?");
  head.authority = rest.substr(0, slash);  // It wins over Host (RFC 9112 §3.2.2).
  if (head.authority.empty() || absl::StrContains(head.authority, '@')) {
    return {"http1.invalid_target", 400};
  }
  if (slash == absl::string_view::npos) {
    head.path = "/";
  } else if (rest[slash] == '?') {
    head.path = head.headers.arena().Copy(absl::StrCat("/", rest.substr(slash)));
  } else {
    head.path = rest.substr(slash);
  }
  return {};
}

void Http1Server::Begin(RequestHead head, const Framing& framing) {
  http10_ = head.version == HttpVersion::kHttp10;
  keep_alive_ = http10_ ? framing.keep_alive && !framing.close : !framing.close;
  is_head_ = head.method == "HEAD";
  is_connect_ = head.method == "CONNECT";
  head.content_length = framing.content_length;
  head.expects_continue = framing.expects_continue && !http10_;
  if (!http10_) head.upgrade = framing.upgrade;
  wants_upgrade_ = !head.upgrade.empty();
  request_done_ = response_begun_ = response_done_ = chunked_out_ = false;
  dropped_bytes_ = 0;
  BodyKind kind = BodyKind::kNone;
  if (framing.chunked) {
    kind = BodyKind::kChunked;
  } else if (framing.content_length) {
    kind = BodyKind::kLength;
  } else if (wants_upgrade_ || is_connect_) {
    kind = BodyKind::kTunnel;  // What follows waits for the answer that opens the tunnel.
  }
  body_.Start(kind, framing.content_length.value_or(0));
  request_ = &events_.OnNewStream(*this);
  if (kind == BodyKind::kTunnel) {
    holding_ = true;
    sink_.PauseReading();
  }
  request_done_ = body_.done();
  request_->OnHead(std::move(head), request_done_);
}

void Http1Server::OnBody(absl::string_view data, bool last) {
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
  if (!silent) {
    sink_.Write(absl::StrCat("HTTP/1.1 ", error.status, " ", ReasonOf(error.status),
                             "\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
  }
  CloseCodec(true, error.details);
}

void Http1Server::SendInformational(const ResponseHead& head) {
  if (http10_ || response_begun_) return;
  std::string out = absl::StrCat("HTTP/1.1 ", head.status, " ", ReasonOf(head.status), "\r\n");
  AppendFields(head.headers, out);
  out += "\r\n";
  sink_.Write(out);
}

void Http1Server::SendHead(const ResponseHead& head, bool last) {
  response_begun_ = true;
  tunnel_ = (wants_upgrade_ && head.status == 101) || (is_connect_ && head.status / 100 == 2);
  if (draining_ && !tunnel_) keep_alive_ = false;
  // An answer to an upgrade that opens no tunnel leaves the bytes behind it without meaning.
  if (body_.kind() == BodyKind::kTunnel && !tunnel_) {
    keep_alive_ = false;
    request_done_ = true;
  }
  std::string out;
  out.reserve(512);
  absl::StrAppend(&out, "HTTP/1.1 ", head.status, " ", ReasonOf(head.status), "\r\n");
  AppendFields(head.headers, out);
  const bool bodiless = head.status / 100 == 1 || head.status == 204 || head.status == 304;
  if (tunnel_) {
    if (head.status == 101) {
      absl::StrAppend(&out, "upgrade: ", head.upgrade, "\r\nconnection: upgrade\r\n");
    }
  } else if (head.content_length && head.status != 204) {
    absl::StrAppend(&out, "content-length: ", *head.content_length, "\r\n");
  } else if (last && !bodiless && !is_head_) {
    out += "content-length: 0\r\n";
  } else if (!last && !bodiless) {
    if (http10_) {
      keep_alive_ = false;  // The close ends the body.
    } else {
      chunked_out_ = !is_head_;
      out += "transfer-encoding: chunked\r\n";
    }
  }
  if (!tunnel_ && !keep_alive_) out += "connection: close\r\n";
  if (!tunnel_ && keep_alive_ && http10_) out += "connection: keep-alive\r\n";
  out += "\r\n";
  sink_.Write(out);
  if (tunnel_ && holding_) {
    holding_ = false;
    body_.Start(BodyKind::kTunnel, 0);
    sink_.ResumeReading();
  }
  if (last) EndResponse();
}

void Http1Server::SendData(absl::string_view data, bool last) {
  if (!is_head_ || tunnel_) {
    if (chunked_out_) {
      if (!data.empty()) {
        sink_.Write(absl::StrCat(absl::Hex(data.size()), "\r\n"));
        sink_.Write(data);
        sink_.Write(last ? "\r\n0\r\n\r\n" : "\r\n");
      } else if (last) {
        sink_.Write("0\r\n\r\n");
      }
    } else {
      sink_.Write(data);
    }
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
  if (tunnel_) {
    request_done_ = true;
    keep_alive_ = false;
  }
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
  if (!closed_) CloseCodec(false, "");
}

}  // namespace

std::unique_ptr<ServerCodec> NewHttp1ServerCodec(EventLoop& loop, ByteSink& sink,
                                                 ServerCodecEvents& events,
                                                 const CodecLimits& limits, bool secure) {
  return std::make_unique<Http1Server>(loop, sink, events, limits, secure);
}

}  // namespace proxy
