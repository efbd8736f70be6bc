// One gRPC call over the proxy's own HTTP/2 client.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/codec/grpc_frames.h"
#include "proxy/upstream/cluster.h"

namespace proxy {

// A bidirectional stream of messages. Loop thread only. Destroying it resets the stream.
class GrpcCall final : private StreamWaiter, private ResponseEvents {
 public:
  // `on_message`: each message's bytes, gone after the call. `on_end`: the last call, with why;
  // empty for status OK. Neither is called from within a method of this class but Start().
  struct Events {
    std::function<void(absl::string_view)> on_message;
    std::function<void(std::string why)> on_end;
  };
  // `path`: "/package.Service/Method". `metadata`: names in lower case, and values.
  GrpcCall(EventLoop& loop, std::shared_ptr<Cluster> cluster, std::string path,
           std::vector<std::pair<std::string, std::string>> metadata, Events events);
  ~GrpcCall() override;

  void Start();
  // Queued until the stream is open. `last`: nothing more follows.
  void Send(const std::string& message, bool last);
  // Ends the call from our side; `on_end` follows from the loop.
  void Abort(std::string why) { End(std::move(why)); }

 private:
  void OnStreamReady(ClientCodec& codec, const Connection& connection, bool reused) override;
  void OnStreamFailed(PoolFailure failure, absl::string_view why) override;
  void OnHead(ResponseHead head, bool last) override;
  void OnData(absl::string_view data, bool last) override;
  void OnTrailers(Headers trailers) override;
  void OnReset(ResetReason reason) override;
  void OnWriteHigh() override {}
  void OnWriteLow() override {}
  void EndWith(const Headers& headers);
  void End(std::string why);

  EventLoop& loop_;
  std::shared_ptr<Cluster> cluster_;
  Events events_;
  RequestHead head_;
  GrpcFrameReader reader_;
  Timer end_;  // Tells the end from the loop: whoever hears it destroys this.
  std::string why_;
  std::string queued_;
  Pool* pool_ = nullptr;
  RequestSender* sender_ = nullptr;
  bool last_queued_ = false;
  bool sent_last_ = false;
  bool ended_ = false;
};

}  // namespace proxy
