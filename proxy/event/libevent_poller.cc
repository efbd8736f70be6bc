// Poller over libevent: one persistent edge-triggered event a descriptor, one timer, one eventfd.
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utility>

#include "common/log.h"
#include "proxy/event/poller.h"

namespace proxy {
namespace {

class LibeventPoller;

class LibeventWatch final : public FdWatch {
 public:
  LibeventWatch(LibeventPoller& poller, event_base* base, int fd,
                std::function<void(Ready)> callback);
  ~LibeventWatch() override { event_del(&event_); }

 private:
  static void OnEvent(evutil_socket_t fd, short what, void* self);
  LibeventPoller& poller_;
  std::function<void(Ready)> callback_;
  event event_{};
};

class LibeventPoller final : public Poller {
 public:
  LibeventPoller() {
    event_config* config = event_config_new();
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    base_ = event_base_new_with_config(config);
    event_config_free(config);
    PINNACE_CHECK(base_ != nullptr, "libevent has no edge-triggered backend here");
    wake_fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    PINNACE_CHECK(wake_fd_ >= 0, "eventfd");
    event_assign(
        &timer_, base_, -1, 0, [](evutil_socket_t, short, void*) {}, nullptr);
    event_assign(
        &wake_, base_, wake_fd_, EV_READ | EV_PERSIST | EV_ET,
        [](evutil_socket_t fd, short, void*) {
          uint64_t count = 0;
          [[maybe_unused]] const ssize_t got = read(fd, &count, sizeof(count));
        },
        nullptr);
    event_add(&wake_, nullptr);
  }
  ~LibeventPoller() override {
    event_del(&timer_);
    event_del(&wake_);
    event_base_free(base_);
    close(wake_fd_);
  }

  std::unique_ptr<FdWatch> Watch(int fd, std::function<void(Ready)> callback) override {
    return std::make_unique<LibeventWatch>(*this, base_, fd, std::move(callback));
  }

  void Wait(int64_t wait_ns) override {
    woken_ = false;
    if (wait_ns == 0) {
      event_base_loop(base_, EVLOOP_ONCE | EVLOOP_NONBLOCK);
      return;
    }
    if (wait_ns > 0) {
      const timeval wait{.tv_sec = static_cast<time_t>(wait_ns / 1'000'000'000),
                         .tv_usec = static_cast<suseconds_t>(wait_ns / 1000 % 1'000'000)};
      event_add(&timer_, &wait);
    } else {
      event_del(&timer_);
    }
    event_base_loop(base_, EVLOOP_ONCE);
  }

  void Wake() override {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(wake_fd_, &one, sizeof(one));
  }

  void SetHooks(std::function<void()> before, std::function<void()> after) override {
    before_ = std::move(before);
    after_ = std::move(after);
  }
  void Before() {
    if (woken_) return;
    woken_ = true;
    before_();
  }
  void After() { after_(); }

 private:
  event_base* base_ = nullptr;
  int wake_fd_ = -1;
  event timer_{};
  event wake_{};
  bool woken_ = false;
  std::function<void()> before_ = [] {};
  std::function<void()> after_ = [] {};
};

LibeventWatch::LibeventWatch(LibeventPoller& poller, event_base* base, int fd,
                             std::function<void(Ready)> callback)
    : poller_(poller), callback_(std::move(callback)) {
  event_assign(&event_, base, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_PERSIST | EV_ET, &OnEvent,
               this);
  event_add(&event_, nullptr);
}

void LibeventWatch::OnEvent(evutil_socket_t, short what, void* self) {
  auto& watch = *static_cast<LibeventWatch*>(self);
  LibeventPoller& poller = watch.poller_;  // The callback may destroy the watch.
  poller.Before();
  watch.callback_({.read = (what & EV_READ) != 0,
                   .write = (what & EV_WRITE) != 0,
                   .closed = (what & EV_CLOSED) != 0});
  poller.After();
}

}  // namespace

std::unique_ptr<Poller> NewLibeventPoller() { return std::make_unique<LibeventPoller>(); }

}  // namespace proxy
