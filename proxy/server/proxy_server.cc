// Loads a bootstrap, publishes it to the workers, serves until told to stop.
#include "proxy/server/proxy_server.h"

#include <netdb.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <set>

#include <absl/strings/str_cat.h>

#include "common/log.h"
#include "common/version.h"
#include "proxy/server/config_dump.h"
#include "proxy/snapshot/supported.h"

namespace proxy {
namespace {

// As Envoy's /clusters writes them.
std::string HealthFlags(const EndpointConfig& endpoint, const ClusterHealth& health) {
  std::string flags;
  const auto record = health.Find(endpoint.address);
  if (record != nullptr && record->ejected) flags += "/failed_outlier_check";
  if (endpoint.health == EndpointHealth::kUnhealthy) flags += "/failed_eds_health";
  if (endpoint.health == EndpointHealth::kDegraded) flags += "/degraded_eds_health";
  if (endpoint.health == EndpointHealth::kDraining) flags += "/eds_status_draining";
  return flags.empty() ? "healthy" : flags;
}

// How long running requests may go on after SIGTERM.
constexpr absl::Duration kDrainMax = absl::Seconds(30);
constexpr absl::Duration kDrainLook = absl::Milliseconds(50);

EndpointList LookUp(const EndpointList& names) {
  EndpointList found;
  for (const EndpointConfig& one : names) {
    if (one.hostname.empty()) {
      found.push_back(one);
      continue;
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (getaddrinfo(one.hostname.c_str(), absl::StrCat(one.port).c_str(), &hints, &list) != 0)
      continue;
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
      EndpointConfig endpoint = one;
      endpoint.address = Address(each->ai_addr, each->ai_addrlen);
      found.push_back(std::move(endpoint));
    }
    freeaddrinfo(list);
  }
  return found;
}

}  // namespace

ProxyServer::ProxyServer(ServerOptions options, Network& network, pinnace::Clock& clock)
    : options_(std::move(options)),
      network_(network),
      clock_(clock),
      loop_(NewLibeventPoller(), clock, pinnace::EntropySeed()),
      stats_(options_.concurrency + 1),  // The last shard is the main thread's.
      config_(stats_, secrets_,
              [this](std::shared_ptr<const ClusterConfig> config) {
                Resolve(std::move(config), absl::ZeroDuration());
              }),
      secret_files_(loop_,
                    [this](const SecretFiles::Secret& secret) {
                      return ParseSecret(secret, config_.parse());
                    }),
      apply_(loop_.timers(), [this] { Apply(); }),
      admin_(loop_, network),
      own_clusters_(loop_, network, options_.concurrency) {
  // A new certificate or trust bundle may be what a listener was waiting for.
  secrets_.Subscribe([this](const std::string&) { apply_.Arm(absl::ZeroDuration()); });
}

ProxyServer::~ProxyServer() {
  for (auto& worker : workers_) worker->Stop();
  for (auto& lookup : lookups_) lookup.join();
}

void ProxyServer::Resolve(std::shared_ptr<const ClusterConfig> config, absl::Duration after) {
  auto& timer = resolvers_[config->name];
  timer = std::make_unique<Timer>(loop_.timers(), [this, config] { LookUpNow(config); });
  timer->Arm(after);
}

void ProxyServer::LookUpNow(std::shared_ptr<const ClusterConfig> config) {
  if (!config_.Current(*config)) return;  // Replaced or removed meanwhile.
  lookups_.emplace_back([this, config] {
    auto found = std::make_shared<EndpointList>(LookUp(config->endpoints));
    loop_.Post([this, config, found] {
      if (!config_.Current(*config)) return;
      config_.SetResolved(*config, std::move(*found));
      apply_.Arm(absl::ZeroDuration());
      Resolve(config, config->dns_refresh);
    });
  });
  if (lookups_.size() > 8) {  // The oldest has long been answered.
    lookups_.front().join();
    lookups_.erase(lookups_.begin());
  }
}

std::vector<std::string> ProxyServer::Load(
    const envoy::config::bootstrap::v3::Bootstrap& bootstrap) {
  bootstrap_ = bootstrap;
  std::vector<std::string> problems;
  for (const std::string& path : UnsupportedFields(bootstrap)) {
    problems.push_back(absl::StrCat("not supported: ", path));
  }
  if (!problems.empty()) return problems;
  const auto note = [&](const absl::Status& status) {
    if (!status.ok()) problems.emplace_back(status.message());
    return status.ok();
  };
  const auto& fixed = bootstrap.static_resources();
  for (const auto& secret : fixed.secrets()) {
    if (note(ParseSecret(secret, config_.parse()))) secret_files_.Watch(secret);
  }
  std::set<std::string> of_servers;
  for (const auto& service : bootstrap.dynamic_resources().ads_config().grpc_services())
    of_servers.insert(service.envoy_grpc().cluster_name());
  for (const auto& cluster : fixed.clusters())
    note(config_.AddStatic(cluster, of_servers.contains(cluster.name())));
  for (const auto& listener : fixed.listeners()) note(config_.AddStatic(listener));
  LoadDynamic(problems);
  LoadOverload(problems);
  if (bootstrap.admin().has_address()) {
    auto address = ParseAddress(bootstrap.admin().address());
    if (note(address.status())) admin_address_ = *address;
  }
  return problems;
}

void ProxyServer::Apply() {
  config_.Reconsider(loop_.ReadNs());
  if (discovery_ != nullptr) {
    for (const char* url : {kSecretUrl, kEndpointUrl, kRouteUrl}) {
      const NamesBySource wanted = config_.Wanted(url);
      discovery_->SetNames(url, wanted);
      records_.Retain(url, [&](const std::string& name) {
        return std::any_of(wanted.begin(), wanted.end(),
                           [&](const auto& source) { return source.second.contains(name); });
      });
    }
  }
  const SnapshotPtr snapshot = config_.Published();
  own_clusters_.Adopt(snapshot->tables->clusters);
  for (const auto& worker : workers_) {
    worker->loop().Post([w = worker.get(), snapshot] { w->Adopt(snapshot); });
  }
  if (!workers_.empty()) WritePorts();
  if (config_.next_ns() != INT64_MAX && !apply_.armed()) {
    apply_.Arm(absl::Nanoseconds(config_.next_ns() - loop_.ReadNs()) + absl::Milliseconds(1));
  }
}

void ProxyServer::AddAdmin() {
  admin_.Add("/ready", "whether requests are served", false,
             [this](absl::string_view) -> AdminAnswer {
               if (draining_) return {.status = 503, .body = "DRAINING\n"};
               if (!config_.ready()) return {.status = 503, .body = "PRE_INITIALIZING\n"};
               return {.body = "LIVE\n"};
             });
  admin_.Add("/stats", "counters and gauges; ?filter=TEXT", false,
             [this](absl::string_view query) -> AdminAnswer {
               const size_t at = query.find("filter=");
               return {.body = StatsText(
                           stats_, at == absl::string_view::npos ? "" : query.substr(at + 7))};
             });
  admin_.Add("/stats/prometheus", "the same for Prometheus", false,
             [this](absl::string_view) -> AdminAnswer {
               return {.body = StatsPrometheus(stats_),
                       .content_type = "text/plain; version=0.0.4"};
             });
  admin_.Add("/server_info", "version and state", false, [this](absl::string_view) -> AdminAnswer {
    const int64_t up = (loop_.ReadNs() - started_ns_) / 1'000'000'000;
    return {
        .body = absl::StrCat("{\"version\": \"pinnace/", pinnace::kVersion, "\", \"state\": \"",
                             draining_ ? "DRAINING" : "LIVE", "\", \"uptime_current_epoch\": \"",
                             up, "s\", \"concurrency\": ", options_.concurrency, "}\n"),
        .content_type = "application/json"};
  });
  admin_.Add(
      "/clusters", "clusters, their hosts and limits", false,
      [this](absl::string_view) -> AdminAnswer {
        std::string text;
        for (const auto& [name, entry] : config_.clusters()) {
          const CircuitLimits& limits = entry->config->limits;
          absl::StrAppend(&text, name, "::default_priority::max_connections::", limits.connections,
                          "\n", name, "::default_priority::max_pending_requests::", limits.pending,
                          "\n", name, "::default_priority::max_requests::", limits.requests, "\n",
                          name, "::default_priority::max_retries::", limits.retries, "\n");
          if (entry->endpoints == nullptr) continue;
          for (const EndpointConfig& host : *entry->endpoints) {
            absl::StrAppend(&text, name, "::", host.address.ToString(), "::weight::", host.weight,
                            "\n", name, "::", host.address.ToString(),
                            "::health_flags::", HealthFlags(host, *entry->health), "\n");
          }
        }
        return {.body = text};
      });
  admin_.Add("/listeners", "listeners and their addresses", false,
             [this](absl::string_view) -> AdminAnswer {
               std::string text;
               for (const auto& [name, one] : config_.serving())
                 absl::StrAppend(&text, name, "::", one->address.ToString(), "\n");
               return {.body = text};
             });
  admin_.Add("/config_dump", "bootstrap and what servers sent; ?include_eds, ?resource=FIELD",
             false, [this](absl::string_view query) -> AdminAnswer {
               return {.body = ConfigDump(bootstrap_, records_, config_, query),
                       .content_type = "application/json"};
             });
  admin_.Add("/logging", "?level=LEVEL sets the log level", true,
             [](absl::string_view query) -> AdminAnswer {
               const size_t at = query.find("level=");
               const auto level = pinnace::ParseLogLevel(
                   at == absl::string_view::npos ? "" : query.substr(at + 6));
               if (!level)
                 return {.status = 400,
                         .body = "usage: /logging?level=trace|debug|info|warning|error|off\n"};
               pinnace::SetLogLevel(*level);
               return {.body = absl::StrCat("level: ", pinnace::LogLevelName(*level), "\n")};
             });
  admin_.Add("/drain_listeners", "accept no more, let requests end", true,
             [this](absl::string_view) -> AdminAnswer {
               for (const auto& worker : workers_)
                 worker->loop().Post([w = worker.get()] { w->Drain(); });
               return {.body = "OK\n"};
             });
}

void ProxyServer::WritePorts() {
  if (options_.ports_file.empty()) return;
  workers_[0]->loop().Post([this] {
    const auto bound = workers_[0]->Bound();
    loop_.Post([this, bound] {
      std::string json = "{";
      for (const auto& [name, address] : bound)
        absl::StrAppend(&json, "\"", name, "\": ", address.port(), ", ");
      absl::StrAppend(&json, "\"admin\": ", admin_address_.empty() ? 0 : admin_.local().port(),
                      "}\n");
      std::ofstream(options_.ports_file + ".new") << json;
      std::rename((options_.ports_file + ".new").c_str(), options_.ports_file.c_str());
    });
  });
}

void ProxyServer::BeginDrain() {
  if (draining_) return loop_.Stop();  // Asked twice: at once.
  draining_ = true;
  pinnace::LogInfo("server", "draining: no new connections, running requests end");
  for (const auto& worker : workers_) worker->loop().Post([w = worker.get()] { w->Drain(); });
  drain_end_ns_ = loop_.ReadNs() + absl::ToInt64Nanoseconds(kDrainMax);
  drain_timer_ = std::make_unique<Timer>(loop_.timers(), [this] { WatchDrain(); });
  WatchDrain();
}

void ProxyServer::WatchDrain() {
  auto left = std::make_shared<std::atomic<size_t>>(0);
  auto answers = std::make_shared<std::atomic<size_t>>(0);
  for (const auto& worker : workers_) {
    worker->loop().Post([this, w = worker.get(), left, answers] {
      left->fetch_add(w->connections());
      if (answers->fetch_add(1) + 1 < workers_.size()) return;
      loop_.Post([this, left] {
        if (*left == 0 || loop_.ReadNs() > drain_end_ns_) return loop_.Stop();
        drain_timer_->Arm(kDrainLook);
      });
    });
  }
}

int ProxyServer::Run() {
  started_ns_ = loop_.ReadNs();
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Before the workers: they inherit it.
  signal(SIGPIPE, SIG_IGN);
  const int signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
  const auto watch = loop_.Watch(signal_fd, [this, signal_fd](Ready) {
    signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof(info)) == sizeof(info)) {
      if (info.ssi_signo != SIGUSR1) {
        BeginDrain();
        continue;
      }
      for (auto& [path, sink] : config_.parse().sinks) sink->Reopen();  // After a log rotation.
    }
  });
  AddAdmin();
  if (!admin_address_.empty()) {
    if (absl::Status listening = admin_.Listen(admin_address_); !listening.ok()) {
      pinnace::LogError("admin", listening.message());
      return 1;
    }
  }
  for (size_t i = 0; i < options_.concurrency; ++i) {
    workers_.push_back(std::make_unique<Worker>(i, network_, clock_, stats_));
    workers_.back()->SetConnectionLimit(limit_);
    workers_.back()->Start();
  }
  Apply();
  if (identity_ != nullptr) identity_->Start();
  if (discovery_ != nullptr) discovery_->Start();
  pinnace::LogInfo("server", absl::StrCat("serving with ", options_.concurrency, " worker(s)"));
  loop_.Run();
  for (auto& worker : workers_) worker->Stop();
  close(signal_fd);
  pinnace::LogInfo("server", "stopped");
  return 0;
}

}  // namespace proxy
