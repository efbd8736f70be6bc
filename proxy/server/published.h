// What the workers get: everything in force at one time.
#pragma once

#include <memory>
#include <vector>

#include "proxy/exchange/config.h"
#include "proxy/listener/config.h"

namespace proxy {

// The newest accepted resources of each type. Never written after it was published, so every thread
// may read it without a lock.
struct Snapshot {
  std::shared_ptr<const Tables> tables = std::make_shared<Tables>();
  std::vector<std::shared_ptr<const ListenerConfig>> listeners = {};
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace proxy
