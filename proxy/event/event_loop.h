// The event loop: one a thread; everything that lives on it is touched by that thread alone.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <absl/time/time.h>

#include "common/clock.h"
#include "common/random.h"
#include "proxy/event/poller.h"
#include "proxy/event/timer.h"

namespace proxy {

// Something that batches work until the current callback has returned (a connection's writes).
class Flushable {
 public:
  virtual ~Flushable() = default;
  virtual void Flush() = 0;

 private:
  friend class EventLoop;
  bool queued_ = false;
};

// Something that must outlive the callback that ends it.
class Deferred {
 public:
  virtual ~Deferred() = default;
};

// Runs callbacks of descriptors, timers and posted work on one thread. Everything but Post() and
// Stop() belongs to that thread; before Run(), to the thread that made the loop.
class EventLoop {
 public:
  // Borrows `clock`; owns `poller`. `seed` starts random().
  EventLoop(std::unique_ptr<Poller> poller, pinnace::Clock& clock, uint64_t seed);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs until Stop(); on return all posted work has run or been dropped.
  void Run();
  // One round: what is ready now, at most `wait_max` of sleep. For simulations and tests.
  void RunOnce(absl::Duration wait_max);
  // Any thread.
  void Stop();

  // Queues `work` to run on the loop's thread, in order. Any thread; the only cross-thread door.
  void Post(std::function<void()> work);
  // Runs `item.Flush()` once after the current callback. `item` must cancel before it dies.
  void FlushSoon(Flushable& item);
  // Runs it once when all that is ready in this round has been heard: for an item that gathers the
  // output of several callbacks.
  void FlushAtRoundEnd(Flushable& item);
  void CancelFlush(Flushable& item);
  // Destroys `item` after the current callback and the flushes that follow it.
  void DeleteLater(std::unique_ptr<Deferred> item);

  // Watches `fd` edge-triggered for reading, writing and peer's close, until the result dies.
  std::unique_ptr<FdWatch> Watch(int fd, std::function<void(Ready)> callback);

  TimerWheel& timers() { return timers_; }
  // Steady nanoseconds as of the start of this round: no system call.
  int64_t NowNs() const { return timers_.now_ns(); }
  // The wall clock as of this round: read at most once in it.
  absl::Time WallNow() {
    if (wall_read_ns_ != NowNs()) {
      wall_read_ns_ = NowNs();
      wall_ = clock_.Wall();
    }
    return wall_;
  }
  // Steady nanoseconds, read now.
  int64_t ReadNs() { return absl::ToInt64Nanoseconds(clock_.Steady()); }
  pinnace::Clock& clock() { return clock_; }
  pinnace::Random& random() { return random_; }
  bool InLoop() const;
  // Dies if called from another thread while the loop runs.
  void AssertInLoop() const;

  // A buffer of kScratchBytes for one read or one write, free again when the callback returns.
  char* scratch() { return scratch_.get(); }
  static constexpr size_t kScratchBytes = 64 * 1024;

  // An empty string with room, for output that leaves soon; give it back when it has left.
  std::string TakeBuffer();
  void GiveBuffer(std::string&& buffer);

 private:
  static constexpr size_t kBufferBytes = 4 * 1024;
  static constexpr size_t kBufferBytesKept = 16 * 1024;  // A larger one is freed.
  static constexpr size_t kBuffersKept = 16;
  void RunPosted();
  void AfterCallback();
  void EndRound();

  std::unique_ptr<Poller> poller_;
  pinnace::Clock& clock_;
  pinnace::SeededRandom random_;
  TimerWheel timers_;
  std::unique_ptr<char[]> scratch_;
  absl::Time wall_;
  int64_t wall_read_ns_ = -1;
  std::vector<std::string> buffers_;
  std::vector<Flushable*> flushes_;
  std::vector<Flushable*> late_flushes_;
  std::vector<std::unique_ptr<Deferred>> dying_;
  std::atomic<bool> stopped_{false};
  std::atomic<std::thread::id> thread_{};
  std::mutex posted_mutex_;  // Guards posted_ alone, for the length of a push or a swap.
  std::vector<std::function<void()>> posted_;
  std::atomic<bool> has_posted_{false};
};

}  // namespace proxy
