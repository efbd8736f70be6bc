// Reads and watches a folder of YAML files on a thread of its own.
#include "control-plane/sources/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

namespace control {
namespace {

constexpr int kDebounceRoundsMax = 20;
constexpr uint32_t kFolderEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE |
                                   IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr uint32_t kTargetEvents = IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

bool IsYaml(absl::string_view name) {
  return absl::EndsWith(name, ".yaml") || absl::EndsWith(name, ".yml");
}

// The visible names in a directory, sorted.
absl::StatusOr<std::vector<std::string>> Names(const std::string& directory) {
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr) return absl::ErrnoToStatus(errno, directory);
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

bool IsDirectory(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// Reads a whole regular file; at most one byte more than is allowed, so that LoadDocuments() sees
// that it is too large. Nothing if it is gone or no regular file.
std::optional<SourceFile> ReadOne(const std::string& path, std::string name) {
  SourceFile file{.name = std::move(name), .text = {}, .error = {}};
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info;
  if (fd.get() < 0 || fstat(fd.get(), &info) != 0) {
    if (errno == ENOENT) return std::nullopt;
    file.error = absl::StrCat("cannot be read: ", strerror(errno));
    return file;
  }
  if (!S_ISREG(info.st_mode)) return std::nullopt;
  char chunk[65536];
  while (file.text.size() <= kFileBytesMax) {
    const ssize_t n = read(fd.get(), chunk, sizeof chunk);
    if (n == 0) break;
    if (n < 0) {
      if (errno == EINTR) continue;
      file.error = absl::StrCat("cannot be read: ", strerror(errno));
      break;
    }
    file.text.append(chunk, static_cast<size_t>(n));
  }
  return file;
}

// An inotify descriptor that tells of every change that could alter what ReadFolder() returns.
absl::StatusOr<Fd> Watch(const std::string& directory) {
  Fd fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (fd.get() < 0) return absl::InternalError(absl::StrCat("inotify: ", strerror(errno)));
  // The parent tells of the directory's replacement, as when it is a symbolic link.
  std::string parent = directory;
  while (parent.size() > 1 && parent.back() == '/') parent.pop_back();
  const size_t slash = parent.rfind('/');
  parent = slash == std::string::npos ? "." : slash == 0 ? "/" : parent.substr(0, slash);
  inotify_add_watch(fd.get(), parent.c_str(), IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ONLYDIR);
  if (inotify_add_watch(fd.get(), directory.c_str(), kFolderEvents) < 0 && errno == ENOSPC) {
    return absl::InternalError("inotify: fs.inotify.max_user_watches is reached");
  }
  const absl::StatusOr<std::vector<std::string>> names = Names(directory);
  if (!names.ok()) return fd;  // It may come back: the parent tells.
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(directory, "/", name);
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) continue;
    if (IsDirectory(path)) {
      inotify_add_watch(fd.get(), path.c_str(), kFolderEvents);
    } else if (S_ISLNK(info.st_mode) && IsYaml(name)) {
      inotify_add_watch(fd.get(), path.c_str(), kTargetEvents);
    }
  }
  return fd;
}

void Drain(int fd) {
  char buffer[16384];
  while (read(fd, buffer, sizeof buffer) > 0) {
  }
}

class WatchedFolder final : public FolderSource {
 public:
  WatchedFolder(Options options, Callback callback)
      : options_(std::move(options)),
        callback_(std::move(callback)),
        wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

  ~WatchedFolder() override {
    stopping_ = true;
    Wake();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Begin() {
    absl::StatusOr<Fd> watch = Watch(options_.directory);
    if (!watch.ok()) return watch.status();
    const absl::StatusOr<std::vector<SourceFile>> files = ReadFolder(options_.directory);
    if (!files.ok()) return files.status();
    Adopt(*files, options_.settings);
    thread_ = std::thread([this, fd = std::move(*watch)]() mutable { Run(std::move(fd)); });
    return absl::OkStatus();
  }

  void Update(MeshSettings settings) override {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      pending_settings_ = std::move(settings);
    }
    Wake();
  }

 private:
  void Wake() {
    const uint64_t one = 1;
    if (write(wake_.get(), &one, sizeof one) < 0) {
      // Full means that a wake-up is already waiting.
    }
  }

  // Waits for a change; true if there was one within `timeout_ms` (-1: for ever).
  bool Changed(int watch, int timeout_ms) {
    pollfd fds[] = {{watch, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    const int n = poll(fds, 2, timeout_ms);
    Drain(watch);
    Drain(wake_.get());
    return n > 0;
  }

  void Run(Fd watch) {
    const int quiet_ms = static_cast<int>(absl::ToInt64Milliseconds(options_.debounce));
    while (!stopping_) {
      if (!Changed(watch.get(), -1)) continue;
      for (int i = 0; i < kDebounceRoundsMax && !stopping_; ++i) {
        if (!Changed(watch.get(), quiet_ms)) break;
      }
      if (stopping_) break;
      // The new watches stand before the reading, so nothing is missed between the two.
      if (absl::StatusOr<Fd> fresh = Watch(options_.directory); fresh.ok()) {
        watch = std::move(*fresh);
      }
      Load();
    }
  }

  void Load() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (pending_settings_) options_.settings = *std::exchange(pending_settings_, std::nullopt);
    }
    const absl::StatusOr<std::vector<SourceFile>> files = ReadFolder(options_.directory);
    if (files.ok()) {
      Adopt(*files, options_.settings);
      return;
    }
    // The whole folder is gone: that is an accident, not an order to delete everything.
    std::vector<ConfigProblem> problems = loaded_.problems;
    ConfigProblem problem;
    problem.file = options_.directory;
    problem.rule = "Unreadable";
    problem.message = std::string(files.status().message());
    problem.hint = "the last good configuration stays in force";
    problems.push_back(std::move(problem));
    callback_(loaded_.mesh, std::move(problems));
  }

  void Adopt(const std::vector<SourceFile>& files, const MeshSettings& settings) {
    loaded_ = LoadDocuments(files, loaded_.mesh == nullptr ? nullptr : &loaded_, settings);
    callback_(loaded_.mesh, loaded_.problems);
  }

  Options options_;
  const Callback callback_;
  Loaded loaded_;  // Before the thread starts: Begin(); then the thread alone.
  std::mutex mutex_;
  std::optional<MeshSettings> pending_settings_;  // Guarded by mutex_.
  std::atomic<bool> stopping_{false};
  Fd wake_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::vector<SourceFile>> ReadFolder(const std::string& directory) {
  const absl::StatusOr<std::vector<std::string>> names = Names(directory);
  if (!names.ok()) return names.status();
  std::vector<SourceFile> files;
  const auto add = [&](const std::string& name) {
    if (!IsYaml(name) || files.size() >= kFilesMax) return;
    if (auto file = ReadOne(absl::StrCat(directory, "/", name), name)) {
      files.push_back(std::move(*file));
    }
  };
  for (const std::string& name : *names) {
    const std::string path = absl::StrCat(directory, "/", name);
    if (!IsDirectory(path)) {
      add(name);
      continue;
    }
    const absl::StatusOr<std::vector<std::string>> inner = Names(path);
    if (!inner.ok()) continue;
    for (const std::string& inner_name : *inner) add(absl::StrCat(name, "/", inner_name));
  }
  return files;
}

absl::StatusOr<std::unique_ptr<FolderSource>> FolderSource::Start(Options options,
                                                                  Callback callback) {
  auto folder = std::make_unique<WatchedFolder>(std::move(options), std::move(callback));
  if (const absl::Status status = folder->Begin(); !status.ok()) return status;
  return std::unique_ptr<FolderSource>(std::move(folder));
}

}  // namespace control
