// A sink that appends to a file: one write(2) a record, O_APPEND, so that lines never mix.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <absl/strings/str_cat.h>

#include "proxy/accesslog/access_log.h"

namespace proxy {
namespace {

class FileSink final : public LogSink {
 public:
  FileSink(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~FileSink() override { close(fd_); }
  bool Write(absl::string_view record) override {
    return write(fd_, record.data(), record.size()) == static_cast<ssize_t>(record.size());
  }
  void Reopen() override {
    const int fd = open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return;
    dup3(fd, fd_, O_CLOEXEC);
    close(fd);
  }

 private:
  const std::string path_;
  const int fd_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<LogSink>> OpenFileSink(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) {
    return absl::UnavailableError(
        absl::StrCat("access log: cannot open ", path, ": ", std::strerror(errno)));
  }
  return std::make_shared<FileSink>(path, fd);
}

}  // namespace proxy
