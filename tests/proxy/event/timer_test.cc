#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <vector>

#include "common/random.h"
#include "proxy/event/timer.h"

namespace proxy {

constexpr int64_t kMs = 1'000'000;

TEST_CASE("timer: fires once, not before its time") {
  TimerWheel wheel(0);
  int fired = 0;
  Timer timer(wheel, [&] { ++fired; });
  timer.Arm(absl::Milliseconds(10));
  wheel.Advance(9 * kMs);
  CHECK(fired == 0);
  wheel.Advance(10 * kMs);
  CHECK(fired == 1);
  CHECK_FALSE(timer.armed());
  wheel.Advance(1000 * kMs);
  CHECK(fired == 1);
}

TEST_CASE("timer: cancelled or destroyed, it does not fire") {
  TimerWheel wheel(0);
  int fired = 0;
  Timer cancelled(wheel, [&] { ++fired; });
  cancelled.Arm(absl::Milliseconds(5));
  cancelled.Cancel();
  {
    Timer destroyed(wheel, [&] { ++fired; });
    destroyed.Arm(absl::Milliseconds(5));
  }
  wheel.Advance(100 * kMs);
  CHECK(fired == 0);
  CHECK(wheel.NextWait(100 * kMs) == -1);
}

TEST_CASE("timer: a callback may arm its own timer again") {
  TimerWheel wheel(0);
  int fired = 0;
  Timer timer(wheel, [&] {
    if (++fired < 3) timer.Arm(absl::ZeroDuration());
  });
  timer.Arm(absl::ZeroDuration());
  for (int64_t ms = 1; ms <= 5; ++ms) wheel.Advance(ms * kMs);
  CHECK(fired == 3);
}

TEST_CASE("timer: thousands of random waits fire in order and within a tick, at any step") {
  pinnace::SeededRandom random(7);
  TimerWheel wheel(12345 * kMs);
  const int64_t start = 12345 * kMs;
  int64_t now = start;
  struct Waiting {
    int64_t due = 0;
    int64_t fired = -1;
    std::unique_ptr<Timer> timer;
  };
  std::vector<Waiting> all(3000);
  for (Waiting& one : all) {
    const auto wait = static_cast<int64_t>(random.Below(random.Below(4) == 0 ? 400'000'000 : 5000));
    one.due = start + wait * kMs;
    one.timer = std::make_unique<Timer>(wheel, [&one, &now] { one.fired = now; });
    one.timer->Arm(absl::Milliseconds(wait));
  }
  while (wheel.NextWait(now) >= 0) {
    now += std::max<int64_t>(kMs, wheel.NextWait(now));
    wheel.Advance(now);
  }
  for (const Waiting& one : all) {
    REQUIRE(one.fired >= one.due);
    REQUIRE(one.fired <= one.due + kMs);
  }
}

}  // namespace proxy
