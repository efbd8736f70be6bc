// HTTP codecs: bytes <-> streams, on both sides of the proxy.
#pragma once

#include <cstdint>
#include <memory>

#include <absl/strings/string_view.h>
#include <absl/time/time.h>

#include "proxy/http/stream.h"
#include "proxy/net/connection.h"
#include "proxy/stats/stats.h"

namespace proxy {

// Finite by default; each is answered as named and counted by the codec's user.
struct CodecLimits {
  uint32_t head_bytes_max = 60 * 1024;  // 431; 414 if the request line alone is longer.
  uint32_t header_count_max = 100;      // 431.
  bool accept_http_10 = true;
  uint32_t requests_max = 0;  // HTTP/1 server: the last answer says close. 0: no bound.
  // HTTP/1: what becomes of a field whose name holds an underscore, which some applications cannot
  // tell from a dash. kReject: 400. kDrop: the field is left out (OnFieldsDropped).
  enum class Underscores : uint8_t { kAllow, kReject, kDrop };
  Underscores underscores = Underscores::kAllow;
};

// PINGs that find a dead peer (Envoy's connection_keepalive).
struct KeepaliveLimits {
  absl::Duration interval = absl::ZeroDuration();  // Zero: none are sent by the clock.
  absl::Duration timeout = absl::ZeroDuration();   // From a PING to its answer.
  double jitter = 0.15;                            // Share of `interval` added at random, 0..1.
  // Client: a stream opened after that long without a byte asks for a PING too. Zero: never.
  absl::Duration idle = absl::ZeroDuration();
};

// Limits of HTTP/2, named after Envoy's Http2ProtocolOptions where it has them. Beyond those on
// frames the connection ends with ENHANCE_YOUR_CALM and the counter of the limit's name goes up.
struct Http2Limits : CodecLimits {
  uint32_t concurrent_streams_max = 1024;
  // Client: streams before the peer's SETTINGS say how many it takes (RFC 9113 §6.5.2 advises at
  // least 100).
  uint32_t streams_before_settings_max = 100;
  uint32_t stream_window_bytes = 256 * 1024;
  uint32_t connection_window_bytes = 1024 * 1024;
  uint32_t stream_buffer_bytes_max = 256 * 1024;  // High mark of one stream's output.
  uint32_t hpack_table_bytes = 4096;
  uint32_t outbound_frames_max = 10000;         // Queued because the peer does not read.
  uint32_t outbound_control_frames_max = 1000;  // Of these, answers to PING and SETTINGS.
  uint32_t empty_frames_in_a_row_max = 1;
  uint32_t priority_frames_per_stream_max = 100;
  uint32_t window_updates_per_data_frame_max = 10;
  bool connect_protocol = true;  // Extended CONNECT is offered (RFC 8441).
  // A malformed message ends the connection, as Envoy's does, instead of the stream alone
  // (RFC 9113 §8.1.1).
  bool bad_message_ends_connection = false;
  // Between the end of an answer and the peer's taking its last byte. Zero: none.
  absl::Duration flush_timeout = absl::Minutes(5);
  absl::Duration drain_timeout = absl::Seconds(5);  // From the notice to the last GOAWAY, at most.
  KeepaliveLimits keepalive;
};

// What a codec's user hears as `details` when the peer reset more streams than it may.
inline constexpr char kTooManyResets[] = "http2.too_many_premature_resets";

// A server codec's user: gives each new request someone who hears of it.
class ServerCodecEvents {
 public:
  virtual ~ServerCodecEvents() = default;
  // A request begins. `sender` answers it. The result must outlive the stream (see MessageSender).
  virtual RequestEvents& OnNewStream(ResponseSender& sender) = 0;
  // The codec is done with the connection: everything that it had to say is written; close it after
  // the flush. `protocol_error`: the peer broke the rules (`details` is static text).
  virtual void OnCodecClose(bool protocol_error, const char* details) = 0;
  // A request was answered with `status` (0: reset, HTTP/2) before anyone heard of it; OnCodecClose
  // follows. `details` is static text for %RESPONSE_CODE_DETAILS%.
  virtual void OnRefused(int status, const char* details) {}
  // `count` fields of the request that begins next were left out because of their names.
  virtual void OnFieldsDropped(uint32_t count) {}
  // An answer without an end of its own was broken off: only a reset tells the peer so.
  virtual void OnCodecAbort() { OnCodecClose(false, ""); }
};

// One downstream connection's protocol.
class ServerCodec {
 public:
  virtual ~ServerCodec() = default;
  virtual void OnData(absl::string_view data) = 0;
  // The peer ends its side (OnEof of the connection).
  virtual void OnEof() = 0;
  // The connection is gone: every open stream hears OnReset(reason). No write follows.
  virtual void OnConnectionClosed(ResetReason reason) = 0;
  // Lets running streams end and takes no more: GOAWAY, or `connection: close` with the next
  // answer.
  virtual void Drain() = 0;
  virtual size_t active_streams() const = 0;
  // True while a request's head has begun and not ended (HTTP/2 alone says so).
  virtual bool mid_head() const { return false; }
  // That took too long: ends the connection, in HTTP/1 with 408.
  virtual void GiveUpHead() {}
  // The connection's buffered() crossed its marks: told to the streams.
  virtual void OnWriteHigh() = 0;
  virtual void OnWriteLow() = 0;
  virtual HttpVersion version() const = 0;
};

// A client codec's user (a connection pool).
class ClientCodecEvents {
 public:
  virtual ~ClientCodecEvents() = default;
  // A stream is over in both directions; the connection may take another if CanOpen().
  virtual void OnStreamDone() = 0;
  // As OnCodecClose above.
  virtual void OnCodecClose(bool protocol_error, const char* details) = 0;
  // HTTP/2: the peer's first SETTINGS or a GOAWAY changed what CanOpen() says.
  virtual void OnCapacityChange() {}
};

// Informational answers that a request may get, 101 aside; the next one is a protocol error.
inline constexpr int kInformationalMax = 32;

// One upstream connection's protocol.
class ClientCodec {
 public:
  virtual ~ClientCodec() = default;
  virtual void OnData(absl::string_view data) = 0;
  virtual void OnEof() = 0;
  virtual void OnConnectionClosed(ResetReason reason) = 0;
  // True if NewStream may be called: HTTP/1 when idle, HTTP/2 below both sides' stream limits.
  virtual bool CanOpen() const = 0;
  // How long the peer said that it keeps an idle connection (Keep-Alive: timeout=N); infinite if it
  // said nothing.
  virtual absl::Duration kept_idle() const { return absl::InfiniteDuration(); }
  // Starts a request. `events` must outlive the stream. Requires CanOpen().
  virtual RequestSender& NewStream(ResponseEvents& events) = 0;
  virtual size_t active_streams() const = 0;
  // How many streams the peer takes at a time, once it has said so; 0 before.
  virtual uint32_t peer_streams_max() const { return 0; }
  virtual void Drain() = 0;
  virtual void OnWriteHigh() = 0;
  virtual void OnWriteLow() = 0;
  virtual HttpVersion version() const = 0;
};

// All borrow `sink`, `events` and `loop`; loop thread only. `secure` sets the scheme. `stats`: the
// kHttp2StatCount cells of Http2Stat.
std::unique_ptr<ServerCodec> NewHttp1ServerCodec(EventLoop& loop, ByteSink& sink,
                                                 ServerCodecEvents& events,
                                                 const CodecLimits& limits, bool secure);
std::unique_ptr<ClientCodec> NewHttp1ClientCodec(ByteSink& sink, ClientCodecEvents& events,
                                                 const CodecLimits& limits);
std::unique_ptr<ServerCodec> NewHttp2ServerCodec(EventLoop& loop, ByteSink& sink,
                                                 ServerCodecEvents& events,
                                                 const Http2Limits& limits, Cell* stats,
                                                 bool secure);
std::unique_ptr<ClientCodec> NewHttp2ClientCodec(EventLoop& loop, ByteSink& sink,
                                                 ClientCodecEvents& events,
                                                 const Http2Limits& limits, Cell* stats);

}  // namespace proxy
