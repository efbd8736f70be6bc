// The configuration as JSON, in the shape of Envoy's /config_dump.
#pragma once

#include <string>

#include <absl/strings/string_view.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "proxy/server/configuration.h"
#include "proxy/server/records.h"

namespace proxy {

// Private keys are redacted. `query`: "include_eds" adds endpoints; "resource=FIELD" answers with
// the elements of that field of the dumps alone ("dynamic_listeners", "static_clusters", ...).
std::string ConfigDump(const envoy::config::bootstrap::v3::Bootstrap& bootstrap,
                       const ResourceRecords& records, const Configuration& config,
                       absl::string_view query);

}  // namespace proxy
