// Writes and reads the file.
#include "proxy/server/kept_config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/log.h"

namespace proxy {
namespace {

namespace discovery = envoy::service::discovery::v3;
constexpr char kFile[] = "last-good.xds";

}  // namespace

KeptConfig::KeptConfig(TimerWheel& timers, std::string folder, std::string node_id,
                       const ResourceRecords& records)
    : folder_(std::move(folder)),
      path_(absl::StrCat(folder_, "/", kFile)),
      node_id_(std::move(node_id)),
      records_(records),
      save_(timers, [this] {
        if (absl::Status saved = Save(); !saved.ok()) pinnace::LogError("xds", saved.message());
      }) {}

KeptConfig::~KeptConfig() {
  if (!save_.armed()) return;
  if (absl::Status saved = Save(); !saved.ok()) pinnace::LogError("xds", saved.message());
}

std::vector<discovery::Resource> KeptConfig::Load() const {
  std::ifstream file(path_, std::ios::binary);
  if (!file) return {};
  std::ostringstream bytes;
  bytes << file.rdbuf();
  discovery::DeltaDiscoveryResponse kept;
  if (!kept.ParseFromString(bytes.str())) {
    pinnace::LogError("xds", absl::StrCat(path_, ": not a kept configuration"));
    return {};
  }
  if (kept.system_version_info() != node_id_) {
    pinnace::LogWarning("xds", absl::StrCat(path_, ": of node '", kept.system_version_info(),
                                            "', not of '", node_id_, "'"));
    return {};
  }
  return {kept.resources().begin(), kept.resources().end()};
}

absl::Status KeptConfig::Save() {
  save_.Cancel();
  discovery::DeltaDiscoveryResponse kept;
  kept.set_system_version_info(node_id_);
  for (const auto& [key, record] : records_.table()) {
    if (record.had_keys || record.body.type_url().empty()) continue;
    discovery::Resource& one = *kept.add_resources();
    one.set_name(key.second);
    one.set_version(record.version);
    *one.mutable_resource() = record.body;
  }
  const auto failed = [](const std::string& path) {
    return absl::UnavailableError(
        absl::StrCat("cannot keep the configuration: ", path, ": ", std::strerror(errno)));
  };
  if (mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) return failed(folder_);
  const std::string next = path_ + ".new";
  unlink(next.c_str());  // Whoever left it there may hold it open.
  const int fd = open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed(next);
  const bool written = kept.SerializeToFileDescriptor(fd) && fsync(fd) == 0;
  close(fd);
  if (!written || rename(next.c_str(), path_.c_str()) != 0) return failed(path_);
  return absl::OkStatus();
}

}  // namespace proxy
