// Delta and state-of-the-world subscriptions, acknowledgements and times to live.
#include "proxy/xds/xds_stream.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

namespace proxy {
namespace {

namespace discovery = envoy::service::discovery::v3;
using google::protobuf::Any;
using google::protobuf::internal::WireFormatLite;

constexpr char kWrapperUrl[] = "type.googleapis.com/envoy.service.discovery.v3.Resource";
constexpr int kInvalidArgument = 3;  // google.rpc.Code

int64_t NsOf(const google::protobuf::Duration& duration) {
  return duration.seconds() * 1'000'000'000 + duration.nanos();
}

// Types whose state-of-the-world responses are complete: what is absent is gone (xDS protocol,
// "Deleting resources").
bool CompleteInSotw(const std::string& url) { return url == kListenerUrl || url == kClusterUrl; }

}  // namespace

std::string ResourceName(const Any& resource) {
  google::protobuf::io::CodedInputStream in(
      reinterpret_cast<const uint8_t*>(resource.value().data()),
      static_cast<int>(resource.value().size()));
  std::string name;
  while (const uint32_t tag = in.ReadTag()) {
    if (tag == WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_LENGTH_DELIMITED)) {
      uint32_t length = 0;
      if (!in.ReadVarint32(&length) || !in.ReadString(&name, static_cast<int>(length))) return "";
    } else if (!WireFormatLite::SkipField(&in, tag)) {
      return "";
    }
  }
  return name;
}

XdsStream::XdsStream(XdsVariant variant, envoy::config::core::v3::Node node, ResourceEvents& events)
    : variant_(variant), node_(std::move(node)), events_(events) {}

template <typename Request>
void XdsStream::Queue(Request& request) {
  if (std::exchange(first_, false)) *request.mutable_node() = node_;
  requests_.push_back(request.SerializeAsString());
}

std::vector<std::string> XdsStream::TakeRequests() { return std::exchange(requests_, {}); }

void XdsStream::SubscribeAll(const std::string& type_url) {
  Type& type = types_[type_url];
  if (std::exchange(type.wildcard, true) || !open_) return;
  AskFirst(type_url, type);
}

void XdsStream::Restore(const std::string& type_url, const std::string& name,
                        const std::string& version) {
  types_[type_url].versions[name] = variant_ == XdsVariant::kDelta ? version : "";
}

void XdsStream::SetNames(const std::string& type_url, const std::set<std::string>& names) {
  Type& type = types_[type_url];
  if (type.names == names) return;
  const std::set<std::string> before = std::exchange(type.names, names);
  for (const std::string& name : before) {
    if (names.contains(name) || type.wildcard) continue;
    type.versions.erase(name);
    type.expiry_ns.erase(name);
  }
  if (open_) Ask(type_url, type, before);  // Else the next stream begins with them.
}

void XdsStream::OnOpen() {
  open_ = first_ = true;
  requests_.clear();
  for (auto& [url, type] : types_) {
    type.nonce.clear();
    type.asked = false;
    if (type.wildcard || !type.names.empty()) AskFirst(url, type);
  }
}

void XdsStream::OnClosed() {
  open_ = false;
  requests_.clear();
}

void XdsStream::AskFirst(const std::string& url, Type& type) {
  type.asked = true;
  if (variant_ == XdsVariant::kSotw) return AnswerSotw(url, type, "");
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url(url);
  if (type.wildcard) request.add_resource_names_subscribe("*");
  for (const std::string& name : type.names) request.add_resource_names_subscribe(name);
  request.mutable_initial_resource_versions()->insert(type.versions.begin(), type.versions.end());
  Queue(request);
}

void XdsStream::Ask(const std::string& url, Type& type, const std::set<std::string>& before) {
  if (!type.asked) {
    if (!type.names.empty()) AskFirst(url, type);
    return;
  }
  if (variant_ == XdsVariant::kSotw) return AnswerSotw(url, type, "");
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url(url);
  std::set_difference(
      type.names.begin(), type.names.end(), before.begin(), before.end(),
      google::protobuf::RepeatedFieldBackInserter(request.mutable_resource_names_subscribe()));
  std::set_difference(
      before.begin(), before.end(), type.names.begin(), type.names.end(),
      google::protobuf::RepeatedFieldBackInserter(request.mutable_resource_names_unsubscribe()));
  Queue(request);
}

// Every state-of-the-world request says the same four things: the version in force, the names
// wanted, the response that it answers, and what was wrong with that.
void XdsStream::AnswerSotw(const std::string& url, const Type& type, const std::string& problem) {
  discovery::DiscoveryRequest request;
  request.set_type_url(url);
  request.set_version_info(type.version);
  request.set_response_nonce(type.nonce);
  if (!type.wildcard) {  // No name at all asks for everything.
    for (const std::string& name : type.names) request.add_resource_names(name);
  }
  if (!problem.empty()) {
    request.mutable_error_detail()->set_code(kInvalidArgument);
    request.mutable_error_detail()->set_message(problem);
  }
  Queue(request);
}

absl::Status XdsStream::OnMessage(absl::string_view bytes, int64_t now_ns) {
  const auto size = static_cast<int>(bytes.size());
  if (variant_ == XdsVariant::kDelta) {
    discovery::DeltaDiscoveryResponse message;
    if (!message.ParseFromArray(bytes.data(), size))
      return absl::InvalidArgumentError("not a DeltaDiscoveryResponse");
    Response response{
        .type_url = message.type_url(),
        .version = {},
        .nonce = message.nonce(),
        .offered = {},
        .removed = {message.removed_resources().begin(), message.removed_resources().end()},
        .errors = &message.resource_errors()};
    for (const discovery::Resource& one : message.resources()) {
      response.offered.push_back({.name = one.name(),
                                  .version = one.version(),
                                  .body = one.has_resource() ? &one.resource() : nullptr,
                                  .ttl_ns = NsOf(one.ttl())});
    }
    Apply(response, now_ns);
    return absl::OkStatus();
  }
  discovery::DiscoveryResponse message;
  if (!message.ParseFromArray(bytes.data(), size))
    return absl::InvalidArgumentError("not a DiscoveryResponse");
  Response response{.type_url = message.type_url(),
                    .version = message.version_info(),
                    .nonce = message.nonce(),
                    .offered = {},
                    .removed = {},
                    .errors = &message.resource_errors()};
  std::vector<discovery::Resource> wrapped(static_cast<size_t>(message.resources_size()));
  for (int i = 0; i < message.resources_size(); ++i) {
    const Any& any = message.resources(i);
    Offered offered{.name = ResourceName(any), .version = response.version, .body = &any};
    if (any.type_url() == kWrapperUrl) {
      discovery::Resource& wrapper = wrapped[static_cast<size_t>(i)];
      any.UnpackTo(&wrapper);
      offered.body = wrapper.has_resource() ? &wrapper.resource() : nullptr;
      offered.name = wrapper.name().empty() ? ResourceName(wrapper.resource()) : wrapper.name();
      offered.ttl_ns = NsOf(wrapper.ttl());
    }
    if (offered.name.empty()) offered.problem = absl::StrCat("resources[", i, "]: has no name");
    response.offered.push_back(std::move(offered));
  }
  Apply(response, now_ns);
  return absl::OkStatus();
}

std::string XdsStream::ApplyOne(Type& type, const std::string& url, const Offered& offered,
                                int64_t now_ns) {
  if (!offered.problem.empty()) return offered.problem;
  const std::string& name = offered.name;
  if (!type.wildcard && !type.names.contains(name)) {  // It crossed our taking it back.
    ++unasked_;
    return "";
  }
  if (offered.body != nullptr) {
    absl::Status applied = absl::OkStatus();
    if (offered.body->type_url() != url) {
      applied = absl::InvalidArgumentError(
          absl::StrCat("is a ", offered.body->type_url(), " in a response of ", url));
    } else if (const std::string inner = ResourceName(*offered.body); inner != name) {
      applied = absl::InvalidArgumentError(
          absl::StrCat("the resource calls itself '", inner, "', not '", name, "'"));
    } else {
      applied = events_.OnResource(url, name, offered.version, *offered.body);
    }
    if (!applied.ok()) return absl::StrCat(name, ": ", applied.message());
    type.versions[name] = variant_ == XdsVariant::kDelta ? offered.version : "";
  } else if (!type.versions.contains(name)) {
    return "";  // A heartbeat of what is not held.
  }
  if (offered.ttl_ns > 0) {
    type.expiry_ns[name] = now_ns + offered.ttl_ns;
  } else if (offered.body != nullptr) {
    type.expiry_ns.erase(name);
  }
  return "";
}

void XdsStream::ApplyRemovals(Type& type, const Response& response) {
  std::vector<std::string> removed = response.removed;
  const bool nameable = std::all_of(response.offered.begin(), response.offered.end(),
                                    [](const Offered& one) { return one.problem.empty(); });
  if (variant_ == XdsVariant::kSotw && CompleteInSotw(response.type_url) && nameable) {
    std::set<std::string> present;
    for (const Offered& one : response.offered) present.insert(one.name);
    for (const auto& [name, version] : type.versions) {
      if (!present.contains(name)) removed.push_back(name);
    }
  }
  for (const std::string& name : removed) {
    type.versions.erase(name);
    type.expiry_ns.erase(name);
    events_.OnRemoved(response.type_url, name, ResourceEvents::Gone::kRemoved);
  }
}

void XdsStream::Apply(Response& response, int64_t now_ns) {
  const std::string& url = response.type_url;
  const auto known = types_.find(url);
  // An answer to a type that was never asked for: to acknowledge it would be to subscribe to it.
  if (known == types_.end() || !known->second.asked) {
    ++unasked_;
    return;
  }
  Type& type = known->second;
  type.nonce = response.nonce;
  std::map<std::string, int> times;
  for (const Offered& one : response.offered) ++times[one.name];
  std::vector<std::string> problems;
  for (Offered& one : response.offered) {
    if (one.problem.empty() && times[one.name] > 1)
      one.problem = absl::StrCat(one.name, ": stands ", times[one.name], " times in the response");
    std::string problem = ApplyOne(type, url, one, now_ns);
    const bool told = std::find(problems.begin(), problems.end(), problem) != problems.end();
    if (!problem.empty() && !told) problems.push_back(std::move(problem));
  }
  ApplyRemovals(type, response);
  for (const discovery::ResourceError& error : *response.errors) {
    events_.OnMissing(url, error.resource_name().name(), error.error_detail().message());
  }
  const std::string problem = absl::StrJoin(problems, "; ");
  if (variant_ == XdsVariant::kSotw) {
    if (problem.empty()) type.version = response.version;
    AnswerSotw(url, type, problem);
  } else {
    discovery::DeltaDiscoveryRequest answer;
    answer.set_type_url(url);
    answer.set_response_nonce(response.nonce);
    if (!problem.empty()) {
      answer.mutable_error_detail()->set_code(kInvalidArgument);
      answer.mutable_error_detail()->set_message(problem);
    }
    Queue(answer);
  }
  events_.OnResponseApplied(url, problem);
}

int64_t XdsStream::NextExpiryNs() const {
  int64_t next = INT64_MAX;
  for (const auto& [url, type] : types_) {
    for (const auto& [name, due] : type.expiry_ns) next = std::min(next, due);
  }
  return next;
}

void XdsStream::Expire(int64_t now_ns) {
  for (auto& [url, type] : types_) {
    bool any = false;
    for (auto it = type.expiry_ns.begin(); it != type.expiry_ns.end();) {
      if (it->second > now_ns) {
        ++it;
        continue;
      }
      const std::string name = it->first;
      it = type.expiry_ns.erase(it);
      type.versions.erase(name);
      events_.OnRemoved(url, name, ResourceEvents::Gone::kExpired);
      any = true;
    }
    if (any) events_.OnResponseApplied(url, "");
  }
}

const std::map<std::string, std::string>& XdsStream::Held(const std::string& type_url) const {
  static const std::map<std::string, std::string>* const kNone =
      new std::map<std::string, std::string>();
  const auto found = types_.find(type_url);
  return found == types_.end() ? *kNone : found->second.versions;
}

}  // namespace proxy
