// The admin interface: a small HTTP/1.1 server on the main thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "proxy/codec/codec.h"
#include "proxy/net/connection.h"
#include "proxy/stats/stats.h"

namespace proxy {

struct AdminAnswer {
  int status = 200;
  std::string body = {};
  std::string content_type = "text/plain; charset=UTF-8";
};

// Main thread only; never touches a worker.
class Admin {
 public:
  using Handler = std::function<AdminAnswer(absl::string_view query)>;
  Admin(EventLoop& loop, Network& network);
  ~Admin();
  // Serves `handler` at `path`; `mutates`: only for POST.
  void Add(const std::string& path, const std::string& help, bool mutates, Handler handler);
  // Unavailable if the address cannot be bound.
  absl::Status Listen(const Address& at);
  Address local() const { return acceptor_->Local(); }

 private:
  class Client;
  friend class Client;
  struct Entry {
    std::string help;
    bool mutates;
    Handler handler;
  };
  AdminAnswer Answer(const RequestHead& head) const;

  EventLoop& loop_;
  Network& network_;
  std::map<std::string, Entry> entries_;
  std::unique_ptr<Acceptor> acceptor_;
  std::map<Client*, std::unique_ptr<Client>> clients_;
};

// All stats as "name: value" lines; `filter`: only names that contain it.
std::string StatsText(const StatsRegistry& stats, absl::string_view filter);
// In Prometheus' text format 0.0.4, grouped by metric.
std::string StatsPrometheus(const StatsRegistry& stats);

}  // namespace proxy
