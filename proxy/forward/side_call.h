// SideCalls over the proxy's own clusters.
#pragma once

#include "proxy/http/side_call.h"
#include "proxy/upstream/cluster.h"

namespace proxy {

// Loop thread only; borrows both.
class ClusterSideCalls final : public SideCalls {
 public:
  ClusterSideCalls(EventLoop& loop, Clusters& clusters) : loop_(loop), clusters_(clusters) {}
  std::unique_ptr<SideCall> Start(SideRequest request, SideCallEvents& events) override;

 private:
  EventLoop& loop_;
  Clusters& clusters_;
};

}  // namespace proxy
