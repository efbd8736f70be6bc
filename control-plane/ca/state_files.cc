// Atomic, private files.
#include "control-plane/ca/state_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

namespace control {
namespace {

// Larger files are not ours.
constexpr size_t kStateFileBytesMax = 1 << 20;

absl::Status SystemError(absl::string_view what, const std::string& path) {
  return absl::UnavailableError(absl::StrCat(path, ": cannot ", what, ": ", strerror(errno)));
}

// Closes the descriptor at the end of the scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

absl::Status WriteAll(int fd, absl::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t wrote = write(fd, content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return SystemError("write", path);
    content.remove_prefix(static_cast<size_t>(wrote));
  }
  if (fsync(fd) != 0) return SystemError("sync", path);
  return absl::OkStatus();
}

// Writes a temporary file beside `path`; its name is left in `temporary`.
absl::Status WriteTemporary(const std::string& path, absl::string_view content, mode_t mode,
                            std::string& temporary) {
  const std::string pattern = absl::StrCat(path, ".XXXXXX");
  std::vector<char> name(pattern.begin(), pattern.end());
  name.push_back('\0');
  const Descriptor file(mkstemp(name.data()));  // Mode 0600.
  if (file.get() < 0) return SystemError("create", pattern);
  temporary = name.data();
  absl::Status status = WriteAll(file.get(), content, temporary);
  if (status.ok() && fchmod(file.get(), mode) != 0) status = SystemError("set the mode of", path);
  if (!status.ok()) unlink(temporary.c_str());
  return status;
}

absl::Status SyncFolder(const std::string& path) {
  const Descriptor folder(open(FolderOf(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0 || fsync(folder.get()) != 0) return SystemError("sync the folder of", path);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path, bool secret) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) return absl::NotFoundError(absl::StrCat(path, ": no such file"));
    return SystemError("open", path);
  }
  struct stat info = {};
  if (fstat(file.get(), &info) != 0) return SystemError("stat", path);
  if (secret && (info.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: mode %04o lets others than its owner at the key; run: chmod 600 %s",
                        path, static_cast<unsigned>(info.st_mode & 07777), path));
  }
  std::string content;
  char chunk[4096];
  while (content.size() <= kStateFileBytesMax) {
    const ssize_t got = read(file.get(), chunk, sizeof(chunk));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path);
    if (got == 0) return content;
    content.append(chunk, static_cast<size_t>(got));
  }
  return absl::UnavailableError(absl::StrCat(path, ": longer than ", kStateFileBytesMax, " bytes"));
}

}  // namespace

absl::Status MakeStateFolder(const std::string& folder) {
  if (mkdir(folder.c_str(), 0700) == 0 || errno == EEXIST) return absl::OkStatus();
  return SystemError("create the folder", folder);
}

absl::StatusOr<std::string> ReadStateFile(const std::string& path) { return ReadFile(path, false); }

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) { return ReadFile(path, true); }

absl::Status WriteStateFile(const std::string& path, absl::string_view content, mode_t mode) {
  std::string temporary;
  absl::Status status = WriteTemporary(path, content, mode, temporary);
  if (!status.ok()) return status;
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    status = SystemError("rename to", path);
    unlink(temporary.c_str());
    return status;
  }
  return SyncFolder(path);
}

absl::Status CreateStateFile(const std::string& path, absl::string_view content, mode_t mode) {
  std::string temporary;
  absl::Status status = WriteTemporary(path, content, mode, temporary);
  if (!status.ok()) return status;
  // Unlike rename(), link() never replaces: of two processes that start at once, one wins.
  if (link(temporary.c_str(), path.c_str()) != 0) {
    status = errno == EEXIST ? absl::AlreadyExistsError(absl::StrCat(path, ": already exists"))
                             : SystemError("create", path);
  }
  unlink(temporary.c_str());
  if (!status.ok()) return status;
  return SyncFolder(path);
}

}  // namespace control
