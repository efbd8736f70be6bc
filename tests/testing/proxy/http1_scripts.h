// HTTP/1 codecs with users that write down what they hear, as text to compare.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/clock.h"
#include "proxy/codec/codec.h"
#include "tests/testing/proxy/fake_sink.h"

namespace proxy {

// Writes down what a server codec tells, and answers each complete request with "ok".
class Http1ServerScript final : public ServerCodecEvents, public RequestEvents {
 public:
  explicit Http1ServerScript(bool answers = true, CodecLimits limits = {})
      : loop(NewLibeventPoller(), clock, 1),
        codec(NewHttp1ServerCodec(loop, sink, *this, limits, false)),
        answers_(answers) {}

  RequestEvents& OnNewStream(ResponseSender& to) override {
    sender = &to;
    return *this;
  }
  void OnCodecClose(bool protocol_error, const char* details) override {
    absl::StrAppend(&events, protocol_error ? "error " : "close", protocol_error ? details : "",
                    ";");
  }
  void OnCodecAbort() override { events += "abort;"; }
  void OnHead(RequestHead head, bool last) override {
    absl::StrAppend(&events, head.method, " ", head.path, " @", head.authority, ";");
    for (const Header& one : head.headers) absl::StrAppend(&events, one.name, "=", one.value, ";");
    if (last) End();
  }
  void OnData(absl::string_view data, bool last) override {
    body.append(data.data(), data.size());
    if (last) End();
  }
  void OnTrailers(Headers trailers) override {
    for (const Header& one : trailers)
      absl::StrAppend(&events, "trailer ", one.name, "=", one.value, ";");
    End();
  }
  void OnReset(ResetReason) override { events += "reset;"; }
  void OnWriteHigh() override {}
  void OnWriteLow() override {}

  void Feed(absl::string_view bytes) {
    codec->OnData(bytes);
    loop.RunOnce(absl::ZeroDuration());
  }

  pinnace::FakeClock clock;
  EventLoop loop;
  FakeSink sink;
  std::unique_ptr<ServerCodec> codec;
  ResponseSender* sender = nullptr;
  std::string events;
  std::string body;

 private:
  void End() {
    if (!body.empty()) absl::StrAppend(&events, "body ", std::exchange(body, {}), ";");
    events += "end;";
    if (!answers_) return;
    ResponseHead head;
    head.status = 200;
    head.content_length = 2;
    sender->SendHead(head, false);
    sender->SendData("ok", true);
  }
  const bool answers_;
};

// Writes down what a client codec tells; Ask() sends a request.
class Http1ClientScript final : public ClientCodecEvents, public ResponseEvents {
 public:
  Http1ClientScript() : codec(NewHttp1ClientCodec(sink, *this, {})) {}
  void Ask(absl::string_view method = "GET", absl::string_view upgrade = "") {
    head.method = method;
    head.path = "/";
    head.authority = "a";
    head.upgrade = upgrade;
    sender = &codec->NewStream(*this);
    sender->SendHead(head, upgrade.empty());
  }
  void OnStreamDone() override { events += "done;"; }
  void OnCodecClose(bool protocol_error, const char* details) override {
    absl::StrAppend(&events, protocol_error ? absl::StrCat("error ", details) : "close", ";");
  }
  void OnHead(ResponseHead got, bool last) override {
    absl::StrAppend(&events, got.status, last ? "!" : "", ";");
  }
  void OnInformational(ResponseHead got) override {
    absl::StrAppend(&events, "info ", got.status, ";");
  }
  void OnData(absl::string_view data, bool last) override {
    absl::StrAppend(&events, data, last ? "!" : "", ";");
  }
  void OnTrailers(Headers) override { events += "trailers;"; }
  void OnReset(ResetReason) override { events += "reset;"; }
  void OnWriteHigh() override {}
  void OnWriteLow() override {}

  FakeSink sink;
  std::unique_ptr<ClientCodec> codec;
  RequestHead head;
  RequestSender* sender = nullptr;
  std::string events;
};

}  // namespace proxy
