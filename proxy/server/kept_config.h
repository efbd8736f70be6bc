// The last good configuration, kept on disk for the time in which no control plane is there.
#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "proxy/event/timer.h"
#include "proxy/server/records.h"

namespace proxy {

// One file of accepted resources in a folder of the proxy's own, mode 0600, replaced by rename. A
// resource with a private key or a ticket key in it is never written. Main thread only.
class KeptConfig {
 public:
  // `node_id`: whose configuration it is; what another has left is not used. Borrows `records`.
  KeptConfig(TimerWheel& timers, std::string folder, std::string node_id,
             const ResourceRecords& records);
  // Writes what is not written yet.
  ~KeptConfig();

  // What was kept; empty if there is nothing, or nothing usable (which is logged).
  std::vector<envoy::service::discovery::v3::Resource> Load() const;
  // The records have changed.
  void Note() {
    if (!save_.armed()) save_.Arm(kDelay);
  }
  // Now. Unavailable if the file cannot be written.
  absl::Status Save();

  // Changes are gathered for so long before they are written.
  static constexpr absl::Duration kDelay = absl::Seconds(1);

 private:
  const std::string folder_, path_, node_id_;
  const ResourceRecords& records_;
  Timer save_;
};

}  // namespace proxy
