// N simulated sidecars, each a real gRPC stream of delta ADS that acknowledges what it gets.
//
// xds-load SERVER CLIENTS CONNECTIONS, then lines on standard input, each answered by one of JSON:
//   connect            opens all streams, waits until each has its clusters and their endpoints
//   change NAME SECS   waits until all have acknowledged a response with resource NAME that came
//                      after this line was read; times are since that moment
//   reconnect          ends all streams and opens them anew with the versions that they hold
//   quit
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include "envoy/service/discovery/v3/discovery.pb.h"

namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using google::protobuf::io::CodedInputStream;
using Clock = std::chrono::steady_clock;

constexpr char kClusters[] = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
constexpr char kEndpoints[] = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
constexpr char kMethod[] =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr int kConnectsAtOnce = 64;

grpc::ByteBuffer Bytes(const DeltaDiscoveryRequest& request) {
  const grpc::Slice slice(request.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

// What all sidecars share: all are served the same.
struct Load {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::string> endpoint_names;  // Of the first client that has heard.
  std::vector<std::pair<std::string, std::string>> cluster_versions;
  std::vector<std::pair<std::string, std::string>> endpoint_versions;
  std::string awaited;  // The resource that `change` waits for.
  Clock::time_point since;
  std::vector<double> times;  // Milliseconds, one a client that has acknowledged.
  std::atomic<uint64_t> resource_bytes{0};
  std::atomic<uint64_t> responses{0};
  std::atomic<int> ready{0};
  std::atomic<int> failed{0};

  void Note() {
    const std::chrono::duration<double, std::milli> taken = Clock::now() - since;
    const std::lock_guard lock(mutex);
    times.push_back(taken.count());
    changed.notify_all();
  }
};

// The parts of a response that a sidecar needs, read without unpacking resources.
struct Response {
  std::string type_url;
  std::string nonce;
  std::vector<std::pair<std::string, std::string>> resources;  // Name and version.

  void Read(const std::string& bytes) {
    CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                        static_cast<int>(bytes.size()));
    while (const uint32_t tag = in.ReadTag()) {
      uint32_t size = 0;
      if ((tag & 7) != 2 || !in.ReadVarint32(&size)) return;
      switch (tag >> 3) {
        case 2: ReadResource(in, size); break;
        case 4: in.ReadString(&type_url, static_cast<int>(size)); break;
        case 5: in.ReadString(&nonce, static_cast<int>(size)); break;
        default: in.Skip(static_cast<int>(size));
      }
    }
  }

 private:
  void ReadResource(CodedInputStream& in, uint32_t size) {
    const auto limit = in.PushLimit(static_cast<int>(size));
    auto& [name, version] = resources.emplace_back();
    while (const uint32_t tag = in.ReadTag()) {
      uint32_t part = 0;
      if ((tag & 7) != 2 || !in.ReadVarint32(&part)) break;
      switch (tag >> 3) {
        case 1: in.ReadString(&version, static_cast<int>(part)); break;
        case 3: in.ReadString(&name, static_cast<int>(part)); break;
        default: in.Skip(static_cast<int>(part));
      }
    }
    in.PopLimit(limit);
  }
};

class Sidecar final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Sidecar(Load& load, int number, bool again) : load_(load), number_(number), again_(again) {}

  void Begin(grpc::GenericStub& stub) {
    stub.PrepareBidiStreamingCall(&context_, kMethod, {}, this);
    AddHold();
    StartCall();
    const std::lock_guard lock(mutex_);
    StartRead(&incoming_);
    DeltaDiscoveryRequest request;
    request.mutable_node()->set_id("sidecar~10.0.0.1~load-" + std::to_string(number_) +
                                   ".load~load.svc.cluster.local");
    request.set_type_url(kClusters);
    if (again_) {
      for (const auto& [name, version] : load_.cluster_versions) {
        (*request.mutable_initial_resource_versions())[name] = version;
      }
    }
    Send(Bytes(request), false);
    if (!again_) return;
    Send(Bytes(EndpointsRequest()), false);
    SetReady();
  }
  void End() { context_.TryCancel(); }
  void Join() {
    std::unique_lock lock(mutex_);
    done_changed_.wait(lock, [this] { return done_; });
  }

  void OnReadDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    if (!ok) {
      if (!ready_) ++load_.failed;
      RemoveHold();
      return;
    }
    std::vector<grpc::Slice> slices;
    incoming_.Dump(&slices);
    std::string bytes;
    bytes.reserve(incoming_.Length());
    for (const grpc::Slice& slice : slices) {
      bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    incoming_.Clear();
    Response response;
    response.Read(bytes);
    if (!response.resources.empty()) load_.resource_bytes += bytes.size();
    ++load_.responses;
    Handle(response);
    StartRead(&incoming_);
  }
  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    const bool noted = outgoing_.front().second;
    outgoing_.pop_front();
    if (ok && noted) load_.Note();
    if (ok && !outgoing_.empty()) StartWrite(&outgoing_.front().first);
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    done_changed_.notify_all();
  }

 private:
  DeltaDiscoveryRequest EndpointsRequest() {
    DeltaDiscoveryRequest request;
    request.set_type_url(kEndpoints);
    const std::lock_guard lock(load_.mutex);
    for (const std::string& name : load_.endpoint_names) request.add_resource_names_subscribe(name);
    if (!again_) return request;
    for (const auto& [name, version] : load_.endpoint_versions) {
      (*request.mutable_initial_resource_versions())[name] = version;
    }
    return request;
  }

  void Handle(const Response& response) {
    const bool clusters = response.type_url == kClusters;
    bool awaited = false;
    {
      const std::lock_guard lock(load_.mutex);
      auto& versions = clusters ? load_.cluster_versions : load_.endpoint_versions;
      const bool first = number_ == 0;  // It keeps the versions for all.
      for (const auto& [name, version] : response.resources) {
        awaited = awaited || name == load_.awaited;
        if (!first) continue;
        const auto it = std::find_if(versions.begin(), versions.end(),
                                     [&](const auto& item) { return item.first == name; });
        if (it == versions.end()) {
          versions.emplace_back(name, version);
          if (clusters && name.rfind("outbound|", 0) == 0) load_.endpoint_names.push_back(name);
        } else {
          it->second = version;
        }
      }
    }
    DeltaDiscoveryRequest ack;
    ack.set_type_url(response.type_url);
    ack.set_response_nonce(response.nonce);
    Send(Bytes(ack), awaited && ready_);
    if (ready_) return;
    if (clusters && !asked_) {
      asked_ = true;
      Send(Bytes(EndpointsRequest()), false);
    } else if (!clusters) {
      endpoints_ += response.resources.size();
      const std::lock_guard lock(load_.mutex);
      if (endpoints_ < load_.endpoint_names.size()) return;
    }
    if (!clusters) SetReady();
  }

  void SetReady() {
    ready_ = true;
    ++load_.ready;
    const std::lock_guard lock(load_.mutex);
    load_.changed.notify_all();
  }

  void Send(grpc::ByteBuffer bytes, bool noted) {
    outgoing_.emplace_back(std::move(bytes), noted);
    if (outgoing_.size() == 1) StartWrite(&outgoing_.front().first);
  }

  Load& load_;
  const int number_;
  const bool again_;
  grpc::ClientContext context_;
  grpc::ByteBuffer incoming_;
  std::mutex mutex_;  // Guards what follows, and `incoming_` between reads.
  std::condition_variable done_changed_;
  std::deque<std::pair<grpc::ByteBuffer, bool>> outgoing_;
  size_t endpoints_ = 0;
  bool asked_ = false;
  bool ready_ = false;
  bool done_ = false;
};

class Fleet {
 public:
  Fleet(std::string server, int clients, int connections)
      : server_(std::move(server)), clients_(clients), connections_(connections) {}

  // JSON: how long it took and what came.
  std::string Connect(bool again) {
    const auto begin = Clock::now();
    End();
    load_.ready = 0;
    load_.failed = 0;
    load_.resource_bytes = 0;
    load_.responses = 0;
    for (int i = 0; i < connections_; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      arguments.SetMaxReceiveMessageSize(-1);
      stubs_.push_back(std::make_unique<grpc::GenericStub>(
          grpc::CreateCustomChannel(server_, grpc::InsecureChannelCredentials(), arguments)));
    }
    std::vector<double> waits;
    for (int i = 0; i < clients_; ++i) {
      // The first one goes alone: the others take its list of names.
      Await(i == 0 ? 0 : i == 1 ? 1 : i - kConnectsAtOnce);
      sidecars_.push_back(std::make_unique<Sidecar>(load_, i, again));
      sidecars_.back()->Begin(*stubs_[static_cast<size_t>(i % connections_)]);
    }
    Await(clients_);
    if (again) std::this_thread::sleep_for(std::chrono::seconds(2));  // For what would come.
    const std::chrono::duration<double> taken = Clock::now() - begin;
    return "{\"ready\": " + std::to_string(load_.ready) +
           ", \"failed\": " + std::to_string(load_.failed) +
           ", \"seconds\": " + std::to_string(taken.count()) +
           ", \"responses\": " + std::to_string(load_.responses) +
           ", \"resource_bytes\": " + std::to_string(load_.resource_bytes) + "}";
  }

  std::string Change(const std::string& name, int seconds) {
    std::unique_lock lock(load_.mutex);
    load_.awaited = name;
    load_.times.clear();
    load_.since = Clock::now();
    std::cout << "{\"armed\": true}" << std::endl;
    load_.changed.wait_for(lock, std::chrono::seconds(seconds),
                           [this] { return load_.times.size() >= static_cast<size_t>(clients_); });
    std::vector<double> times = load_.times;
    load_.awaited.clear();
    std::sort(times.begin(), times.end());
    const auto at = [&](double share) {
      if (times.empty()) return std::string("null");
      const auto index = static_cast<size_t>(share * static_cast<double>(times.size() - 1));
      return std::to_string(times[index]);
    };
    return "{\"acked\": " + std::to_string(times.size()) + ", \"first_ms\": " + at(0) +
           ", \"p50_ms\": " + at(0.5) + ", \"p99_ms\": " + at(0.99) + ", \"last_ms\": " + at(1) +
           "}";
  }

  void End() {
    for (const auto& sidecar : sidecars_) sidecar->End();
    for (const auto& sidecar : sidecars_) sidecar->Join();
    sidecars_.clear();
    stubs_.clear();
  }

 private:
  void Await(int count) {
    std::unique_lock lock(load_.mutex);
    load_.changed.wait_for(lock, std::chrono::seconds(120),
                           [&] { return load_.ready + load_.failed >= count; });
  }

  const std::string server_;
  const int clients_;
  const int connections_;
  Load load_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  std::vector<std::unique_ptr<Sidecar>> sidecars_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: xds-load SERVER CLIENTS CONNECTIONS; see the head of xds_load.cc\n";
    return 2;
  }
  Fleet fleet(argv[1], std::stoi(argv[2]), std::stoi(argv[3]));
  std::string line;
  while (std::getline(std::cin, line)) {
    const size_t space = line.find(' ');
    const std::string verb = line.substr(0, space);
    if (verb == "connect" || verb == "reconnect") {
      std::cout << fleet.Connect(verb == "reconnect") << std::endl;
    } else if (verb == "change") {
      const size_t last = line.rfind(' ');
      std::cout << fleet.Change(line.substr(space + 1, last - space - 1),
                                std::stoi(line.substr(last + 1)))
                << std::endl;
    } else if (verb == "quit") {
      break;
    }
  }
  fleet.End();
}
