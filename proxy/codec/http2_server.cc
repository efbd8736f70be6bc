// The server side of HTTP/2: requests from a downstream connection.
#include <utility>

#include <absl/strings/match.h>

#include "proxy/codec/codec.h"
#include "proxy/codec/http1_target.h"
#include "proxy/codec/http2_session.h"
#include "proxy/codec/websocket.h"

namespace proxy {
namespace {

// What a stream needs of its codec.
struct ServerContext {
  ServerCodecEvents& events;
  const bool secure;
};

// RST_STREAM's code for a response that we give up.
uint32_t ResetCode(ResetReason reason) {
  switch (reason) {
    case ResetReason::kRefused: return NGHTTP2_REFUSED_STREAM;
    case ResetReason::kProtocolError: return NGHTTP2_PROTOCOL_ERROR;
    default: return NGHTTP2_INTERNAL_ERROR;
  }
}

// A request and its answer. An answer that is out before the request is whole ends the stream with
// RST_STREAM(NO_ERROR) (RFC 9113 §8.1): OnReset(kLocal), unless the user has reset it already.
// Extended CONNECT (RFC 8441) looks like an HTTP/1.1 upgrade to the user: GET and `upgrade`; the
// answer 101 is sent as 200.
class Http2ServerStream final : public Http2StreamOf<RequestHead, ResponseHead> {
 public:
  Http2ServerStream(Http2Session& session, int32_t id, ServerContext& context)
      : Http2StreamOf(session, id), context_(context) {}

  void OnFieldsEnd(bool last) override {
    StartSection();
    if (in_ == Side::kEnded) return;
    if (broken_) return RefuseBad();
    if (in_ == Side::kBody) return FinishTrailers();
    if (oversize_ || head_.headers.size() > session_.limits().header_count_max) return Answer431();
    if (!FinishHead()) return RefuseBad();
    in_ = last ? Side::kEnded : Side::kBody;
    head_.content_length = content_length_;
    events_ = &context_.events.OnNewStream(*this);
    events_->OnHead(std::move(head_), last);
    head_ = RequestHead();
    if (last) ForgetIfComplete();
  }

  void OnEndSent() override {
    end_sent_ = true;
    if (in_ == Side::kEnded && !graceful_) return;
    nghttp2_submit_rst_stream(session_.raw(), NGHTTP2_FLAG_NONE, id_, NGHTTP2_NO_ERROR);
  }

  void SendHead(const ResponseHead& head, bool last) override {
    if (out_state_ != Side::kHead) return;
    out_state_ = last ? Side::kEnded : Side::kBody;
    if (!closed_) {
      Http2FieldList list;
      list.AddNumber(":status", upgrade_ && head.status == 101 ? 200 : head.status);
      list.AddAll(head.headers, key_made_ ? kWebSocketAccept : absl::string_view());
      if (head.content_length) list.AddNumber("content-length", *head.content_length);
      nghttp2_data_provider provider = Provider();
      nghttp2_submit_response(session_.raw(), id_, list.data(), list.size(),
                              last ? nullptr : &provider);
      session_.FlushSoon();
    }
    if (last) ForgetIfComplete();
  }

  void SendInformational(const ResponseHead& head) override {
    if (out_state_ != Side::kHead || closed_) return;
    Http2FieldList list;
    list.AddNumber(":status", head.status);
    list.AddAll(head.headers);
    nghttp2_submit_headers(session_.raw(), NGHTTP2_FLAG_NONE, id_, nullptr, list.data(),
                           list.size(), nullptr);
    session_.FlushSoon();
  }

  void Reset(ResetReason reason) override {
    if (reason == ResetReason::kLocal && out_state_ == Side::kEnded && in_ == Side::kBody &&
        !closed_ && !end_sent_) {
      // The answer is whole: it goes out, only the rest of the request is refused.
      graceful_ = true;
      in_ = Side::kEnded;
      Forget();
      return;
    }
    SendReset(ResetCode(reason));
  }

 private:
  bool TakePseudo(absl::string_view name, absl::string_view value) override {
    if (name == ":method") head_.method = value;
    if (name == ":path") head_.path = value;
    if (name == ":authority") head_.authority = value;
    if (name == ":protocol") head_.upgrade = value;
    return in_ == Side::kHead;
  }

  bool TakeField(HeaderId id, absl::string_view value) override {
    if (id == HeaderId::kHost) {
      if (!host_.empty() && host_ != value) broken_ = true;
      host_ = value;
      return true;
    }
    if (id == HeaderId::kExpect && absl::EqualsIgnoreCase(value, "100-continue")) {
      head_.expects_continue = true;
      return true;
    }
    return false;
  }

  bool FinishHead() {
    if (head_.authority.empty()) head_.authority = host_;
    if (!host_.empty() && !absl::EqualsIgnoreCase(host_, head_.authority)) return false;
    host_ = {};
    if (head_.authority.empty()) return false;
    const bool tunnel = head_.method == "CONNECT" && head_.upgrade.empty();
    if (!(tunnel ? head_.path.empty() : IsPath(head_.path, head_.method))) return false;
    if (!IsAuthority(head_.authority)) return false;
    head_.scheme = context_.secure ? "https" : "http";
    head_.version = HttpVersion::kHttp2;
    upgrade_ = !head_.upgrade.empty();
    if (upgrade_) TakeUpgrade();
    JoinCookies(head_.headers);
    return true;
  }

  // Extended CONNECT needs no key; an HTTP/1.1 server does.
  void TakeUpgrade() {
    head_.method = "GET";
    if (!absl::EqualsIgnoreCase(head_.upgrade, "websocket")) return;
    if (head_.headers.Find(kWebSocketKey) != nullptr) return;
    key_made_ = true;
    head_.headers.Add(kWebSocketKey, NewWebSocketKey(session_.loop().random()));
  }

  void FinishTrailers() {
    if (oversize_) return Refuse(NGHTTP2_ENHANCE_YOUR_CALM);
    in_ = Side::kEnded;
    if (!listening()) return;
    TellTrailers();
    ForgetIfComplete();
  }

  void RefuseBad() {
    if (session_.BearBadMessage(in_ == Side::kHead)) Refuse(NGHTTP2_PROTOCOL_ERROR);
  }

  void Refuse(uint32_t code) {
    Fail(ResetReason::kProtocolError);
    SendReset(code);
  }

  void Answer431() {
    context_.events.OnRefused(431, "http2.header_overflow");
    in_ = Side::kEnded;
    out_state_ = Side::kEnded;
    graceful_ = true;
    Http2FieldList list;
    list.Add(":status", "431");
    list.Add("content-length", "0");
    nghttp2_submit_response(session_.raw(), id_, list.data(), list.size(), nullptr);
    session_.FlushSoon();
  }

  ServerContext& context_;
  absl::string_view host_;
  bool upgrade_ = false;
  bool key_made_ = false;  // By us: the peer did not ask for an accept.
  bool graceful_ = false;  // RST_STREAM(NO_ERROR) after END_STREAM.
  bool end_sent_ = false;
};

class Http2ServerCodec final : public ServerCodec, public Http2Role {
 public:
  Http2ServerCodec(EventLoop& loop, ByteSink& sink, ServerCodecEvents& events,
                   const Http2Limits& limits, Cell* stats, bool secure)
      : context_{events, secure}, session_(loop, sink, *this, limits, stats, true) {}

  void OnData(absl::string_view data) override { session_.Receive(data); }
  void OnEof() override { session_.OnEof(); }
  void OnConnectionClosed(ResetReason reason) override { session_.Abandon(reason); }
  void Drain() override { session_.Drain(); }
  size_t active_streams() const override { return session_.streams(); }
  bool mid_head() const override { return session_.mid_head(); }
  void GiveUpHead() override {
    session_.Kill(NGHTTP2_ENHANCE_YOUR_CALM, "http2.request_headers_timeout");
  }
  void OnWriteHigh() override { session_.SetSinkHigh(true); }
  void OnWriteLow() override { session_.SetSinkHigh(false); }
  HttpVersion version() const override { return HttpVersion::kHttp2; }

  std::unique_ptr<Http2Stream> OnPeerOpened(int32_t id) override {
    return std::make_unique<Http2ServerStream>(session_, id, context_);
  }
  void OnStreamRetired() override {}
  void OnPeerLimits() override {}
  void OnUnseenRefused() override { context_.events.OnRefused(0, kBadMessage); }
  void OnSessionEnd(bool protocol_error, const char* details) override {
    context_.events.OnCodecClose(protocol_error, details);
  }

 private:
  ServerContext context_;
  Http2Session session_;
};

}  // namespace

std::unique_ptr<ServerCodec> NewHttp2ServerCodec(EventLoop& loop, ByteSink& sink,
                                                 ServerCodecEvents& events,
                                                 const Http2Limits& limits, Cell* stats,
                                                 bool secure) {
  return std::make_unique<Http2ServerCodec>(loop, sink, events, limits, stats, secure);
}

}  // namespace proxy
