// Who gets which connection, and when a new one is opened.
#include "proxy/upstream/pool.h"

#include <algorithm>
#include <utility>

#include "proxy/upstream/pooled_connection.h"

namespace proxy {
namespace {

// A connection that can serve but one client is not kept long for him.
constexpr absl::Duration kIdleOfOneClient = absl::Seconds(5);
// Peers that keep idle connections for less are not worth learning from.
constexpr absl::Duration kIdleWorthLearning = absl::Seconds(1);

}  // namespace

Host::Host(EndpointConfig endpoint) : config(std::move(endpoint)) {}
Host::~Host() = default;

Pool::Pool(PoolContext& context, Host& host, bool http2, TlsClientOptions options, StreamEnds ends)
    : context_(context),
      host_(host),
      http2_(http2),
      options_(std::move(options)),
      ends_(std::move(ends)) {}

Pool::~Pool() { FailWaiters(PoolFailure::kConnectFailed, "pool closed"); }

PooledConnection* Pool::FindOpen() {
  if (!http2_) {
    while (!idle_.empty()) {
      PooledConnection* warmest = idle_.back();
      idle_.pop_back();
      if (warmest->CanOpen()) return warmest;
    }
    return nullptr;
  }
  for (const auto& connection : connections_) {
    if (connection->CanOpen()) return connection.get();
  }
  return nullptr;
}

void Pool::Ask(StreamWaiter& waiter) {
  if (PooledConnection* open = waiters_.empty() ? FindOpen() : nullptr) {
    open->Lend(waiter);
    return;
  }
  if (!context_.breaker.Take(Resource::kPending, context_.config->limits)) {
    context_.stats[kUpstreamRqPendingOverflow].Add();
    waiter.OnStreamFailed(PoolFailure::kOverflow, "");
    return;
  }
  context_.stats[kUpstreamRqPendingTotal].Add();
  context_.stats[kUpstreamRqPendingActive].Add();
  waiter.waiting_in_ = this;
  waiters_.push_back(&waiter);
  if (waiters_.size() > OnTheirWay()) Connect();
}

// One connection serves one HTTP/1.1 stream, but many of HTTP/2: also one that is open and has yet
// to hear how many.
size_t Pool::OnTheirWay() const {
  if (!http2_) return connecting_;
  const size_t each = std::min(context_.config->codec.concurrent_streams_max, peer_streams_max_);
  const auto young =
      std::count_if(connections_.begin(), connections_.end(),
                    [](const auto& connection) { return connection->awaits_settings(); });
  return (connecting_ + static_cast<size_t>(young)) * each;
}

void Pool::Cancel(StreamWaiter& waiter) {
  if (waiter.waiting_in_ != this) return;
  waiter.waiting_in_ = nullptr;
  waiters_.remove(&waiter);
  context_.stats[kUpstreamRqPendingActive].Sub();
  context_.breaker.Release(Resource::kPending);
}

bool Pool::Connect() {
  if (!context_.breaker.Take(Resource::kConnections, context_.config->limits)) {
    context_.stats[kUpstreamCxOverflow].Add();
    // With a connection of our own the waiter gets its turn; without one it would wait for ever.
    if (connections_.empty()) FailWaiters(PoolFailure::kOverflow, "");
    return false;
  }
  absl::string_view why;
  std::unique_ptr<Transport> transport =
      NewUpstreamTransport(*context_.config, host_.config, options_, context_.stats, why, ends_);
  auto io = transport == nullptr
                ? absl::StatusOr<std::unique_ptr<IoHandle>>(absl::UnavailableError(why))
                : context_.network.Connect(context_.loop, host_.config.address);
  if (!io.ok()) {
    context_.breaker.Release(Resource::kConnections);
    context_.stats[kUpstreamCxConnectFail].Add();
    FailWaiters(PoolFailure::kConnectFailed, io.status().message());
    return false;
  }
  ++connecting_;
  context_.stats[kUpstreamCxTotal].Add();
  context_.stats[kUpstreamCxActive].Add();
  connections_.push_back(
      std::make_unique<PooledConnection>(*this, *std::move(io), std::move(transport)));
  connections_.back()->Start(context_.config->connect_timeout);
  return true;
}

void Pool::OnConnected(PooledConnection& connection) {
  --connecting_;
  if (draining_) return connection.Leave();
  OnStreamDone(connection);
  // One connection was to serve all who wait; now each needs its own.
  if (http2_ && connection.one_by_one() && waiters_.size() > connecting_) Connect();
}

void Pool::OnStreamDone(PooledConnection& connection) {
  if (!http2_ && connection.CanOpen() &&
      std::find(idle_.begin(), idle_.end(), &connection) == idle_.end()) {
    idle_.push_back(&connection);
  }
  Serve();
  if (!connection.ready() || !connection.idle()) return;
  const absl::Duration idle = std::min(context_.config->idle_timeout, learned_idle_);
  connection.WaitIdle(ends_.source.empty() ? idle : std::min(idle, kIdleOfOneClient));
}

void Pool::Serve() {
  while (!waiters_.empty()) {
    PooledConnection* open = FindOpen();
    if (open == nullptr) break;
    StreamWaiter& waiter = *waiters_.front();
    Cancel(waiter);
    open->Lend(waiter);
  }
  // Streams have run out: the peer allows fewer than were waiting for its first connection.
  if (http2_ && waiters_.size() > OnTheirWay() && !draining_) Connect();
}

void Pool::FailWaiters(PoolFailure failure, absl::string_view why) {
  std::list<StreamWaiter*> failed;
  failed.swap(waiters_);
  for (StreamWaiter* waiter : failed) waiter->waiting_in_ = nullptr;
  for (StreamWaiter* waiter : failed) {
    context_.stats[kUpstreamRqPendingActive].Sub();
    context_.breaker.Release(Resource::kPending);
    context_
        .stats[failure == PoolFailure::kOverflow ? kUpstreamRqPendingOverflow
                                                 : kUpstreamRqPendingFailureEject]
        .Add();
    waiter->OnStreamFailed(failure, why);
  }
}

// Once is chance (a restart closes all that are open); twice after the same wait is a habit.
void Pool::NoteIdleClose(absl::Duration waited) {
  if (waited < kIdleWorthLearning) return;
  const absl::Duration difference = absl::AbsDuration(waited - last_idle_close_);
  if (difference < waited / 10) learned_idle_ = std::min(learned_idle_, waited - waited / 5);
  last_idle_close_ = waited;
}

void Pool::OnGone(PooledConnection& connection, CloseReason reason, absl::string_view why) {
  std::erase(idle_, &connection);
  if (reason == CloseReason::kReset) NoteIdleClose(connection.waited());
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [&](const auto& one) { return one.get() == &connection; });
  if (found == connections_.end()) return;
  const bool never_ready = reason == CloseReason::kConnectFailed ||
                           reason == CloseReason::kConnectTimeout || !connection.was_ready();
  context_.loop.DeleteLater(std::move(*found));
  connections_.erase(found);
  context_.stats[kUpstreamCxActive].Sub();
  context_.breaker.Release(Resource::kConnections);
  if (never_ready) {
    --connecting_;
    const bool late = reason == CloseReason::kConnectTimeout;
    context_.stats[kUpstreamCxConnectFail].Add();
    if (late) context_.stats[kUpstreamCxConnectTimeout].Add();
    FailWaiters(late ? PoolFailure::kConnectTimeout : PoolFailure::kConnectFailed, why);
  } else if (waiters_.size() > connecting_ && !draining_) {
    Connect();
  }
}

void Pool::Drain() {
  draining_ = true;
  for (size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size() && connections_[i]->ready()) connections_[i]->Leave();
  }
}

}  // namespace proxy
