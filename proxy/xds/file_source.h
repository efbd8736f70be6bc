// Resources of one type from a file, read anew when it is replaced.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "envoy/config/core/v3/config_source.pb.h"
#include "proxy/event/file_watch.h"
#include "proxy/xds/xds_stream.h"

namespace proxy {

// The file holds one DiscoveryResponse, YAML or JSON, as a state-of-the-world server would send it;
// a file that cannot be read leaves what was good in force. Main thread only.
class FileSource {
 public:
  FileSource(EventLoop& loop, const envoy::config::core::v3::ConfigSource& source,
             std::string type_url, ResourceEvents& events);

  void Start();
  void SubscribeAll() { stream_.SubscribeAll(type_url_); }
  void SetNames(const std::set<std::string>& names);

 private:
  void Read();

  EventLoop& loop_;
  const std::string path_;
  const std::string folder_;  // That is watched.
  const std::string type_url_;
  std::set<std::string> names_;
  XdsStream stream_;
  Timer read_;
  std::unique_ptr<FileWatch> watch_;
};

}  // namespace proxy
