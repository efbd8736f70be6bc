// Merges bursts of changes into one push.
#pragma once

#include <algorithm>
#include <optional>

#include <absl/time/time.h>

namespace control {

// How long a push waits for further changes after the first, and how long it puts off the first one
// at most while they keep coming.
inline constexpr absl::Duration kDebounceQuiet = absl::Milliseconds(20);
inline constexpr absl::Duration kDebounceMax = absl::Milliseconds(500);

// When to push, given when changes came. All times are steady. Not thread-safe.
class Debounce {
 public:
  // A change came at `now`.
  void Event(absl::Duration now) {
    if (!first_.has_value()) first_ = now;
    last_ = now;
  }
  // When the push is due; unset: nothing waits.
  std::optional<absl::Duration> Due() const {
    if (!first_.has_value()) return std::nullopt;
    return std::min(last_ + kDebounceQuiet, *first_ + kDebounceMax);
  }
  // True if a push is due at `now`; then the burst is over.
  bool Take(absl::Duration now) {
    const std::optional<absl::Duration> due = Due();
    if (!due.has_value() || now < *due) return false;
    first_.reset();
    return true;
  }

 private:
  std::optional<absl::Duration> first_;
  absl::Duration last_;
};

}  // namespace control
