// The system's clocks behind the Clock interface.
#include "common/clock.h"

#include <ctime>

#include <absl/time/clock.h>

namespace pinnace {
namespace {

class RealClock final : public Clock {
 public:
  absl::Time Wall() override { return absl::Now(); }
  absl::Duration Steady() override {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return absl::DurationFromTimespec(now);
  }
};

}  // namespace

Clock& SystemClock() {
  static RealClock clock;
  return clock;
}

}  // namespace pinnace
