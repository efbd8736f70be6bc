// A network, its poller and its clock in one process: one seed decides every delay, cut and fault.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "common/clock.h"
#include "common/random.h"
#include "proxy/event/poller.h"
#include "proxy/net/io.h"

namespace proxy {

// How unkind the network is.
struct SimFaults {
  absl::Duration latency_max = absl::Milliseconds(20);  // Of each piece, each drawn anew.
  size_t window_bytes = 16 * 1024;                      // Unread bytes that a direction holds.
  uint32_t reset_per_mille = 0;                         // Of pieces that break their link instead.
  uint32_t refuse_per_mille = 0;                        // Of connects.
};

// Time and the order of everything in it. Nothing happens but what was scheduled here, so that a
// seed replays exactly; trace() is a hash of all of it. One thread.
class SimWorld {
 public:
  explicit SimWorld(uint64_t seed) : random_(seed) {}
  // Runs `what` after `delay` of simulated time; what is due at one moment runs in order.
  void Schedule(absl::Duration delay, std::function<void()> what);
  // Moves the clock to the next event, at most by `wait_ns` (-1: no bound), and runs it between
  // the two. False if nothing was due by then.
  bool RunNext(int64_t wait_ns, const std::function<void()>& before,
               const std::function<void()>& after);
  void Note(uint64_t fact) { trace_ = (trace_ ^ fact) * 0x100000001b3; }  // FNV-1a, by words.
  uint64_t trace() const { return trace_; }
  pinnace::FakeClock& clock() { return clock_; }
  pinnace::Random& random() { return random_; }
  bool Chance(uint32_t per_mille) { return random_.Below(1000) < per_mille; }

 private:
  int64_t NowNs() { return absl::ToInt64Nanoseconds(clock_.Steady()); }
  pinnace::FakeClock clock_;
  pinnace::SeededRandom random_;
  std::map<std::pair<int64_t, uint64_t>, std::function<void()>> due_;  // By time, then by order.
  uint64_t scheduled_ = 0;
  uint64_t trace_ = 0xcbf29ce484222325;
};

// The poller of a loop that lives in `world`.
std::unique_ptr<Poller> NewSimPoller(SimWorld& world);

// Streams between addresses of one world: pieces arrive late and cut anywhere, in order; windows
// fill; links break. Loops that use it must poll the same world.
class SimNetwork final : public Network {
 public:
  SimNetwork(SimWorld& world, SimFaults faults) : world_(world), faults_(faults) {}
  absl::StatusOr<std::unique_ptr<IoHandle>> Connect(EventLoop& loop, const Address& to) override;
  absl::StatusOr<std::unique_ptr<Acceptor>> Listen(
      EventLoop& loop, const Address& at, const ListenOptions& options,
      std::function<void(std::unique_ptr<IoHandle>)> on_accept) override;
  // Ends of links that have not been destroyed.
  size_t open_ends() const { return *open_ends_; }

 private:
  class Listening;
  SimWorld& world_;
  const SimFaults faults_;
  std::map<Address, Listening*> listening_;
  std::shared_ptr<size_t> open_ends_ = std::make_shared<size_t>(0);
  uint16_t next_port_ = 40000;
};

}  // namespace proxy
