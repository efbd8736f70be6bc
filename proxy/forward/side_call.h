// SideCalls over the proxy's own clusters.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>

#include "proxy/http/side_call.h"
#include "proxy/upstream/cluster.h"

namespace proxy {

// Loop thread only; borrows both.
class ClusterSideCalls final : public SideCalls {
 public:
  ClusterSideCalls(EventLoop& loop, Clusters& clusters);
  ~ClusterSideCalls() override;
  std::unique_ptr<SideCall> Start(SideRequest request, SideCallEvents& events) override;
  void StartDetached(SideRequest request,
                     std::function<void(int status, std::string body)> done) override;

 private:
  class Detached;
  EventLoop& loop_;
  Clusters& clusters_;
  std::list<std::unique_ptr<Detached>> detached_;
};

}  // namespace proxy
