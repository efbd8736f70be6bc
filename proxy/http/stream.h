// One request and its response, as codecs and their users tell each other of it.
#pragma once

#include <cstdint>

#include <absl/strings/string_view.h>

#include "proxy/http/headers.h"

namespace proxy {

// Why a stream ended before its time.
enum class ResetReason : uint8_t {
  kPeerReset,         // RST_STREAM, or the connection was reset while the stream was open.
  kRefused,           // The peer says that it has not processed it (REFUSED_STREAM, GOAWAY).
  kConnectionClosed,  // In order, but before the message was complete.
  kProtocolError,     // The peer broke the protocol on this stream or connection.
  kLocal,             // We gave it up.
};

// What a codec tells of a stream's incoming message: OnHead, OnData*, OnTrailers?, nothing more; or
// OnReset at any point, as the last call. Calls may come from within a Send of the same stream.
template <typename Head>
class MessageEvents {
 public:
  virtual ~MessageEvents() = default;
  // `last`: neither data nor trailers follow (RFC 9113 §8.1; RFC 9112 §6.3).
  virtual void OnHead(Head head, bool last) = 0;
  // `data` is gone after the call; empty only together with `last`.
  virtual void OnData(absl::string_view data, bool last) = 0;
  virtual void OnTrailers(Headers trailers) = 0;
  virtual void OnReset(ResetReason reason) = 0;
  // The outgoing side: what is buffered rose above the high mark, or fell to the low one.
  virtual void OnWriteHigh() = 0;
  virtual void OnWriteLow() = 0;
  // A 1xx other than 101 came (client side only).
  virtual void OnInformational(Head head) {}
};
using RequestEvents = MessageEvents<RequestHead>;    // Server side.
using ResponseEvents = MessageEvents<ResponseHead>;  // Client side.

// A stream's outgoing message. Owned by its codec; valid until both messages are complete, or
// Reset() was called, or OnReset came. Order: SendHead, SendData*, SendTrailers?; `last` or
// trailers end it.
template <typename Head>
class MessageSender {
 public:
  virtual ~MessageSender() = default;
  virtual void SendHead(const Head& head, bool last) = 0;
  virtual void SendData(absl::string_view data, bool last) = 0;
  virtual void SendTrailers(const Headers& trailers) = 0;
  // Server side: a 1xx other than 101.
  virtual void SendInformational(const Head& head) {}
  // Gives the stream up in both directions; no event follows. HTTP/1 closes its connection.
  virtual void Reset(ResetReason reason) = 0;
  // While paused, OnData stops as soon as the protocol allows (HTTP/2: when the window is used up).
  // Pauses nest.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
};
using ResponseSender = MessageSender<ResponseHead>;  // Server side.
using RequestSender = MessageSender<RequestHead>;    // Client side.

}  // namespace proxy
