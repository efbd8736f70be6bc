// inotify on an event loop.
#include "proxy/event/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <utility>

namespace proxy {

std::unique_ptr<FileWatch> FileWatch::Make(EventLoop& loop, const std::string& folder,
                                           std::function<void()> on_change) {
  const int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return nullptr;
  if (inotify_add_watch(fd, folder.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE) < 0) {
    close(fd);
    return nullptr;
  }
  return std::unique_ptr<FileWatch>(new FileWatch(loop, fd, std::move(on_change)));
}

FileWatch::FileWatch(EventLoop& loop, int fd, std::function<void()> on_change)
    : fd_(fd), settle_(loop.timers(), std::move(on_change)), watch_(loop.Watch(fd, [this](Ready) {
        alignas(inotify_event) char events[4096];
        bool any = false;
        while (read(fd_, events, sizeof(events)) > 0) any = true;
        if (any && !settle_.armed()) settle_.Arm(kSettle);
      })) {}

FileWatch::~FileWatch() {
  watch_.reset();
  close(fd_);
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace proxy
