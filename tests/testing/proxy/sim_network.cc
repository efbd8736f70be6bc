// Events in order of time, and links between two ends.
#include "tests/testing/proxy/sim_network.h"

#include <errno.h>

#include <algorithm>
#include <array>

namespace proxy {

void SimWorld::Schedule(absl::Duration delay, std::function<void()> what) {
  due_.emplace(std::make_pair(NowNs() + absl::ToInt64Nanoseconds(delay), scheduled_++),
               std::move(what));
}

bool SimWorld::RunNext(int64_t wait_ns, const std::function<void()>& before,
                       const std::function<void()>& after) {
  const int64_t now = NowNs();
  const bool idle = due_.empty() || (wait_ns >= 0 && due_.begin()->first.first > now + wait_ns);
  const int64_t then = idle ? now + std::max<int64_t>(wait_ns, 0) : due_.begin()->first.first;
  clock_.Advance(absl::Nanoseconds(std::max<int64_t>(then - now, 0)));
  if (idle) return false;
  const auto first = due_.begin();
  Note(static_cast<uint64_t>(first->first.first));
  Note(first->first.second);
  const std::function<void()> what = std::move(first->second);
  due_.erase(first);
  before();
  what();
  after();
  return true;
}

namespace {

class SimPoller final : public Poller {
 public:
  explicit SimPoller(SimWorld& world) : world_(world) {}
  std::unique_ptr<FdWatch> Watch(int, std::function<void(Ready)>) override { return nullptr; }
  void Wait(int64_t wait_ns) override {
    world_.RunNext(std::exchange(woken_, false) ? 0 : wait_ns, before_, after_);
  }
  void Wake() override { woken_ = true; }
  void SetHooks(std::function<void()> before, std::function<void()> after) override {
    before_ = std::move(before);
    after_ = std::move(after);
  }

 private:
  SimWorld& world_;
  bool woken_ = false;
  std::function<void()> before_ = [] {};
  std::function<void()> after_ = [] {};
};

// Two ends and what is under way between them. Index 0 connected, 1 accepted.
struct Link {
  struct End {
    std::string unread;    // Has arrived.
    size_t under_way = 0;  // Bytes sent to this end that have not arrived.
    int64_t last_arrival_ns = 0;
    bool eof = false;
    bool starved = false;  // The other end waits for room here.
    bool open = true;
    std::shared_ptr<std::function<void(Ready)>> callback;
    Address address;
  };
  Link(SimWorld& w, const SimFaults& f) : world(w), faults(f) {}
  SimWorld& world;
  const SimFaults faults;
  std::array<End, 2> ends;
  bool connected = false;
  int error = 0;  // ECONNREFUSED or ECONNRESET, for both ends.

  void Tell(int index, Ready ready) {
    const auto callback = ends[index].callback;  // Outlives an end that it destroys.
    if (ends[index].open && callback != nullptr) (*callback)(ready);
  }
  void Break(int why) {
    if (error != 0) return;
    error = why;
    for (int i : {0, 1}) Tell(i, {.read = true, .write = true, .closed = true});
  }
};

// Runs `what` on the link when a piece sent now to `index` arrives; pieces never overtake.
void Arrive(const std::shared_ptr<Link>& link, int index, std::function<void(Link&)> what) {
  SimWorld& world = link->world;
  const int64_t now = absl::ToInt64Nanoseconds(world.clock().Steady());
  const auto latency = static_cast<uint64_t>(absl::ToInt64Nanoseconds(link->faults.latency_max));
  const int64_t at = std::max(now + static_cast<int64_t>(world.random().Below(latency + 1)),
                              link->ends[index].last_arrival_ns);
  link->ends[index].last_arrival_ns = at;
  world.Schedule(absl::Nanoseconds(at - now), [link, what = std::move(what)] { what(*link); });
}

class SimEnd final : public IoHandle {
 public:
  SimEnd(std::shared_ptr<Link> link, int index, std::shared_ptr<size_t> open_ends)
      : link_(std::move(link)), index_(index), open_ends_(std::move(open_ends)) {
    ++*open_ends_;
  }
  ~SimEnd() override {
    --*open_ends_;
    const bool unread = !mine().unread.empty();
    mine().open = false;
    mine().callback = nullptr;
    // As TCP has it: to close with bytes unread is to reset.
    if (reset_ || unread) {
      Arrive(link_, 1 - index_, [](Link& link) { link.Break(ECONNRESET); });
    } else {
      ShutdownWrite();
    }
  }

  void Arm(EventLoop&, std::function<void(Ready)> callback) override {
    mine().callback = std::make_shared<std::function<void(Ready)>>(std::move(callback));
    std::shared_ptr<Link> link = link_;
    link_->world.Schedule(absl::ZeroDuration(), [link, index = index_] {
      const Link::End& end = link->ends[index];
      if (link->connected)
        link->Tell(index, {.read = !end.unread.empty() || end.eof, .write = true});
    });
  }

  IoResult Read(char* into, size_t capacity) override {
    const IoResult result = Peek(into, capacity);
    if (result.status != IoResult::kOk) return result;
    mine().unread.erase(0, result.bytes);
    if (mine().starved) {
      mine().starved = false;
      Arrive(link_, 1 - index_, [other = 1 - index_](Link& link) {
        link.Tell(other, {.read = false, .write = true});
      });
    }
    return result;
  }

  IoResult Peek(char* into, size_t capacity) override {
    if (link_->error != 0) return {.status = IoResult::kFailed, .error = link_->error};
    const size_t bytes = std::min(capacity, mine().unread.size());
    if (bytes == 0) return {.status = mine().eof ? IoResult::kEof : IoResult::kAgain};
    std::copy_n(mine().unread.data(), bytes, into);
    return {.status = IoResult::kOk, .drained = bytes < capacity, .bytes = bytes};
  }

  IoResult Write(const iovec* parts, int count) override {
    if (link_->error != 0) return {.status = IoResult::kFailed, .error = link_->error};
    std::string data;
    for (int i = 0; i < count; ++i) {
      data.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
    }
    Link::End& other = link_->ends[1 - index_];
    const size_t held = other.unread.size() + other.under_way;
    const size_t room = link_->faults.window_bytes - std::min(link_->faults.window_bytes, held);
    if (!link_->connected || room == 0) {
      other.starved = true;
      return {.status = IoResult::kAgain};
    }
    if (data.size() > room) {
      data.resize(room);
      other.starved = true;
    }
    Send(data);
    return {.status = IoResult::kOk, .bytes = data.size()};
  }

  void ShutdownWrite() override {
    if (std::exchange(finished_, true)) return;
    Arrive(link_, 1 - index_, [to = 1 - index_](Link& link) {
      link.ends[to].eof = true;
      link.Tell(to, {.read = true, .write = false, .closed = true});
    });
  }
  void ResetOnClose() override { reset_ = true; }
  int ConnectError() override {
    return link_->error != 0 ? link_->error : link_->connected ? 0 : EINPROGRESS;
  }
  Address Local() const override { return link_->ends[index_].address; }
  Address Peer() const override { return link_->ends[1 - index_].address; }
  Address OriginalDestination() const override { return {}; }

 private:
  Link::End& mine() { return link_->ends[index_]; }

  // In one to four pieces, each with its own delay.
  void Send(const std::string& data) {
    pinnace::Random& random = link_->world.random();
    const int to = 1 - index_;
    for (size_t at = 0, pieces = 0; at < data.size(); ++pieces) {
      const size_t left = data.size() - at;
      const size_t size = pieces == 3 ? left : 1 + random.Below(left);
      const bool cut = link_->world.Chance(link_->faults.reset_per_mille);
      link_->ends[to].under_way += size;
      Arrive(link_, to, [to, cut, piece = data.substr(at, size)](Link& link) {
        link.ends[to].under_way -= piece.size();
        link.world.Note(piece.size());
        if (cut) return link.Break(ECONNRESET);
        link.ends[to].unread += piece;
        link.Tell(to, {.read = true});
      });
      at += size;
    }
  }

  const std::shared_ptr<Link> link_;
  const int index_;
  const std::shared_ptr<size_t> open_ends_;
  bool finished_ = false;
  bool reset_ = false;
};

}  // namespace

std::unique_ptr<Poller> NewSimPoller(SimWorld& world) { return std::make_unique<SimPoller>(world); }

class SimNetwork::Listening final : public Acceptor {
 public:
  Listening(SimNetwork& network, Address at,
            std::function<void(std::unique_ptr<IoHandle>)> on_accept)
      : network_(network), at_(std::move(at)), on_accept_(std::move(on_accept)) {
    network_.listening_[at_] = this;
  }
  ~Listening() override { network_.listening_.erase(at_); }
  Address Local() const override { return at_; }
  void Pause(bool) override {}
  void Accept(std::unique_ptr<IoHandle> io) { on_accept_(std::move(io)); }

 private:
  SimNetwork& network_;
  const Address at_;
  const std::function<void(std::unique_ptr<IoHandle>)> on_accept_;
};

absl::StatusOr<std::unique_ptr<IoHandle>> SimNetwork::Connect(EventLoop&, const Address& to) {
  auto link = std::make_shared<Link>(world_, faults_);
  link->ends[0].address = *Address::FromIp("10.0.0.1", next_port_++);
  link->ends[1].address = to;
  const bool refused = world_.Chance(faults_.refuse_per_mille);
  Arrive(link, 1, [this, refused, to, shared = link](Link& arrived) {
    const auto found = listening_.find(to);
    if (refused || found == listening_.end()) return arrived.Break(ECONNREFUSED);
    arrived.connected = true;
    found->second->Accept(std::make_unique<SimEnd>(shared, 1, open_ends_));
    arrived.Tell(0, {.read = false, .write = true});
  });
  return std::make_unique<SimEnd>(link, 0, open_ends_);
}

absl::StatusOr<std::unique_ptr<Acceptor>> SimNetwork::Listen(
    EventLoop&, const Address& at, const ListenOptions&,
    std::function<void(std::unique_ptr<IoHandle>)> on_accept) {
  if (listening_.contains(at)) return absl::UnavailableError("address in use");
  return std::make_unique<Listening>(*this, at, std::move(on_accept));
}

}  // namespace proxy
