// What status services show; the server implements it.
#pragma once

#include <vector>

#include "envoy/service/status/v3/csds.pb.h"
#include "mesh/v1/status.pb.h"

namespace control {

// Any thread.
class StatusSource {
 public:
  virtual ~StatusSource() = default;
  // All proxies, problems of the configuration, and the server itself.
  virtual mesh::v1::StatusResponse Status() const = 0;
  // One for each connected stream, in the server's view. `contents`: with the resources.
  virtual std::vector<envoy::service::status::v3::ClientConfig> Configs(bool contents) const = 0;
};

}  // namespace control
