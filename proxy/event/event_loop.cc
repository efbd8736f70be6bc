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

EventLoop::~EventLoop() { AfterCallback(); }

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
  AfterCallback();
  int64_t wait = timers_.NextWait(timers_.now_ns());
  if (has_posted_.load(std::memory_order_acquire) || !flushes_.empty()) wait = 0;
  if (wait_max != absl::InfiniteDuration()) {
    const int64_t bound = absl::ToInt64Nanoseconds(wait_max);
    wait = wait < 0 ? bound : std::min(wait, bound);
  }
  poller_->Wait(wait);
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

void EventLoop::CancelFlush(Flushable& item) {
  if (!item.queued_) return;
  item.queued_ = false;
  std::replace(flushes_.begin(), flushes_.end(), &item, static_cast<Flushable*>(nullptr));
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

std::unique_ptr<FdWatch> EventLoop::Watch(int fd, std::function<void(Ready)> callback) {
  AssertInLoop();
  return poller_->Watch(fd, std::move(callback));
}

}  // namespace proxy
