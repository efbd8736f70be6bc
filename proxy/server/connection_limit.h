// How many downstream connections all workers may have together.
#pragma once

#include <atomic>
#include <cstdint>

namespace proxy {

// Any thread. Costs nothing while there is no limit.
class ConnectionLimit {
 public:
  // Before the workers start. 0: none.
  void SetMost(int64_t most) { most_ = most; }
  // False if one more would be too many; else Release() gives it back.
  bool Take() {
    if (most_ == 0) return true;
    if (active_.fetch_add(1, std::memory_order_relaxed) < most_) return true;
    active_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  void Release() {
    if (most_ != 0) active_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  int64_t most_ = 0;
  std::atomic<int64_t> active_{0};
};

}  // namespace proxy
