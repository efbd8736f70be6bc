// Time, injected: nobody calls the system's clock directly.
#pragma once

#include <absl/time/time.h>

namespace pinnace {

// Tells two times. Safe to call from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  // Calendar time: for logs and certificates; may jump.
  virtual absl::Time Wall() = 0;
  // Time since an arbitrary start that never goes back: for timers and latencies.
  virtual absl::Duration Steady() = 0;
};

// The system's clocks. Lives until the process ends.
Clock& SystemClock();

// A clock that stands still until told: for tests and simulations. One thread at a time.
class FakeClock final : public Clock {
 public:
  absl::Time Wall() override { return wall_; }
  absl::Duration Steady() override { return steady_; }
  void Advance(absl::Duration by) {
    wall_ += by;
    steady_ += by;
  }

 private:
  absl::Time wall_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Duration steady_ = absl::Seconds(1);
};

}  // namespace pinnace
