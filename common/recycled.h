// Memory of short-lived objects, kept by their thread for the next of their kind.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

namespace pinnace {

#ifdef __SANITIZE_ADDRESS__
inline constexpr bool kRecycle = false;  // So that a use after the end is seen.
#else
inline constexpr bool kRecycle = true;
#endif

// A stack of freed blocks of one size, at most `kMost` of them; the thread's end frees them.
// Blocks may be freed by another thread than the one that took them. O(1).
template <size_t kBytes, size_t kMost>
class RecycledBlocks {
 public:
  static void* Take() {
    RecycledBlocks& mine = Mine();
    if (mine.top_ == nullptr) return ::operator new(kBytes);
    --mine.count_;
    return std::exchange(mine.top_, mine.top_->below);
  }
  static void Give(void* block) {
    RecycledBlocks& mine = Mine();
    if (!kRecycle || mine.count_ == kMost) return ::operator delete(block);
    ++mine.count_;
    mine.top_ = new (block) Node{mine.top_};
  }

 private:
  struct Node {
    Node* below;
  };
  static_assert(kBytes >= sizeof(Node));

  RecycledBlocks() = default;
  ~RecycledBlocks() {
    while (top_ != nullptr) ::operator delete(std::exchange(top_, top_->below));
    count_ = kMost;  // What dies later on this thread is freed at once.
  }
  static RecycledBlocks& Mine() {
    static thread_local RecycledBlocks mine;
    return mine;
  }

  Node* top_ = nullptr;
  size_t count_ = 0;
};

// Base of a final class whose objects come and go with every request: `new T` takes a block that
// an earlier T has left. `kMost` bounds what a quiet thread keeps.
template <typename T, size_t kMost = 32>
class Recycled {
 public:
  static void* operator new(size_t) { return RecycledBlocks<sizeof(T), kMost>::Take(); }
  static void operator delete(void* block) { RecycledBlocks<sizeof(T), kMost>::Give(block); }
};

}  // namespace pinnace
