// The client side of HTTP/2: requests to an upstream connection.
#include <algorithm>
#include <utility>

#include "proxy/codec/codec.h"
#include "proxy/codec/http2_session.h"
#include "proxy/codec/websocket.h"

namespace proxy {
namespace {

// A request and its answer. A request with `upgrade` goes out as extended CONNECT (RFC 8441); an
// answer of 2xx to it is told as 101.
class Http2ClientStream final : public Http2StreamOf<ResponseHead, RequestHead> {
 public:
  Http2ClientStream(Http2Session& session, ResponseEvents& events) : Http2StreamOf(session, -1) {
    events_ = &events;
  }

  void OnFieldsEnd(bool last) override {
    StartSection();
    if (in_ == Side::kEnded) return;
    const bool too_many = head_.headers.size() > session_.limits().header_count_max;
    if (broken_ || oversize_ || too_many) return Refuse();
    if (in_ == Side::kBody) return FinishTrailers();
    FinishHead(last);
  }

  void SendHead(const RequestHead& head, bool last) override {
    if (out_state_ != Side::kHead || closed_) return;
    upgrade_ = !head.upgrade.empty();
    if (upgrade_ && !session_.settings_seen()) {
      // Whether the peer takes it is not known yet. `head` outlives the stream or its reset.
      waiting_ = &head;
      out_state_ = Side::kBody;
      return;
    }
    waiting_ = nullptr;
    if (upgrade_ && !PeerTakesExtendedConnect()) {
      Fail(ResetReason::kLocal);
      session_.Retire(*this);
      return;
    }
    out_state_ = last && !upgrade_ ? Side::kEnded : Side::kBody;
    if (const Header* key = head.headers.Find(kWebSocketKey); upgrade_ && key != nullptr) {
      websocket_key_.assign(key->value.data(), key->value.size());
    }
    upgrade_text_.assign(head.upgrade.data(), head.upgrade.size());
    Http2FieldList list;
    AddHead(head, list);
    nghttp2_data_provider provider = Provider();
    const bool open = out_state_ == Side::kBody;
    id_ = nghttp2_submit_request(session_.raw(), nullptr, list.data(), list.size(),
                                 open ? &provider : nullptr, static_cast<Http2Stream*>(this));
    if (id_ < 0) {
      Fail(ResetReason::kRefused);
      session_.Retire(*this);
      return;
    }
    session_.FlushSoon();
  }

  void OnSettings() override {
    if (waiting_ == nullptr || !listening()) return;
    const Side before = std::exchange(out_state_, Side::kHead);
    SendHead(*waiting_, false);
    if (before == Side::kEnded && out_state_ == Side::kBody) out_state_ = Side::kEnded;
  }

  void Reset(ResetReason reason) override {
    waiting_ = nullptr;
    SendReset(reason == ResetReason::kProtocolError ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_CANCEL);
  }

 private:
  bool PeerTakesExtendedConnect() {
    return nghttp2_session_get_remote_settings(session_.raw(),
                                               NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
  }

  void AddHead(const RequestHead& head, Http2FieldList& list) {
    list.Add(":method", upgrade_ ? absl::string_view("CONNECT") : head.method);
    if (upgrade_) list.Add(":protocol", head.upgrade);
    if (upgrade_ || head.method != "CONNECT") {
      list.Add(":scheme", head.scheme.empty() ? absl::string_view("http") : head.scheme);
      list.Add(":path", head.path.empty() ? absl::string_view("/") : head.path);
    }
    if (!head.authority.empty()) list.Add(":authority", head.authority);
    list.AddAll(head.headers);
    if (head.expects_continue) list.Add("expect", "100-continue");
    if (head.content_length) list.AddNumber("content-length", *head.content_length);
  }

  bool TakePseudo(absl::string_view name, absl::string_view value) override {
    if (in_ != Side::kHead || name != ":status") return false;
    head_.status = ParseStatus(value);
    return head_.status != 0;
  }

  bool TakeField(HeaderId, absl::string_view) override { return false; }

  void FinishHead(bool last) {
    ResponseHead head = std::move(head_);
    head_ = ResponseHead();
    if (head.status == 101 || (head.status < 200 && last)) return Refuse();
    head.version = HttpVersion::kHttp2;
    if (head.status < 200) {
      if (++informational_ > kInformationalMax) return Refuse();
      content_length_.reset();
      if (listening()) events_->OnInformational(std::move(head));
      return;
    }
    head.content_length = content_length_;
    if (upgrade_ && head.status < 300) {
      head.status = 101;
      head.upgrade = head.headers.arena().Copy(upgrade_text_);
      // Who asked in HTTP/1.1 wants its key answered; a native HTTP/2 server does not.
      if (!websocket_key_.empty() && head.headers.Find(kWebSocketAccept) == nullptr) {
        head.headers.Add(kWebSocketAccept, WebSocketAccept(websocket_key_));
      }
    }
    // To a HEAD request or with 304 the length is of what is not sent.
    if (last) content_length_.reset();
    in_ = last ? Side::kEnded : Side::kBody;
    if (!listening()) return;
    events_->OnHead(std::move(head), last);
    if (last) ForgetIfComplete();
  }

  void FinishTrailers() {
    in_ = Side::kEnded;
    if (!listening()) return;
    TellTrailers();
    ForgetIfComplete();
  }

  void Refuse() {
    if (!oversize_ && !session_.BearBadMessage(false)) return;
    Fail(ResetReason::kProtocolError);
    SendReset(NGHTTP2_PROTOCOL_ERROR);
  }

  bool upgrade_ = false;
  int informational_ = 0;
  const RequestHead* waiting_ = nullptr;  // An upgrade's, until the peer's SETTINGS.
  std::string websocket_key_;
  std::string upgrade_text_;
};

class Http2ClientCodec final : public ClientCodec, public Http2Role {
 public:
  Http2ClientCodec(EventLoop& loop, ByteSink& sink, ClientCodecEvents& events,
                   const Http2Limits& limits, Cell* stats)
      : events_(events), session_(loop, sink, *this, limits, stats, false) {}

  void OnData(absl::string_view data) override { session_.Receive(data); }
  void OnEof() override { session_.OnEof(); }
  void OnConnectionClosed(ResetReason reason) override { session_.Abandon(reason); }
  void Drain() override { session_.Drain(); }
  size_t active_streams() const override { return session_.streams(); }
  void OnWriteHigh() override { session_.SetSinkHigh(true); }
  void OnWriteLow() override { session_.SetSinkHigh(false); }
  HttpVersion version() const override { return HttpVersion::kHttp2; }

  bool CanOpen() const override {
    if (session_.ended() || session_.draining() || session_.goaway_seen()) return false;
    nghttp2_session* raw = const_cast<Http2Session&>(session_).raw();
    if (nghttp2_session_check_request_allowed(raw) == 0) return false;
    const uint32_t theirs = session_.settings_seen()
                                ? peer_streams_max()
                                : session_.limits().streams_before_settings_max;
    return session_.streams() < std::min(theirs, session_.limits().concurrent_streams_max);
  }

  uint32_t peer_streams_max() const override {
    if (!session_.settings_seen()) return 0;
    return nghttp2_session_get_remote_settings(const_cast<Http2Session&>(session_).raw(),
                                               NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  }

  RequestSender& NewStream(ResponseEvents& events) override {
    session_.NoteOpening();
    Http2Stream& stream = session_.Add(std::make_unique<Http2ClientStream>(session_, events));
    return static_cast<Http2ClientStream&>(stream);
  }

  std::unique_ptr<Http2Stream> OnPeerOpened(int32_t) override { return nullptr; }
  void OnStreamRetired() override { events_.OnStreamDone(); }
  void OnPeerLimits() override { events_.OnCapacityChange(); }
  void OnSessionEnd(bool protocol_error, const char* details) override {
    events_.OnCodecClose(protocol_error, details);
  }

 private:
  ClientCodecEvents& events_;
  Http2Session session_;
};

}  // namespace

std::unique_ptr<ClientCodec> NewHttp2ClientCodec(EventLoop& loop, ByteSink& sink,
                                                 ClientCodecEvents& events,
                                                 const Http2Limits& limits, Cell* stats) {
  return std::make_unique<Http2ClientCodec>(loop, sink, events, limits, stats);
}

}  // namespace proxy
