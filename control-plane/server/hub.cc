// Keeps the newest mesh, caches translations and pushes them.
#include "control-plane/server/hub.h"

#include <set>

#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "control-plane/server/node.h"
#include "control-plane/translate/shared.h"
#include "control-plane/translate/translate.h"

namespace control {
namespace {

constexpr std::chrono::milliseconds kTick{100};  // How often waiting streams look at the time.
constexpr absl::Duration kPruneEvery = absl::Seconds(5);
constexpr size_t kGoneMax = 1000;  // Disconnected proxies that status still shows.

// Equal keys, equal resources under one mesh.
std::string KeyOf(const Mesh& mesh, const ProxyNode& node) {
  return absl::StrCat(SharedKey(node), "\n", OwnKey(mesh, node));
}

}  // namespace

mesh::v1::ConfigProblem ToProto(const ConfigProblem& problem) {
  mesh::v1::ConfigProblem proto;
  proto.set_severity(problem.severity == Severity::kError ? mesh::v1::ConfigProblem::ERROR
                                                          : mesh::v1::ConfigProblem::WARNING);
  proto.set_file(problem.file);
  proto.set_document(problem.document);
  proto.set_line(problem.line);
  proto.set_kind(problem.kind);
  proto.set_namespace_(problem.ns);
  proto.set_name(problem.name);
  proto.set_field(problem.field);
  proto.set_rule(problem.rule);
  proto.set_message(problem.message);
  proto.set_hint(problem.hint);
  return proto;
}

Hub::Hub(mesh::v1::ServerInfo info, pinnace::Clock& clock, size_t streams_max)
    : info_(std::move(info)), clock_(clock), streams_max_(streams_max) {
  thread_ = std::thread([this] { Run(); });
}

Hub::~Hub() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Hub::SetMesh(std::shared_ptr<const Mesh> mesh, std::vector<ConfigProblem> problems) {
  for (const ConfigProblem& problem : problems) {
    const bool error = problem.severity == Severity::kError;
    const auto level = error ? pinnace::LogLevel::kError : pinnace::LogLevel::kWarning;
    if (pinnace::LogEnabled(level)) pinnace::Log(level, "config", ToString(problem));
  }
  {
    const std::lock_guard lock(mutex_);
    mesh_ = std::move(mesh);
    problems_ = std::move(problems);
    ++accepted_;
    left_ = true;  // A new mesh regroups nodes, and leaves groups empty.
    debounce_.Event(clock_.Steady());
  }
  wake_.notify_all();
}

bool Hub::Join(const std::shared_ptr<Session>& session) {
  const std::lock_guard lock(mutex_);
  if (sessions_.size() >= streams_max_) return false;
  sessions_[session.get()] = session;
  return true;
}

void Hub::Leave(const Session& session) {
  mesh::v1::ProxyStatus status = session.Status();
  status.set_connected(false);
  const std::lock_guard lock(mutex_);
  left_ = sessions_.erase(&session) > 0 || left_;
  if (status.id().empty()) return;
  if (gone_.size() >= kGoneMax) gone_.erase(gone_.begin());
  gone_[status.id()] = std::move(status);
}

Hub::Shared& Hub::SharedFor(const std::shared_ptr<const Mesh>& mesh, const ProxyNode& node) {
  Shared& shared = shared_[SharedKey(node)];
  if (shared.mesh == mesh) return shared;
  shared.mesh = mesh;
  ResourceSet resources = TranslateShared(*mesh, node);
  pool_.Share(resources);
  shared.layers = MakeLayers(std::move(resources), shared.layers);
  shared.faults.reset();
  return shared;
}

void Hub::Renew(const Shared& shared, const ProxyNode& node, Group& group) {
  ResourceSet own;
  TranslateOwn(*shared.mesh, node, own);
  pool_.Share(own);
  LayerSet layers = MakeLayers(std::move(own), group.own);
  SnapshotPtr next = MakeSnapshot(shared.layers, layers);
  group.faults = Dangling(*next, shared.faults.has_value());
  if (shared.faults.has_value()) {
    group.faults.insert(group.faults.begin(), shared.faults->begin(), shared.faults->end());
  }
  if (!group.faults.empty()) {
    pinnace::LogError("push", absl::StrCat("node ", node.id,
                                           " keeps its last resources: ", group.faults.front()));
    return;
  }
  group.own = std::move(layers);
  if (group.good == nullptr || group.good->version != next->version) group.good = std::move(next);
}

SnapshotPtr Hub::SnapshotFor(const ProxyNode& node) {
  std::shared_ptr<const Mesh> mesh;
  {
    const std::lock_guard lock(mutex_);
    mesh = mesh_;
  }
  if (mesh == nullptr) return nullptr;
  const std::string key = KeyOf(*mesh, node);
  const std::lock_guard lock(translate_mutex_);
  Shared& shared = SharedFor(mesh, node);
  Group& group = groups_[key];
  if (group.mesh == mesh) return group.good;
  group.mesh = mesh;
  Renew(shared, node, group);
  if (!shared.faults.has_value()) shared.faults = group.faults;
  return group.good;
}

std::vector<std::shared_ptr<Session>> Hub::Sessions() const {
  std::vector<std::shared_ptr<Session>> sessions;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, weak] : sessions_) {
    if (auto session = weak.lock()) sessions.push_back(std::move(session));
  }
  return sessions;
}

void Hub::PushAll() {
  for (const auto& session : Sessions()) {
    const std::shared_ptr<const ProxyNode> node = session->node();
    if (node == nullptr) continue;
    if (SnapshotPtr snapshot = SnapshotFor(*node)) session->Push(std::move(snapshot));
  }
}

void Hub::Prune() {
  std::shared_ptr<const Mesh> mesh;
  {
    const std::lock_guard lock(mutex_);
    mesh = mesh_;
  }
  if (mesh == nullptr) return;
  std::set<std::string> used;
  std::set<std::string> used_shared;
  for (const auto& session : Sessions()) {
    const std::shared_ptr<const ProxyNode> node = session->node();
    if (node == nullptr) continue;
    used.insert(KeyOf(*mesh, *node));
    used_shared.insert(SharedKey(*node));
  }
  const std::lock_guard lock(translate_mutex_);
  std::erase_if(groups_, [&](const auto& item) { return !used.contains(item.first); });
  std::erase_if(shared_, [&](const auto& item) { return !used_shared.contains(item.first); });
}

void Hub::Run() {
  std::unique_lock lock(mutex_);
  absl::Duration next_prune = clock_.Steady() + kPruneEvery;
  while (!stopping_) {
    auto wait = kTick;
    if (const auto due = debounce_.Due()) {
      const auto left =
          absl::ToChronoMilliseconds(*due - clock_.Steady()) + std::chrono::milliseconds(1);
      wait = std::clamp<std::chrono::milliseconds>(left, std::chrono::milliseconds(1), kTick);
    }
    wake_.wait_for(lock, wait);
    if (stopping_) return;
    const absl::Duration now = clock_.Steady();
    const bool push = debounce_.Take(now);
    const bool prune = left_ && now >= next_prune;
    if (prune) {
      left_ = false;
      next_prune = now + kPruneEvery;
    }
    lock.unlock();
    if (push) PushAll();
    if (prune) Prune();
    for (const auto& session : Sessions()) session->Tick();
    lock.lock();
  }
}

mesh::v1::StatusResponse Hub::Status() const {
  mesh::v1::StatusResponse response;
  *response.mutable_server() = info_;
  std::set<std::string> connected;
  for (const auto& session : Sessions()) {
    mesh::v1::ProxyStatus status = session->Status();
    if (status.id().empty()) continue;
    connected.insert(status.id());
    *response.add_proxies() = std::move(status);
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, status] : gone_) {
      if (!connected.contains(id)) *response.add_proxies() = status;
    }
    for (const ConfigProblem& problem : problems_) *response.add_problems() = ToProto(problem);
    response.set_config_version(absl::StrCat(accepted_));
  }
  const std::lock_guard lock(translate_mutex_);
  std::set<std::string> said;
  for (const auto& [key, group] : groups_) {
    for (const std::string& fault : group.faults) {
      if (!said.insert(fault).second) continue;
      auto* problem = response.add_problems();
      problem->set_rule("Inconsistent");
      problem->set_message(absl::StrCat("not pushed: ", fault));
    }
  }
  return response;
}

std::vector<envoy::service::status::v3::ClientConfig> Hub::Configs(bool contents) const {
  std::vector<envoy::service::status::v3::ClientConfig> configs;
  for (const auto& session : Sessions()) {
    if (session->node() != nullptr) configs.push_back(session->Config(contents));
  }
  return configs;
}

}  // namespace control
