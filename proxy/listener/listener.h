// Accepts connections on one worker, finds out what they are, and hands them on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "proxy/listener/config.h"
#include "proxy/listener/sniff.h"
#include "proxy/net/io.h"
#include "proxy/stats/names.h"

namespace proxy {

// A connection to the server that was opened while the client was silent. Ending it closes it.
class EarlyServer {
 public:
  virtual ~EarlyServer() = default;
};

// A connection ready for its filter chain.
struct Accepted {
  std::unique_ptr<IoHandle> io;
  std::unique_ptr<Transport> transport;
  Address original_destination;  // Empty if it was not redirected.
  absl::Duration handshake_timeout;
  std::unique_ptr<EarlyServer> early;  // Null, or to the server of this very chain.
};

// Who serves connections.
class ConnectionSink {
 public:
  virtual ~ConnectionSink() = default;
  virtual void OnConnection(const FilterChain& chain, Accepted accepted) = 0;
  // The listener that serves `destination` without being bound there; null if none.
  virtual std::shared_ptr<const ListenerConfig> FindUnbound(const Address& destination) = 0;
  // Connects to the server of `chain`, which takes opaque bytes, on behalf of a client that is
  // silent. `on_speech` is called if the server speaks first. Null if that cannot be done.
  virtual std::unique_ptr<EarlyServer> ConnectEarly(const FilterChain& chain, const IoHandle& io,
                                                    const Address& original,
                                                    std::function<void()> on_speech) {
    return nullptr;
  }
};

// One listener on one worker. Loop thread only.
class Listener {
 public:
  Listener(EventLoop& loop, Network& network, size_t worker, ConnectionSink& sink,
           std::shared_ptr<const ListenerConfig> config);
  ~Listener();

  // Unavailable if the address cannot be bound.
  absl::Status Open();
  // New connections get `config`; those being sniffed keep theirs.
  void Update(std::shared_ptr<const ListenerConfig> config) { config_ = std::move(config); }
  // Takes no more connections.
  void Stop() { acceptor_.reset(); }
  const ListenerConfig& config() const { return *config_; }
  Address local() const { return acceptor_ == nullptr ? config_->address : acceptor_->Local(); }

 private:
  class Sniffing;
  void OnAccept(std::unique_ptr<IoHandle> io);
  void Route(std::shared_ptr<const ListenerConfig> config, std::unique_ptr<IoHandle> io,
             Address original);
  void HandOver(const ListenerConfig& config, std::unique_ptr<IoHandle> io, Address original,
                const Sniffed& sniffed, std::unique_ptr<EarlyServer> early = nullptr);
  // Who spoke first at a destination is remembered for a while.
  enum class First : uint8_t { kUnknown, kClient, kServer };
  First FirstAt(const Address& destination) const;
  void Remember(const Address& destination, First first);
  void OnSniffed(Sniffing& sniffing, const Sniffed* sniffed);

  EventLoop& loop_;
  Network& network_;
  const size_t worker_;
  ConnectionSink& sink_;
  std::shared_ptr<const ListenerConfig> config_;
  std::unique_ptr<Acceptor> acceptor_;
  std::map<Sniffing*, std::unique_ptr<Sniffing>> sniffing_;
  struct Memory {
    First first;
    int64_t until_ns;
  };
  std::map<Address, Memory> first_speakers_;  // At most kFirstSpeakersMax.
};

}  // namespace proxy
