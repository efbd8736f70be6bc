// All streams and files that configuration comes from, one for each source.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "common/config_from.h"
#include "proxy/xds/file_source.h"
#include "proxy/xds/xds_client.h"

namespace proxy {

// Names wanted of one type, by source (pinnace::ConfigFrom::source).
using NamesBySource = std::map<std::string, std::set<std::string>>;
using SourceTable = std::map<std::string, envoy::config::core::v3::ConfigSource>;

// Main thread only.
class Discovery {
 public:
  struct Context {
    EventLoop& loop;
    std::function<std::shared_ptr<Cluster>(const std::string& name)> cluster;
    envoy::config::core::v3::Node node;
    std::function<std::string()> token;
    ResourceEvents& events;
    const SourceTable& sources;
  };
  explicit Discovery(Context context) : context_(std::move(context)) {}

  // Resources that come by ADS come from there. InvalidArgument if its kind is not supported.
  absl::Status SetAds(const envoy::config::core::v3::ApiConfigSource& ads);
  // Asks `from` for all of that type; FailedPrecondition if it is ADS and none is set.
  absl::Status SubscribeAll(const std::string& type_url, const pinnace::ConfigFrom& from);
  // Exactly these names of that type are wanted from now on.
  void SetNames(const std::string& type_url, const NamesBySource& wanted);
  void Start();
  // A resource of ADS is held since before this process. Before Start().
  void Restore(const std::string& type_url, const std::string& name, const std::string& version) {
    if (ads_ != nullptr) ads_->Restore(type_url, name, version);
  }
  bool has_ads() const { return ads_ != nullptr; }

 private:
  // One type from a source of its own.
  struct Single {
    std::unique_ptr<XdsClient> client;
    std::unique_ptr<FileSource> file;
  };
  Single& SingleOf(const std::string& type_url, const std::string& source);
  std::unique_ptr<XdsClient> NewClient(const envoy::config::core::v3::ApiConfigSource& api,
                                       std::string method);

  Context context_;
  std::unique_ptr<XdsClient> ads_;
  std::map<std::pair<std::string, std::string>, Single> singles_;  // By type and source.
  bool started_ = false;
};

}  // namespace proxy
