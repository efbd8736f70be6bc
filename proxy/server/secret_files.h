// Secrets whose contents stand in files: read anew when the files are replaced.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "proxy/event/file_watch.h"

namespace proxy {

// Main thread only.
class SecretFiles {
 public:
  using Secret = envoy::extensions::transport_sockets::tls::v3::Secret;
  // `parse` takes a secret in again; what it refuses leaves the version before in force.
  SecretFiles(EventLoop& loop, std::function<absl::Status(const Secret&)> parse)
      : loop_(loop), parse_(std::move(parse)) {}

  // Watches the files of `secret`, or its watched_directory, in place of those of the version
  // before.
  void Watch(const Secret& secret);
  void Forget(const std::string& name) { watches_.erase(name); }

 private:
  EventLoop& loop_;
  std::function<absl::Status(const Secret&)> parse_;
  std::map<std::string, std::vector<std::unique_ptr<FileWatch>>> watches_;  // By secret.
};

}  // namespace proxy
