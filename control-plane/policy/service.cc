// v1 Service: a name, an address and the pods behind it.
#include <algorithm>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "control-plane/policy/address.h"
#include "control-plane/policy/kind.h"

namespace control {
namespace {

struct ServiceObject final : Object {
  Service service;
};

std::optional<ServicePort> ReadPort(const Reader& reader) {
  Fields fields(reader);
  ServicePort out;
  const auto number = fields.Require("port").Integer(1, 65535);
  if (const auto name = fields.Get("name").String()) out.name = *name;
  const auto app_protocol = fields.Get("appProtocol").String();
  out.protocol = DeclaredProtocol(app_protocol.value_or(""), out.name);
  const auto protocol = fields.Get("protocol").String();
  const Reader target = fields.Get("targetPort");
  out.target_port = static_cast<uint16_t>(number.value_or(0));
  if (const auto text = target.NumberOrName()) {
    int value = 0;
    if (!absl::SimpleAtoi(*text, &value)) {
      out.target_port = 0;
      out.target_name = *text;
    } else if (value < 1 || value > 65535) {
      target.Report("OutOfRange", absl::StrCat("is ", value, ", must be in 1..65535"));
    } else {
      out.target_port = static_cast<uint16_t>(value);
    }
  }
  fields.Ignore({"nodePort"});
  fields.Finish();
  if (!number || (protocol && *protocol != "TCP")) return std::nullopt;
  out.port = static_cast<uint16_t>(*number);
  return out;
}

void ReadAddresses(Fields& spec, Service& service) {
  const Reader single = spec.Get("clusterIP");
  const Reader several = spec.Get("clusterIPs");
  std::vector<Reader> readers = several.Items(2);
  if (readers.empty() && single.present()) readers.push_back(single);
  for (const Reader& reader : readers) {
    const auto text = reader.String();
    if (!text || text->empty()) continue;
    if (*text == "None") {
      service.headless = true;
      continue;
    }
    const std::string address = ReadAddress(reader, *text);
    if (!address.empty()) service.cluster_ips.push_back(address);
  }
}

ObjectPtr Parse(Fields& document, const ObjectMeta& meta) {
  auto object = std::make_shared<ServiceObject>();
  object->meta = meta;
  Service& service = object->service;
  service.key = {meta.key.ns, meta.key.name};
  service.meta = meta;
  Fields spec(document.Require("spec"));
  ReadAddresses(spec, service);
  service.selector = spec.Get("selector").Texts();
  for (const Reader& item : spec.Require("ports").Items(kItemsMax)) {
    std::optional<ServicePort> port = ReadPort(item);
    if (!port) continue;
    if (service.FindPort(port->port) != nullptr) {
      item.Report("Duplicate", absl::StrCat("port ", port->port, " is there twice"));
      continue;
    }
    service.ports.push_back(std::move(*port));
  }
  spec.Ignore({"type", "externalName", "ipFamilies", "ipFamilyPolicy", "sessionAffinity",
               "sessionAffinityConfig", "internalTrafficPolicy", "externalTrafficPolicy",
               "externalIPs", "loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges",
               "allocateLoadBalancerNodePorts", "publishNotReadyAddresses", "healthCheckNodePort",
               "trafficDistribution"});
  spec.Finish();
  return object;
}

uint16_t TargetPort(const ServicePort& port, const Workload& workload) {
  if (port.target_name.empty()) return port.target_port;
  for (const ContainerPort& candidate : workload.ports) {
    if (candidate.name == port.target_name) return candidate.port;
  }
  return 0;
}

void AddPods(Mesh& mesh, Service& service) {
  for (const auto& [key, workload] : mesh.workloads) {
    if (key.ns != service.key.ns || workload.ip.empty()) continue;
    if (!Selects(service.selector, workload.labels)) continue;
    for (ServicePort& port : service.ports) {
      const uint16_t target = TargetPort(port, workload);
      if (target == 0) continue;
      DeclareInbound(mesh, workload.ip, target, port.protocol, service.key);
      if (workload.ready) AddEndpoint(port, MakeEndpoint(mesh, workload.ip, target));
    }
  }
}

void Apply(std::span<const ObjectPtr> objects, Building& building) {
  std::map<std::string, NamespacedName> owner_by_ip;
  for (const ObjectPtr& object : objects) {
    Service service = static_cast<const ServiceObject&>(*object).service;
    building.mesh.namespaces.insert(service.key.ns);
    std::erase_if(service.cluster_ips, [&](const std::string& ip) {
      const auto [it, fresh] = owner_by_ip.emplace(ip, service.key);
      if (fresh) return false;
      building.problems.push_back(ProblemAt(
          service.meta, "spec.clusterIP", "Conflicted",
          absl::StrCat(ip, " already belongs to service ", it->second.ns, "/", it->second.name),
          "give each service an address of its own"));
      return true;
    });
    AddPods(building.mesh, service);
    building.mesh.services.emplace(service.key, std::move(service));
  }
}

}  // namespace

const Kind kServiceKind = {"Service", {"v1"}, true, &Parse, &Apply};

}  // namespace control
