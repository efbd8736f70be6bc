// A worker's listeners and connections.
#include "proxy/server/worker.h"

#include <utility>

#include <absl/strings/str_cat.h>

#include "common/log.h"

namespace proxy {

Worker::Worker(size_t index, Network& network, pinnace::Clock& clock, StatsRegistry& stats,
               LoopSource source)
    : loop_(std::move(source.poller), clock, source.seed),
      network_(network),
      index_(index),
      clusters_(loop_, network, index),
      side_calls_(loop_, clusters_),
      context_{loop_,
               network,
               index,
               clusters_,
               side_calls_,
               std::make_shared<Tables>(),
               stats.Get(kServerScope, "")->Shard(index),
               stats.Get(kHttp2Scope, "")->Shard(index)} {}

Worker::~Worker() { Stop(); }

void Worker::Start() {
  thread_ = std::thread([this] { loop_.Run(); });
}

void Worker::Stop() {
  if (!thread_.joinable()) return;
  loop_.Stop();
  thread_.join();
}

void Worker::Adopt(SnapshotPtr snapshot) {
  loop_.AssertInLoop();
  const SnapshotPtr old = std::exchange(snapshot_, std::move(snapshot));
  context_.tables = snapshot_->tables;
  clusters_.Adopt(snapshot_->tables->clusters);
  std::map<std::string, std::unique_ptr<Listener>> before = std::move(listeners_);
  listeners_.clear();
  unbound_.clear();
  for (const auto& config : snapshot_->listeners) {
    if (!config->bind) {
      unbound_[config->address] = config;
      continue;
    }
    const auto known = before.find(config->name);
    if (known != before.end() && known->second->config().address == config->address) {
      known->second->Update(config);
      listeners_[config->name] = std::move(known->second);
      continue;
    }
    auto listener = std::make_unique<Listener>(loop_, network_, index_, *this, config);
    if (absl::Status opened = listener->Open(); !opened.ok()) {
      pinnace::LogError("listener", absl::StrCat(config->name, ": ", opened.message()));
      continue;
    }
    listeners_[config->name] = std::move(listener);
  }
  if (old->listeners != snapshot_->listeners) RenewConnections();
}

void Worker::RenewConnections() {
  absl::flat_hash_map<uint64_t, const FilterChain*> chains;
  for (const auto& config : snapshot_->listeners) {
    for (const FilterChain& chain : config->chains) chains[chain.identity] = &chain;
    if (config->default_chain) chains[config->default_chain->identity] = &*config->default_chain;
  }
  std::vector<HttpConnection*> leaving;
  for (const auto& [key, open] : http_) {
    const auto found = chains.find(open.second);
    if (found != chains.end() && found->second->http != nullptr) {
      open.first->Renew(found->second->http);
    } else {
      leaving.push_back(open.first);
    }
  }
  for (HttpConnection* connection : leaving) connection->Drain();
}

std::vector<std::pair<std::string, Address>> Worker::Bound() const {
  std::vector<std::pair<std::string, Address>> bound;
  for (const auto& [name, listener] : listeners_) bound.emplace_back(name, listener->local());
  return bound;
}

std::shared_ptr<const ListenerConfig> Worker::FindUnbound(const Address& destination) {
  const auto exact = unbound_.find(destination);
  if (exact != unbound_.end()) return exact->second;
  const char* any = destination.family() == AF_INET6 ? "::" : "0.0.0.0";
  const auto wide = unbound_.find(*Address::FromIp(any, destination.port()));
  return wide == unbound_.end() ? nullptr : wide->second;
}

void Worker::OnConnection(const FilterChain& chain, Accepted accepted) {
  if (limit_ != nullptr && !limit_->Take()) {  // Closed by its destruction.
    context_.server_stats[kServerGlobalCxOverflow].Add();
    return;
  }
  if (chain.http != nullptr) {
    auto connection = std::make_unique<HttpConnection>(
        context_, chain.http, std::move(accepted.io), std::move(accepted.transport),
        std::move(accepted.original_destination), *this);
    HttpConnection& started = *connection;
    downstreams_.emplace(&started, std::move(connection));
    http_.emplace(&started, std::pair(&started, chain.identity));
    started.Start(accepted.handshake_timeout);
    return;
  }
  auto exchange = std::make_unique<TcpExchange>(context_, chain.tcp, std::move(accepted.io),
                                                std::move(accepted.transport),
                                                std::move(accepted.original_destination), *this);
  // What this class made is what comes back (ConnectEarly).
  std::unique_ptr<EarlyUpstream> early(static_cast<EarlyUpstream*>(accepted.early.release()));
  TcpExchange& started = *exchange;
  downstreams_.emplace(&started, std::move(exchange));
  started.Start(accepted.handshake_timeout, std::move(early));
}

std::unique_ptr<EarlyServer> Worker::ConnectEarly(const FilterChain& chain, const IoHandle& io,
                                                  const Address& original,
                                                  std::function<void()> on_speech) {
  const StreamEnds ends{io.Peer(), original.empty() ? io.Local() : original};
  auto early =
      std::make_unique<EarlyUpstream>(context_, *chain.tcp, ends, original, std::move(on_speech));
  if (!early->usable()) return nullptr;
  return early;
}

void Worker::OnDownstreamDone(Deferred& downstream) {
  http_.erase(&downstream);
  const auto found = downstreams_.find(&downstream);
  if (found == downstreams_.end()) return;
  if (limit_ != nullptr) limit_->Release();
  loop_.DeleteLater(std::move(found->second));
  downstreams_.erase(found);
}

void Worker::Drain() {
  context_.draining = true;
  for (auto& [name, listener] : listeners_) listener->Stop();
  std::vector<HttpConnection*> open;
  for (const auto& [key, one] : http_) open.push_back(one.first);
  for (HttpConnection* connection : open) connection->Drain();
}

}  // namespace proxy
