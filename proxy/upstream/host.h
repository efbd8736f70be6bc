// One endpoint as one worker sees it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "proxy/upstream/config.h"

namespace proxy {

class Pool;
struct HostHealth;

// Between whom a downstream stream runs, for the PROXY header; empty where none is sent.
struct StreamEnds {
  Address source;
  Address destination;
  bool operator<(const StreamEnds& other) const {
    return source == other.source ? destination < other.destination : source < other.source;
  }
};

// Owned by its cluster on one loop; outlives every stream that was opened through it.
struct Host {
  explicit Host(EndpointConfig endpoint);
  ~Host();
  EndpointConfig config;
  uint32_t active_requests = 0;
  uint64_t requests_total = 0;
  std::shared_ptr<HostHealth> health;  // Shared by all workers. Null: ORIGINAL_DST.
  bool removed = false;           // No longer in the cluster: ends when its streams have ended.
  std::unique_ptr<Pool> pool[2];  // HTTP/1.1 and HTTP/2; made on first use.
  // With a PROXY header a connection speaks for one client: by protocol and its two addresses.
  std::map<std::pair<bool, StreamEnds>, std::unique_ptr<Pool>> pools_of_clients;
  // Those with TLS options of their own (a server name taken from requests); empty ones are let go.
  std::vector<std::unique_ptr<Pool>> special;
};

}  // namespace proxy
