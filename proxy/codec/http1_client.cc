// The client side of HTTP/1: one request at a time on a connection that is kept for the next.
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "proxy/codec/codec.h"
#include "proxy/codec/http1_parse.h"

namespace proxy {
namespace {

class Http1Client final : public ClientCodec, public RequestSender, private BodyReader::Sink {
 public:
  Http1Client(ByteSink& sink, ClientCodecEvents& events, const CodecLimits& limits)
      : sink_(sink), events_(events), limits_(limits) {}

  void OnData(absl::string_view data) override;
  void OnEof() override;
  void OnConnectionClosed(ResetReason reason) override {
    closed_ = true;
    if (ResponseEvents* response = std::exchange(response_, nullptr)) response->OnReset(reason);
  }
  bool CanOpen() const override { return response_ == nullptr && !closed_ && !draining_; }
  RequestSender& NewStream(ResponseEvents& events) override {
    response_ = &events;
    request_done_ = response_done_ = false;
    keep_alive_ = true;
    return *this;
  }
  absl::Duration kept_idle() const override {
    return kept_seconds_ == UINT32_MAX ? absl::InfiniteDuration() : absl::Seconds(kept_seconds_);
  }
  size_t active_streams() const override { return response_ == nullptr ? 0 : 1; }
  void Drain() override {
    draining_ = true;
    if (response_ == nullptr && !closed_) CloseCodec(false, "");
  }
  void OnWriteHigh() override {
    if (response_ != nullptr) response_->OnWriteHigh();
  }
  void OnWriteLow() override {
    if (response_ != nullptr) response_->OnWriteLow();
  }
  HttpVersion version() const override { return HttpVersion::kHttp11; }

  void SendHead(const RequestHead& head, bool last) override;
  void SendData(absl::string_view data, bool last) override;
  void SendTrailers(const Headers& trailers) override;
  void Reset(ResetReason) override {
    response_ = nullptr;
    if (!closed_) CloseCodec(false, "");
  }
  void PauseReading() override {
    ++pauses_;
    sink_.PauseReading();
  }
  void ResumeReading() override {
    if (pauses_ == 0) return;
    --pauses_;
    sink_.ResumeReading();
  }

 private:
  void OnBody(absl::string_view data, bool last) override {
    if (last) response_done_ = true;
    response_->OnData(data, last);
    if (last) MaybeDone();
  }
  void OnBodyTrailers(Headers trailers) override {
    response_done_ = true;
    response_->OnTrailers(std::move(trailers));
    MaybeDone();
  }
  bool stopped() const override { return closed_ || response_ == nullptr; }

  bool TakeHead(absl::string_view& data);
  const char* Judge(const ResponseHead& head, const Framing& framing) const;
  const char* ParseHead(absl::string_view block, ResponseHead& head, Framing& framing);
  void Begin(ResponseHead head, const Framing& framing);
  void FailStream(const char* details);
  void MaybeDone();
  void CloseCodec(bool protocol_error, const char* details) {
    closed_ = true;
    events_.OnCodecClose(protocol_error, details);
  }

  ByteSink& sink_;
  ClientCodecEvents& events_;
  const CodecLimits limits_;
  std::string head_;                           // A head that is not complete.
  std::string upgrade_;                        // What the request asked for.
  const absl::string_view* unread_ = nullptr;  // The rest of what OnData was given, while in it.
  ResponseEvents* response_ = nullptr;
  BodyReader body_;
  int informational_ = 0;
  uint32_t kept_seconds_ = UINT32_MAX;
  int pauses_ = 0;  // Of this stream: taken back when it ends.
  bool reading_body_ = false;
  bool request_done_ = false;
  bool response_done_ = false;
  bool chunked_out_ = false;
  bool is_head_ = false;
  bool is_connect_ = false;
  bool wants_upgrade_ = false;
  bool tunnel_ = false;
  bool keep_alive_ = true;
  bool draining_ = false;
  bool closed_ = false;
};

void Http1Client::SendHead(const RequestHead& head, bool last) {
  is_head_ = head.method == "HEAD";
  is_connect_ = head.method == "CONNECT";
  wants_upgrade_ = !head.upgrade.empty();
  upgrade_.assign(head.upgrade.data(), head.upgrade.size());
  tunnel_ = chunked_out_ = false;
  informational_ = 0;
  std::string& out = HeadScratch();
  for (const absl::string_view part :
       {head.method, absl::string_view(" "), is_connect_ ? head.authority : head.path,
        absl::string_view(" HTTP/1.1\r\nhost: "), head.authority, absl::string_view("\r\n")}) {
    out.append(part.data(), part.size());
  }
  AppendFields(head.headers, out);
  if (wants_upgrade_) {
    absl::StrAppend(&out, "upgrade: ", head.upgrade, "\r\nconnection: upgrade\r\n");
  } else if (head.content_length) {
    absl::StrAppend(&out, "content-length: ", *head.content_length, "\r\n");
  } else if (!last && !is_connect_) {
    chunked_out_ = true;
    out += "transfer-encoding: chunked\r\n";
  } else if (last && (head.method == "POST" || head.method == "PUT" || head.method == "PATCH")) {
    out += "content-length: 0\r\n";  // RFC 9110 §8.6: its absence would make some wait.
  }
  if (head.expects_continue && !last) out += "expect: 100-continue\r\n";
  out += "\r\n";
  sink_.Write(out);
  if (last) {
    request_done_ = true;
    MaybeDone();
  }
}

void Http1Client::SendData(absl::string_view data, bool last) {
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
  if (last) {
    request_done_ = true;
    if (tunnel_) {
      keep_alive_ = false;
      sink_.FinishWriting();
    }
    MaybeDone();
  }
}

void Http1Client::SendTrailers(const Headers& trailers) {
  if (chunked_out_) {
    std::string out = "0\r\n";
    AppendFields(trailers, out);
    out += "\r\n";
    sink_.Write(out);
  }
  request_done_ = true;
  MaybeDone();
}

void Http1Client::OnData(absl::string_view data) {
  unread_ = &data;
  while (!data.empty() && !closed_) {
    // Bytes that answer nothing would become the next request's answer.
    if (response_ == nullptr || response_done_) {
      FailStream("http1.unsolicited_response");
      break;
    }
    if (!reading_body_) {
      if (!TakeHead(data)) break;
    } else if (!body_.Feed(data, limits_, *this)) {
      FailStream("http1.invalid_chunk");
    }
  }
  unread_ = nullptr;
}

bool Http1Client::TakeHead(absl::string_view& data) {
  const size_t before = head_.size();
  head_.append(data.data(), data.size());
  const size_t length = HeadLength(head_, before);
  const char* error = nullptr;
  if ((length == 0 ? head_.size() : length) > limits_.head_bytes_max) {
    error = "http1.headers_too_large";
  } else if (length == 0) {
    data = {};
    error = CheckPartialHead(head_, before).details;
    if (error == nullptr) return false;
  }
  if (error != nullptr) {
    FailStream(error);
    return false;
  }
  data.remove_prefix(length - before);
  head_.resize(length);
  ResponseHead head;
  Framing framing;
  error = ParseHead(head_, head, framing);
  if (error == nullptr) error = Judge(head, framing);
  head_.clear();
  if (head_.capacity() > 4096) std::string().swap(head_);
  if (error != nullptr) {
    FailStream(error);
    return false;
  }
  Begin(std::move(head), framing);
  return !stopped();
}

// What is wrong with a well-formed head as an answer to this request; null if nothing.
const char* Http1Client::Judge(const ResponseHead& head, const Framing& framing) const {
  if (head.status == 101) {
    const bool asked = wants_upgrade_ && absl::EqualsIgnoreCase(framing.upgrade, upgrade_);
    return asked ? nullptr : "http1.unexpected_upgrade";
  }
  if (head.status / 100 == 1 && informational_ >= kInformationalMax) {
    return "http1.too_many_informational";
  }
  return nullptr;
}

const char* Http1Client::ParseHead(absl::string_view block, ResponseHead& head, Framing& framing) {
  char* const copy = head.headers.arena().Allocate(block.size());
  std::memcpy(copy, block.data(), block.size());
  const absl::string_view whole(copy, block.size());
  const size_t line_end = whole.find("\r\n");
  const absl::string_view line = whole.substr(0, line_end);
  // "HTTP/1.1 200 OK"; the reason may be missing, but holds no control byte.
  for (const char c : line) {
    const auto byte = static_cast<uint8_t>(c);
    if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return "http1.invalid_status_line";
  }
  if (line.size() < 12 || !absl::StartsWith(line, "HTTP/1.") || line[8] != ' ' ||
      (line[7] != '0' && line[7] != '1') || (line.size() > 12 && line[12] != ' ')) {
    return "http1.invalid_status_line";
  }
  for (int i = 9; i < 12; ++i) {
    if (line[static_cast<size_t>(i)] < '0' || line[static_cast<size_t>(i)] > '9') {
      return "http1.invalid_status_line";
    }
    head.status = head.status * 10 + (line[static_cast<size_t>(i)] - '0');
  }
  if (head.status < 100 || head.status > 599) return "http1.invalid_status_line";
  head.version = line[7] == '0' ? HttpVersion::kHttp10 : HttpVersion::kHttp11;
  if (line_end + 4 >= whole.size() + 2) return nullptr;
  return ParseFields(copy + line_end + 2, whole.size() - line_end - 4, limits_,
                     {.http10 = head.version == HttpVersion::kHttp10, .response = true},
                     head.headers, framing)
      .details;
}

void Http1Client::Begin(ResponseHead head, const Framing& framing) {
  head.content_length = framing.content_length;
  if (head.status / 100 == 1 && head.status != 101) {
    ++informational_;
    return response_->OnInformational(std::move(head));
  }
  if (head.status == 101) head.upgrade = framing.upgrade;
  tunnel_ = head.status == 101 || (is_connect_ && head.status / 100 == 2);
  const bool http10 = head.version == HttpVersion::kHttp10;
  kept_seconds_ = framing.kept_seconds;
  keep_alive_ = http10 ? framing.keep_alive : !framing.close;
  BodyKind kind = BodyKind::kUntilClose;
  if (tunnel_) {
    kind = BodyKind::kTunnel;
  } else if (is_head_ || head.status == 204 || head.status == 304) {
    kind = BodyKind::kNone;
  } else if (framing.chunked) {
    kind = BodyKind::kChunked;
  } else if (framing.content_length) {
    kind = BodyKind::kLength;
  }
  if (kind == BodyKind::kUntilClose || tunnel_) keep_alive_ = false;
  body_.Start(kind, framing.content_length.value_or(0));
  reading_body_ = true;
  const bool last = body_.done();
  if (last) response_done_ = true;
  response_->OnHead(std::move(head), last);
  if (last) MaybeDone();
}

void Http1Client::OnEof() {
  if (closed_) return;
  if (response_ == nullptr) return CloseCodec(false, "");
  const bool ends_body =
      reading_body_ && !response_done_ &&
      (body_.kind() == BodyKind::kUntilClose || body_.kind() == BodyKind::kTunnel);
  if (ends_body) {
    response_done_ = true;
    keep_alive_ = false;
    response_->OnData({}, true);
    MaybeDone();
    if (tunnel_ || closed_) return;
    if (response_ == nullptr) return;
  }
  if (response_done_) {
    keep_alive_ = false;
    return;
  }
  ResponseEvents* response = std::exchange(response_, nullptr);
  closed_ = true;
  response->OnReset(ResetReason::kConnectionClosed);
  events_.OnCodecClose(false, "http1.incomplete_response");
}

void Http1Client::FailStream(const char* details) {
  closed_ = true;
  if (ResponseEvents* response = std::exchange(response_, nullptr)) {
    response->OnReset(ResetReason::kProtocolError);
  }
  events_.OnCodecClose(true, details);
}

// Both messages complete: the connection is free for the next.
void Http1Client::MaybeDone() {
  if (!request_done_ || !response_done_ || response_ == nullptr || closed_) return;
  response_ = nullptr;
  reading_body_ = false;
  while (pauses_ > 0) ResumeReading();
  if (unread_ != nullptr && !unread_->empty()) {
    return CloseCodec(true, "http1.unsolicited_response");
  }
  if (!keep_alive_ || draining_) return CloseCodec(false, "");
  events_.OnStreamDone();
}

}  // namespace

std::unique_ptr<ClientCodec> NewHttp1ClientCodec(ByteSink& sink, ClientCodecEvents& events,
                                                 const CodecLimits& limits) {
  return std::make_unique<Http1Client>(sink, events, limits);
}

}  // namespace proxy
