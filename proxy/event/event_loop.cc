// Rounds of the loop: posted work, timers, readiness; after each callback flushes, then deaths.
#include "proxy/event/event_loop.h"

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace proxy {

EventLoop::EventLoop(std::unique_ptr<Poller> poller, pinnace::Clock& clock, uint64_t seed)
    : poller_(std::move(poller)),
      clock_(clock),
      random_(seed),
      timers_(absl::ToInt64Nanoseconds(clock.Steady())),
      scratch_(new char[kScratchBytes]) {
  poller_->SetHooks([this] { timers_.SetNow(ReadNs()); }, [this] { AfterCallback(); });
}

EventLoop::~EventLoop() { EndRound(); }

bool EventLoop::InLoop() const {
  const std::thread::id owner = thread_.load(std::memory_order_relaxed);
  return owner == std::thread::id() || owner == std::this_thread::get_id();
}

void EventLoop::AssertInLoop() const {
  PINNACE_CHECK(InLoop(), "called from a thread that is not the loop's");
}

void EventLoop::Run() {
  thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  while (!stopped_.load(std::memory_order_acquire)) RunOnce(absl::InfiniteDuration());
  RunPosted();
  thread_.store(std::thread::id(), std::memory_order_relaxed);
}

void EventLoop::RunOnce(absl::Duration wait_max) {
  RunPosted();
  timers_.Advance(ReadNs());
  EndRound();
  int64_t wait = timers_.NextWait(timers_.now_ns());
  if (has_posted_.load(std::memory_order_acquire) || !flushes_.empty()) wait = 0;
  if (wait_max != absl::InfiniteDuration()) {
    const int64_t bound = absl::ToInt64Nanoseconds(wait_max);
    wait = wait < 0 ? bound : std::min(wait, bound);
  }
  poller_->Wait(wait);
  EndRound();
}

void EventLoop::Stop() {
  stopped_.store(true, std::memory_order_release);
  poller_->Wake();
}

void EventLoop::Post(std::function<void()> work) {
  {
    const std::lock_guard<std::mutex> lock(posted_mutex_);
    posted_.push_back(std::move(work));
    has_posted_.store(true, std::memory_order_release);
  }
  poller_->Wake();
}

void EventLoop::RunPosted() {
  if (!has_posted_.load(std::memory_order_acquire)) return;
  std::vector<std::function<void()>> work;
  {
    const std::lock_guard<std::mutex> lock(posted_mutex_);
    work.swap(posted_);
    has_posted_.store(false, std::memory_order_release);
  }
  for (auto& one : work) {
    one();
    one = nullptr;
    AfterCallback();
  }
}

void EventLoop::FlushSoon(Flushable& item) {
  if (item.queued_) return;
  item.queued_ = true;
  flushes_.push_back(&item);
}

void EventLoop::FlushAtRoundEnd(Flushable& item) {
  if (item.queued_) return;
  item.queued_ = true;
  late_flushes_.push_back(&item);
}

void EventLoop::CancelFlush(Flushable& item) {
  if (!item.queued_) return;
  item.queued_ = false;
  std::replace(flushes_.begin(), flushes_.end(), &item, static_cast<Flushable*>(nullptr));
  std::replace(late_flushes_.begin(), late_flushes_.end(), &item, static_cast<Flushable*>(nullptr));
}

void EventLoop::EndRound() {
  do {  // A flush may queue another for the end.
    flushes_.insert(flushes_.end(), late_flushes_.begin(), late_flushes_.end());
    late_flushes_.clear();
    AfterCallback();
  } while (!late_flushes_.empty());
}

void EventLoop::DeleteLater(std::unique_ptr<Deferred> item) { dying_.push_back(std::move(item)); }

void EventLoop::AfterCallback() {
  while (!flushes_.empty() || !dying_.empty()) {
    for (size_t i = 0; i < flushes_.size(); ++i) {  // Flush() may queue more.
      if (Flushable* item = flushes_[i]) {
        item->queued_ = false;
        item->Flush();
      }
    }
    flushes_.clear();
    std::vector<std::unique_ptr<Deferred>> dead;
    dead.swap(dying_);
  }
}

std::string EventLoop::TakeBuffer() {
  std::string buffer;
  if (buffers_.empty()) {
    buffer.reserve(kBufferBytes);
  } else {
    buffer = std::move(buffers_.back());
    buffers_.pop_back();
  }
  return buffer;
}

void EventLoop::GiveBuffer(std::string&& buffer) {
  std::string left = std::move(buffer);
  if (left.capacity() < kBufferBytes || left.capacity() > kBufferBytesKept) return;
  if (buffers_.size() == kBuffersKept) return;
  left.clear();
  buffers_.push_back(std::move(left));
}

std::unique_ptr<FdWatch> EventLoop::Watch(int fd, std::function<void(Ready)> callback) {
  AssertInLoop();
  return poller_->Watch(fd, std::move(callback));
}

}  // namespace proxy
