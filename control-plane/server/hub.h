// The mesh in force and every stream that is fed from it.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "control-plane/ads/debounce.h"
#include "control-plane/ads/name_set.h"
#include "control-plane/api/status_source.h"
#include "control-plane/model/mesh.h"
#include "control-plane/model/problem.h"
#include "control-plane/model/proxy_node.h"
#include "control-plane/server/response_bytes.h"
#include "control-plane/snapshot/pool.h"
#include "control-plane/snapshot/snapshot.h"

namespace control {

// ADS streams at once, on all ports. Further ones end with RESOURCE_EXHAUSTED, and go elsewhere.
inline constexpr size_t kStreamsMax = 20'000;

// A stream as the hub sees it. Any thread; no call back into the hub from within.
class Session {
 public:
  virtual ~Session() = default;
  // Null until the first request has named a node.
  virtual std::shared_ptr<const ProxyNode> node() const = 0;
  virtual void Push(SnapshotPtr snapshot) = 0;
  virtual void Tick() = 0;
  virtual mesh::v1::ProxyStatus Status() const = 0;
  virtual envoy::service::status::v3::ClientConfig Config(bool contents) const = 0;
};

// Translates once for each group of equal nodes, after a short merge window, and hands snapshots to
// sessions from a thread of its own. Any thread.
class Hub final : public StatusSource {
 public:
  // `info` stands in status answers. `clock` must outlive this.
  Hub(mesh::v1::ServerInfo info, pinnace::Clock& clock, size_t streams_max = kStreamsMax);
  ~Hub() override;

  // A new mesh is in force; `problems` are those of its load.
  void SetMesh(std::shared_ptr<const Mesh> mesh, std::vector<ConfigProblem> problems);
  // False: there are as many streams as there may be; then it has not joined.
  bool Join(const std::shared_ptr<Session>& session);
  void Leave(const Session& session);
  // The resources for `node` under the newest mesh; null while there is nothing to serve. If they
  // would be inconsistent, the last good ones of the group, and the problem is in Status().
  SnapshotPtr SnapshotFor(const ProxyNode& node);

  // What all streams share. Any thread.
  NamePool& names() { return names_; }
  ResponseBytes& bytes() { return bytes_; }
  const std::string& trust_domain() const { return info_.trust_domain(); }

  mesh::v1::StatusResponse Status() const override;
  std::vector<envoy::service::status::v3::ClientConfig> Configs(bool contents) const override;

 private:
  // What nodes with equal SharedKey() have in common.
  struct Shared {
    std::shared_ptr<const Mesh> mesh;  // Of which `layers` are.
    LayerSet layers;
    std::optional<std::vector<std::string>> faults;  // Unset: not looked at yet.
  };
  // What nodes with equal keys are served.
  struct Group {
    std::shared_ptr<const Mesh> mesh;  // Under which `good` was last looked at.
    LayerSet own;
    SnapshotPtr good;
    std::vector<std::string> faults;
  };

  // Both with translate_mutex_ held.
  Shared& SharedFor(const std::shared_ptr<const Mesh>& mesh, const ProxyNode& node);
  void Renew(const Shared& shared, const ProxyNode& node, Group& group);
  void Run();
  void PushAll();
  // Forgets the groups that no connected node belongs to.
  void Prune();
  std::vector<std::shared_ptr<Session>> Sessions() const;

  const mesh::v1::ServerInfo info_;
  pinnace::Clock& clock_;
  const size_t streams_max_;
  mutable std::mutex mutex_;  // Guards what follows, down to the thread.
  std::condition_variable wake_;
  bool stopping_ = false;
  bool left_ = false;  // A session left since the last Prune().
  Debounce debounce_;
  uint64_t accepted_ = 0;
  std::shared_ptr<const Mesh> mesh_;
  std::vector<ConfigProblem> problems_;
  std::map<const Session*, std::weak_ptr<Session>> sessions_;
  std::map<std::string, mesh::v1::ProxyStatus> gone_;  // By node id; at most kGoneMax.
  mutable std::mutex translate_mutex_;  // Guards groups_; taken without mutex_ or before it.
  std::map<std::string, Shared> shared_;
  std::map<std::string, Group> groups_;
  ResourcePool pool_;
  NamePool names_;
  ResponseBytes bytes_;
  std::thread thread_;
};

// A finding in the status API's terms.
mesh::v1::ConfigProblem ToProto(const ConfigProblem& problem);

}  // namespace control
