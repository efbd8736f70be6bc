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

// Collects references and, apart from them, what cannot be read.
class Walk {
 public:
  // Notes the references of `message` and of everything in it, packed messages too.
  void Visit(const Message& message) {
    NoteReferences(message);
    if (const auto* any = dynamic_cast<const google::protobuf::Any*>(&message)) {
      VisitPacked(*any);
      return;
    }
    const google::protobuf::Reflection& reflection = *message.GetReflection();
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        Visit(reflection.GetMessage(message, field));
        continue;
      }
      const int count = reflection.FieldSize(message, field);
      for (int i = 0; i < count; ++i) {
        Visit(reflection.GetRepeatedMessage(message, field, i));
      }
    }
  }

  const std::set<Reference>& references() const { return references_; }
  const std::vector<std::string>& faults() const { return faults_; }

 private:
  void VisitPacked(const google::protobuf::Any& any) {
    const std::string name = any.type_url().substr(any.type_url().rfind('/') + 1);
    const google::protobuf::Descriptor* type =
        google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
    if (type == nullptr) {
      faults_.push_back(absl::StrCat("unknown type ", any.type_url()));
      return;
    }
    const std::unique_ptr<Message> message(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
    if (!message->ParseFromString(any.value())) {
      faults_.push_back(absl::StrCat("not a ", name));
      return;
    }
    Visit(*message);
  }

  void NoteReferences(const Message& message) {
    namespace hcm = envoy::extensions::filters::network::http_connection_manager::v3;
    namespace tcp = envoy::extensions::filters::network::tcp_proxy::v3;
    namespace route = envoy::config::route::v3;
    namespace tls = envoy::extensions::transport_sockets::tls::v3;
    if (const auto* rds = dynamic_cast<const hcm::Rds*>(&message)) {
      Need(kRouteType, rds->route_config_name());
    } else if (const auto* proxy = dynamic_cast<const tcp::TcpProxy*>(&message)) {
      if (!proxy->cluster().empty()) Need(kClusterType, proxy->cluster());
    } else if (const auto* action = dynamic_cast<const route::RouteAction*>(&message)) {
      if (!action->cluster().empty()) Need(kClusterType, action->cluster());
    } else if (const auto* weight =
                   dynamic_cast<const route::WeightedCluster::ClusterWeight*>(&message)) {
      Need(kClusterType, weight->name());
    } else if (const auto* mirror =
                   dynamic_cast<const route::RouteAction::RequestMirrorPolicy*>(&message)) {
      if (!mirror->cluster().empty()) Need(kClusterType, mirror->cluster());
    } else if (const auto* share =
                   dynamic_cast<const tcp::TcpProxy::WeightedCluster::ClusterWeight*>(&message)) {
      Need(kClusterType, share->name());
    } else if (const auto* cluster =
                   dynamic_cast<const envoy::config::cluster::v3::Cluster*>(&message)) {
      if (cluster->type() != envoy::config::cluster::v3::Cluster::EDS) return;
      const std::string& service = cluster->eds_cluster_config().service_name();
      Need(kEndpointType, service.empty() ? cluster->name() : service);
    } else if (const auto* secret = dynamic_cast<const tls::SdsSecretConfig*>(&message)) {
      if (secret->sds_config().has_ads()) Need(kSecretType, secret->name());
    }
  }

  void Need(const char* type_url, const std::string& name) { references_.insert({type_url, name}); }

  std::set<Reference> references_;
  std::vector<std::string> faults_;
};

}  // namespace

std::vector<Reference> ReferencesOf(const google::protobuf::Any& any) {
  Walk walk;
  walk.Visit(any);
  return {walk.references().begin(), walk.references().end()};
}

std::vector<std::string> Inconsistencies(const ResourceSet& resources) {
  std::vector<std::string> out;
  for (const auto& [type_url, by_name] : resources) {
    for (const auto& [name, resource] : by_name) {
      const std::string owner = absl::StrCat(type_url, " \"", name, "\"");
      Walk walk;
      walk.Visit(resource->any);
      for (const std::string& fault : walk.faults()) {
        out.push_back(absl::StrCat(owner, ": ", fault));
      }
      for (const Reference& need : walk.references()) {
        const auto type = resources.find(need.type_url);
        if (type != resources.end() && type->second.contains(need.name)) continue;
        out.push_back(absl::StrCat(owner, ": there is no ", need.type_url, " \"", need.name, "\""));
      }
    }
  }
  return out;
}

}  // namespace control
