// Timers of one event loop: a hierarchical wheel, O(1) to arm and to cancel, no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include <absl/time/time.h>

namespace proxy {

class TimerWheel;

// Calls back once, on the loop's thread, no earlier than asked and at most one tick (1 ms) plus the
// loop's own delay later. Owned by whoever waits; destroying it cancels it. Loop thread only.
class Timer {
 public:
  Timer(TimerWheel& wheel, std::function<void()> callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Starts the wait anew. Negative waits count as zero; waits above 2^30 ms are cut to that.
  void Arm(absl::Duration after);
  void Cancel();
  bool armed() const { return next_ != nullptr; }

 private:
  friend class TimerWheel;
  TimerWheel& wheel_;
  std::function<void()> callback_;
  Timer* next_ = nullptr;  // Ring of one slot; null while not armed.
  Timer* previous_ = nullptr;
  uint64_t due_ = 0;  // In ticks.
  uint8_t level_ = 0;
  uint8_t slot_ = 0;
};

// Six levels of 64 slots: 1 ms ticks up to 2^36 ms.
// Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987, scheme 7.
class TimerWheel {
 public:
  explicit TimerWheel(int64_t now_ns);
  ~TimerWheel();

  // Fires all timers due at `now_ns` (steady nanoseconds), in order of their ticks.
  void Advance(int64_t now_ns);
  // Nanoseconds from `now_ns` until Advance() may have something to do; -1 if no timer is armed.
  // May be earlier than the next timer (a cascade), never later.
  int64_t NextWait(int64_t now_ns) const;
  int64_t now_ns() const { return now_ns_; }
  // Lets later Arm() calls count from `now_ns` without firing anything.
  void SetNow(int64_t now_ns) { now_ns_ = now_ns; }

 private:
  friend class Timer;
  static constexpr int kLevels = 6;
  static constexpr int kSlotBits = 6;
  static constexpr int kSlots = 1 << kSlotBits;
  static constexpr int64_t kTickNs = 1'000'000;

  void Insert(Timer& timer);
  void Remove(Timer& timer);
  void FireSlot(int slot);
  void Cascade(int level);
  uint64_t NextTick() const;

  int64_t now_ns_;
  uint64_t tick_;                         // The last tick that was fired.
  std::array<uint64_t, kLevels> used_{};  // One bit a slot that holds a timer.
  std::array<std::array<Timer*, kSlots>, kLevels> slots_{};
};

}  // namespace proxy
