// A client and a server codec joined in memory, with users that write down what they hear.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <absl/strings/string_view.h>

#include "common/clock.h"
#include "proxy/codec/codec.h"
#include "proxy/event/event_loop.h"
#include "proxy/stats/names.h"

namespace proxy {

// Keeps what is written until it is taken.
class MemorySink final : public ByteSink {
 public:
  void Write(absl::string_view data) override {
    bytes.append(data.data(), data.size());
    ++writes;
  }
  size_t buffered() const override { return bytes.size(); }
  void PauseReading() override {}
  void ResumeReading() override {}
  std::string Take() { return std::exchange(bytes, {}); }

  std::string bytes;
  int writes = 0;
};

// One stream's user: the events in order, the parts apart.
template <typename In, typename Out>
class StreamLog final : public MessageEvents<In> {
 public:
  void OnHead(In h, bool last) override {
    head = std::move(h);
    heads += 1;
    ended = last;
  }
  void OnData(absl::string_view data, bool last) override {
    body.append(data.data(), data.size());
    ended = last;
  }
  void OnTrailers(Headers t) override {
    trailers = std::move(t);
    ended = true;
  }
  void OnReset(ResetReason reason) override {
    reset = reason;
    sender = nullptr;
  }
  void OnWriteHigh() override { ++highs; }
  void OnWriteLow() override { ++lows; }
  void OnInformational(In h) override {
    if constexpr (std::is_same_v<In, ResponseHead>) informational.push_back(h.status);
  }

  In head;
  int heads = 0;
  std::string body;
  Headers trailers;
  bool ended = false;
  std::optional<ResetReason> reset;
  int highs = 0;
  int lows = 0;
  std::vector<int> informational;
  MessageSender<Out>* sender = nullptr;
};

using RequestLog = StreamLog<RequestHead, ResponseHead>;
using ResponseLog = StreamLog<ResponseHead, RequestHead>;

// A server codec's user.
class ServerLog final : public ServerCodecEvents {
 public:
  RequestEvents& OnNewStream(ResponseSender& sender) override {
    streams.push_back(std::make_unique<RequestLog>());
    streams.back()->sender = &sender;
    return *streams.back();
  }
  void OnCodecClose(bool protocol_error, const char* text) override {
    ++closes;
    error = protocol_error;
    details = text;
  }
  std::vector<std::unique_ptr<RequestLog>> streams;
  int closes = 0;
  bool error = false;
  std::string details;
};

// A client codec's user.
class ClientLog final : public ClientCodecEvents {
 public:
  void OnStreamDone() override { ++done; }
  void OnCodecClose(bool protocol_error, const char* text) override {
    ++closes;
    error = protocol_error;
    details = text;
  }
  void OnCapacityChange() override { ++capacity_changes; }
  int done = 0;
  int closes = 0;
  bool error = false;
  std::string details;
  int capacity_changes = 0;
};

// An HTTP/2 client and server on one loop.
class LinkedHttp2 {
 public:
  explicit LinkedHttp2(const Http2Limits& limits = {})
      : loop(NewLibeventPoller(), clock, 1),
        server(NewHttp2ServerCodec(loop, server_sink, server_log, limits, server_stats, false)),
        client(NewHttp2ClientCodec(loop, client_sink, client_log, limits, client_stats)) {
    Run();
  }
  void Turn() { loop.RunOnce(absl::ZeroDuration()); }
  // Carries bytes both ways until nothing moves.
  void Run() {
    for (int idle = 0; idle < 2; ++idle) {
      Turn();
      const std::string up = client_sink.Take();
      const std::string down = server_sink.Take();
      if (!up.empty()) server->OnData(up);
      if (!down.empty()) client->OnData(down);
      if (!up.empty() || !down.empty()) idle = -1;
    }
  }
  // Starts a request; `head` gets the parts that every request has.
  void Send(ResponseLog& log, RequestHead head, bool last) {
    log.sender = &client->NewStream(log);
    if (head.method.empty()) head.method = last ? "GET" : "POST";
    if (head.path.empty()) head.path = "/a?b";
    if (head.authority.empty()) head.authority = "svc:80";
    log.sender->SendHead(head, last);
  }

  pinnace::FakeClock clock;
  EventLoop loop;
  MemorySink server_sink;
  MemorySink client_sink;
  ServerLog server_log;
  ClientLog client_log;
  Cell server_stats[kHttp2StatCount];
  Cell client_stats[kHttp2StatCount];
  std::unique_ptr<ServerCodec> server;
  std::unique_ptr<ClientCodec> client;
};

}  // namespace proxy
