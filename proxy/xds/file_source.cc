// Feeds a file's resources to the same state machine as a server's.
#include "proxy/xds/file_source.h"

#include <fstream>
#include <sstream>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "proxy/snapshot/yaml_proto.h"

namespace proxy {
namespace {

std::string PathOf(const envoy::config::core::v3::ConfigSource& source) {
  return source.path().empty() ? source.path_config_source().path() : source.path();
}

}  // namespace

FileSource::FileSource(EventLoop& loop, const envoy::config::core::v3::ConfigSource& source,
                       std::string type_url, ResourceEvents& events)
    : loop_(loop),
      path_(PathOf(source)),
      folder_(source.path_config_source().has_watched_directory()
                  ? source.path_config_source().watched_directory().path()
                  : FolderOf(path_)),
      type_url_(std::move(type_url)),
      stream_(XdsVariant::kSotw, {}, events),
      read_(loop.timers(), [this] { Read(); }) {}

void FileSource::Start() {
  watch_ = FileWatch::Make(loop_, folder_, [this] { Read(); });
  if (watch_ == nullptr) pinnace::LogError("xds", absl::StrCat("cannot watch folder ", folder_));
  stream_.OnOpen();
  read_.Arm(absl::ZeroDuration());
}

void FileSource::SetNames(const std::set<std::string>& names) {
  if (names == names_) return;
  names_ = names;
  stream_.SetNames(type_url_, names);
  if (watch_ != nullptr) read_.Arm(absl::ZeroDuration());
}

void FileSource::Read() {
  std::ifstream file(path_, std::ios::binary);
  if (!file) return pinnace::LogError("xds", absl::StrCat("cannot read ", path_));
  std::ostringstream text;
  text << file.rdbuf();
  envoy::service::discovery::v3::DiscoveryResponse response;
  absl::Status read = ParseYaml(text.str(), response);
  if (!read.ok()) return pinnace::LogError("xds", absl::StrCat(path_, ": ", read.message()));
  response.set_type_url(type_url_);
  read = stream_.OnMessage(response.SerializeAsString(), loop_.NowNs());
  if (!read.ok()) pinnace::LogError("xds", absl::StrCat(path_, ": ", read.message()));
  stream_.TakeRequests();  // A file has nobody who would read them.
}

}  // namespace proxy
