// Walks every message by reflection and looks up what it refers to.
#include "control-plane/translate/consistent.h"

#include <set>

#include <absl/strings/str_cat.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"

namespace control {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

class Walk {
 public:
  Walk(const ResourceSet& resources, std::vector<std::string>& out)
      : resources_(resources), out_(out) {}

  // Notes the references of `message` and of everything in it, packed messages too.
  void Visit(const std::string& owner, const Message& message) {
    NoteReferences(owner, message);
    if (const auto* any = dynamic_cast<const google::protobuf::Any*>(&message)) {
      VisitPacked(owner, *any);
      return;
    }
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        Visit(owner, reflection.GetMessage(message, field));
        continue;
      }
      const int count = reflection.FieldSize(message, field);
      for (int i = 0; i < count; ++i) {
        Visit(owner, reflection.GetRepeatedMessage(message, field, i));
      }
    }
  }

 private:
  void VisitPacked(const std::string& owner, const google::protobuf::Any& any) {
    const std::string name = any.type_url().substr(any.type_url().rfind('/') + 1);
    const google::protobuf::Descriptor* type =
        google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
    if (type == nullptr) {
      out_.push_back(absl::StrCat(owner, ": unknown type ", any.type_url()));
      return;
    }
    const std::unique_ptr<Message> message(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
    if (!message->ParseFromString(any.value())) {
      out_.push_back(absl::StrCat(owner, ": not a ", name));
      return;
    }
    Visit(owner, *message);
  }

  void NoteReferences(const std::string& owner, const Message& message) {
    namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
    namespace tcp = envoy::extensions::filters::network::tcp_proxy::v3;
    namespace route = envoy::config::route::v3;
    namespace tls = envoy::extensions::transport_sockets::tls::v3;
    if (const auto* rds = dynamic_cast<const hcm::Rds*>(&message)) {
      Need(owner, kRouteType, rds->route_config_name());
    } else if (const auto* proxy = dynamic_cast<const tcp::TcpProxy*>(&message)) {
      if (!proxy->cluster().empty()) Need(owner, kClusterType, proxy->cluster());
    } else if (const auto* action = dynamic_cast<const route::RouteAction*>(&message)) {
      if (!action->cluster().empty()) Need(owner, kClusterType, action->cluster());
    } else if (const auto* weight =
                   dynamic_cast<const route::WeightedCluster::ClusterWeight*>(&message)) {
      Need(owner, kClusterType, weight->name());
    } else if (const auto* cluster =
                   dynamic_cast<const envoy::config::cluster::v3::Cluster*>(&message)) {
      if (cluster->type() != envoy::config::cluster::v3::Cluster::EDS) return;
      const std::string& service = cluster->eds_cluster_config().service_name();
      Need(owner, kEndpointType, service.empty() ? cluster->name() : service);
    } else if (const auto* secret = dynamic_cast<const tls::SdsSecretConfig*>(&message)) {
      if (secret->sds_config().has_ads()) Need(owner, kSecretType, secret->name());
    }
  }

  void Need(const std::string& owner, const char* type_url, const std::string& name) {
    const auto type = resources_.find(type_url);
    if (type != resources_.end() && type->second.find(name) != type->second.end()) return;
    std::string line = absl::StrCat(owner, ": there is no ", type_url, " \"", name, "\"");
    if (said_.insert(line).second) out_.push_back(std::move(line));
  }

  const ResourceSet& resources_;
  std::vector<std::string>& out_;
  std::set<std::string> said_;
};

}  // namespace

std::vector<std::string> Inconsistencies(const ResourceSet& resources) {
  std::vector<std::string> out;
  Walk walk(resources, out);
  for (const auto& [type_url, by_name] : resources) {
    for (const auto& [name, resource] : by_name) {
      walk.Visit(absl::StrCat(type_url, " \"", name, "\""), resource->any);
    }
  }
  return out;
}

}  // namespace control
