// Hears of files of a folder that were replaced or written.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/event/event_loop.h"

namespace proxy {

// Watches one folder by inotify: a rename into it (also of Kubernetes' `..data` link) or the end of
// a write. What follows within kSettle is told as one change. Loop thread only.
class FileWatch {
 public:
  static constexpr absl::Duration kSettle = absl::Milliseconds(20);
  // Null if the folder cannot be watched (it does not exist, or the kernel has no more watches).
  static std::unique_ptr<FileWatch> Make(EventLoop& loop, const std::string& folder,
                                         std::function<void()> on_change);
  ~FileWatch();

 private:
  FileWatch(EventLoop& loop, int fd, std::function<void()> on_change);
  const int fd_;
  Timer settle_;
  std::unique_ptr<FdWatch> watch_;
};

// "a/b" of "a/b/c"; "." of "c".
std::string FolderOf(const std::string& path);

}  // namespace proxy
