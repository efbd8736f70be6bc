// The timer wheel: insertion by distance, cascades, and the search for the next busy slot.
#include "proxy/event/timer.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace proxy {
namespace {

constexpr int64_t kWaitTicksMax = int64_t{1} << 30;

}  // namespace

Timer::Timer(TimerWheel& wheel, std::function<void()> callback)
    : wheel_(wheel), callback_(std::move(callback)) {}

Timer::~Timer() { Cancel(); }

void Timer::Arm(absl::Duration after) {
  Cancel();
  const int64_t ns = std::max<int64_t>(0, absl::ToInt64Nanoseconds(after));
  const int64_t due_ns = std::min<int64_t>(ns, kWaitTicksMax * TimerWheel::kTickNs);
  due_ = static_cast<uint64_t>((wheel_.now_ns_ + due_ns + TimerWheel::kTickNs - 1) /
                               TimerWheel::kTickNs);
  due_ = std::max(due_, wheel_.tick_ + 1);
  wheel_.Insert(*this);
}

void Timer::Cancel() {
  if (armed()) wheel_.Remove(*this);
}

TimerWheel::TimerWheel(int64_t now_ns)
    : now_ns_(now_ns), tick_(static_cast<uint64_t>(now_ns / kTickNs)) {}

TimerWheel::~TimerWheel() {
  for (auto& level : slots_) {
    for (Timer*& head : level) {
      while (head != nullptr) Remove(*head);
    }
  }
}

void TimerWheel::Insert(Timer& timer) {
  const uint64_t differing = (timer.due_ ^ tick_) | 1;
  const int level = std::min((63 - std::countl_zero(differing)) / kSlotBits, kLevels - 1);
  const int slot = static_cast<int>((timer.due_ >> (level * kSlotBits)) & (kSlots - 1));
  timer.level_ = static_cast<uint8_t>(level);
  timer.slot_ = static_cast<uint8_t>(slot);
  Timer*& head = slots_[level][slot];
  if (head == nullptr) {
    head = timer.next_ = timer.previous_ = &timer;
    used_[level] |= uint64_t{1} << slot;
    return;
  }
  timer.next_ = head;
  timer.previous_ = head->previous_;
  head->previous_->next_ = &timer;
  head->previous_ = &timer;
}

void TimerWheel::Remove(Timer& timer) {
  Timer*& head = slots_[timer.level_][timer.slot_];
  if (timer.next_ == &timer) {
    head = nullptr;
    used_[timer.level_] &= ~(uint64_t{1} << timer.slot_);
  } else {
    timer.next_->previous_ = timer.previous_;
    timer.previous_->next_ = timer.next_;
    if (head == &timer) head = timer.next_;
  }
  timer.next_ = timer.previous_ = nullptr;
}

void TimerWheel::FireSlot(int slot) {
  // A callback may arm timers anew; those land at least one tick later, hence in other slots or
  // in this one with a later due time.
  while (Timer* timer = slots_[0][slot]) {
    Remove(*timer);
    timer->callback_();
  }
}

void TimerWheel::Cascade(int level) {
  const int slot = static_cast<int>((tick_ >> (level * kSlotBits)) & (kSlots - 1));
  Timer* pending = nullptr;  // Taken out first: a far timer may return to this very slot.
  while (Timer* timer = slots_[level][slot]) {
    Remove(*timer);
    timer->next_ = pending;
    pending = timer;
  }
  while (pending != nullptr) {
    Timer* timer = pending;
    pending = timer->next_;
    timer->next_ = nullptr;
    Insert(*timer);
  }
}

uint64_t TimerWheel::NextTick() const {
  uint64_t next = UINT64_MAX;
  for (int level = 0; level < kLevels; ++level) {
    if (used_[level] == 0) continue;
    const int shift = level * kSlotBits;
    const int current = static_cast<int>((tick_ >> shift) & (kSlots - 1));
    const uint64_t turned = std::rotr(used_[level], (current + 1) % kSlots);
    const uint64_t ahead = static_cast<uint64_t>(std::countr_zero(turned)) + 1;
    const uint64_t candidate = ((tick_ >> shift) + ahead) << shift;
    next = std::min(next, candidate);
  }
  return next;
}

int64_t TimerWheel::NextWait(int64_t now_ns) const {
  const uint64_t next = NextTick();
  if (next == UINT64_MAX) return -1;
  return std::max<int64_t>(0, static_cast<int64_t>(next) * kTickNs - now_ns);
}

void TimerWheel::Advance(int64_t now_ns) {
  now_ns_ = std::max(now_ns_, now_ns);
  const uint64_t target = static_cast<uint64_t>(now_ns_ / kTickNs);
  while (tick_ < target) {
    const uint64_t next = NextTick();
    if (next > target) {
      // Nothing due on the way. Slots keep their meaning because no busy slot is passed.
      tick_ = target;
      return;
    }
    tick_ = next;
    for (int level = kLevels - 1; level > 0; --level) {
      const uint64_t below = (uint64_t{1} << (level * kSlotBits)) - 1;
      if ((tick_ & below) == 0) Cascade(level);
    }
    FireSlot(static_cast<int>(tick_ & (kSlots - 1)));
  }
}

}  // namespace proxy
